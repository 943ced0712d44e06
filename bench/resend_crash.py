"""Nobody gets two: a re-send of many letters, killed with SIGKILL again and again.

Letters of a hundred senders meet receivers that refuse in doubtful words; each waits, bounces with an
NDR and stands in the books. Then a witness names a list, the list's DNS confirms it: an episode. The
list lets go, the receivers take mail again, the operator switches the re-send on, and the service is
killed while it sends. The receivers count copies by recipient. At the end each letter must have arrived
once, or stand in the books as of unknown outcome; no letter may have arrived twice.

A part of `./dev bench crash`, smaller; by itself:
PYTHONPATH=. python -m bench.resend_crash --messages 50000 --kills 20
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import dns.rrset

from bench.relayed import Receiver, Relay, free_port
from unlisted.edge.journal import Journal

SENDERS = 100
SITES = 4
ADDRESS = "127.0.3.1"
ZONE = "bl.list.example"
LISTED = "1.3.0.127"
PATIENCE_S = 900.0
STEP_S = 0.05
LOOK_S = 0.5  # at the queue, which is large

CONFIG = """\
hostname = "relay.example"
secret = "{secret}"
state = "{state}"
[smtp]
listen = ["127.0.0.1:{port}"]
{hosts}
[[pools]]
name = "main"
addresses = ["{address}"]
helo = "relay.example"
[dns]
resolver = "127.0.0.1:{dns}"
lists = true
[[lists]]
zone = "other.list.example"
[routes]
{routes}
[http]
public = "127.0.0.1:0"
operator = "127.0.0.1:0"
[policy]
suspicion_wait_s = 1.0
resend_by = "person"
resend_batch = 300
resend_every_s = 0.5
reopen_every_s = 1.0
probe_every_s = 2.0
"""
HOST = '[[smtp.relay_hosts]]\naddress = "127.0.7.{n}"\nname = "host{n}"\ntenant = "bench"\n'
DOUBTFUL = b"550 5.7.1 Message rejected due to policy restrictions"
NAMED = f"554 5.7.1 Service unavailable; Client host [{ADDRESS}] blocked using {ZONE}".encode()


@dataclass
class Verdict:
    """What both sides say at the end."""

    letters: int
    kills: int
    arrived: int = 0
    twice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unknown: int = 0
    unknown_arrived: int = 0
    cpu_s: float = 0.0

    def words(self) -> str:
        return (
            f"re-send of {self.letters} letters, {self.kills} kills: {self.arrived} arrived, "
            f"{len(self.twice)} twice, {len(self.lost)} lost; {self.unknown} of unknown outcome wait "
            f"for a person ({self.unknown_arrived} of them had arrived); {self.cpu_s:.0f} CPU-s"
        )


class _World:
    """What receivers and the list say; changed between the phases."""

    def __init__(self) -> None:
        self.blocked = True
        self.listed = False

    def site(self, line: bytes) -> bytes | None:
        return DOUBTFUL if self.blocked and line[:4].upper() == b"RCPT" else None

    def witness(self, line: bytes) -> bytes | None:
        return NAMED if self.blocked and line[:4].upper() == b"RCPT" else None

    def lists(self, name: str) -> bool:
        return name == "2.0.0.127" or (name == LISTED and self.listed)


class _Names(asyncio.DatagramProtocol):
    """The list's zone over UDP (RFC 5782: 127.0.0.2 is listed, 127.0.0.1 is not)."""

    def __init__(self, world: _World) -> None:
        self.world = world

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        question = query.question[0]
        name = question.name.to_text().lower().rstrip(".")
        name = name.removesuffix(ZONE).rstrip(".")
        if self.world.lists(name):
            if question.rdtype == 1:
                answer.answer.append(dns.rrset.from_text(question.name, 1, "IN", "A", "127.0.0.2"))
        else:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self.transport.sendto(answer.to_wire(), addr)


async def measured(
    folder: Path, letters: int, kills: int, seed: str, *, seeded: bool = False
) -> Verdict:
    """All phases; see the module. `seeded`: the bounces are written into the journal as the facts
    that they would be, without receivers; all that follows is the same."""
    world = _World()
    sites = [Receiver(refuses=world.site) for _ in range(SITES)]
    witness, sink = Receiver(refuses=world.witness), Receiver()
    for one in (*sites, witness, sink):
        await one.start()
    names, dns_port = await _names(world)
    relay = _relay(folder, sites, witness, sink, dns_port)
    try:
        if seeded:
            await asyncio.to_thread(seed_journal, relay, letters)
        relay.start()
        await relay.ready()
        if not seeded:
            await _load(relay.port, letters)
        await _until(lambda: _count(relay, "state='booked'") >= letters, "all to bounce", LOOK_S)
        await _until(lambda: _count(relay, "state!='booked'") == 0, "the reports to leave", LOOK_S)
        say(f"{letters} letters bounced, {len(sink.copies)} reports delivered")
        world.listed = True
        await _send(relay.port, 1, "witness", "witness.example")
        episode = await _until(lambda: _found(relay, "EpisodeOpened", "episode"), "an episode")
        world.blocked = world.listed = False
        await _until(lambda: _reopened(relay) >= SITES, "the paths to open again")
        before = sum(len(one.copies) for one in sites)
        assert before == 0, "something went out before anybody switched it on"
        _switch(relay, str(episode))
        await _killed(relay, sites, letters, kills, seed)
        await _until(lambda: _ended(relay), "the re-send to end", LOOK_S)
        return _judged(relay, sites, letters, kills)
    finally:
        relay.stop()
        names.close()
        for one in (*sites, witness, sink):
            await one.stop()


def _relay(
    folder: Path, sites: list[Receiver], witness: Receiver, sink: Receiver, dns_port: int
) -> Relay:
    ports = {f"site{i}.example": one.port for i, one in enumerate(sites)}
    ports |= {"witness.example": witness.port, "senders.example": sink.port}
    relay = Relay(folder, free_port(), 0, patience_s=PATIENCE_S)
    relay.config = CONFIG.format(
        secret="5e" * 32,
        state=relay.state,
        port=relay.port,
        hosts="".join(HOST.format(n=n) for n in range(1, SENDERS + 1)),
        address=ADDRESS,
        dns=dns_port,
        routes="\n".join(f'"{domain}" = "127.0.0.1:{port}"' for domain, port in ports.items()),
    )
    return relay


async def _names(world: _World) -> tuple[asyncio.BaseTransport, int]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Names(world), local_addr=("127.0.0.1", 0)
    )
    return transport, transport.get_extra_info("sockname")[1]


async def _killed(relay: Relay, sites: list[Receiver], letters: int, kills: int, seed: str) -> None:
    """One kill in each of `kills` equal parts of the way, somewhere within it."""
    for number in range(kills):
        share = (number + chance(seed, number)) / kills
        goal = int(share * letters * 0.98)
        await _until(lambda g=goal: _arrived(sites) >= g, f"{goal} to arrive")  # type: ignore[misc]
        relay.kill()
        relay.start()
        await relay.ready()
        say(f"kill {number + 1} after {_arrived(sites)} of {letters}")


def _judged(relay: Relay, sites: list[Receiver], letters: int, kills: int) -> Verdict:
    copies = Counter(copy.token for one in sites for copy in one.copies)
    relay.kill()
    db = sqlite3.connect(relay.journal)
    try:
        rows = [json.loads(row) for (row,) in db.execute("select row from queue")]
        tokens: dict[str, str] = dict(db.execute("select person, value from personal"))
    finally:
        db.close()
    unknown = {tokens[row["recipient"]].partition("@")[0] for row in rows if row.get("unknown")}
    every = {f"t{n}" for n in range(letters)}
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Verdict(
        letters,
        kills,
        arrived=len(copies),
        twice=[f"{token} arrived {count} times" for token, count in copies.items() if count > 1],
        lost=sorted(f"{one} did not arrive" for one in every - set(copies) - unknown),
        unknown=len(unknown),
        unknown_arrived=len(unknown & set(copies)),
        cpu_s=usage.ru_utime + usage.ru_stime,
    )


# ---------------------------------------------------------------- the service


def _switch(relay: Relay, episode: str) -> None:
    """The operator's switch, as an operator would."""
    command = [sys.executable, "-m", "unlisted", "resend", "run", episode, "--state", relay.state]
    told = subprocess.run(
        [*map(str, command), "--reason", "the block is over"],
        cwd=relay.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if told.returncode:
        raise RuntimeError(f"resend run: {told.stdout} {told.stderr}")
    say(told.stdout.splitlines()[3] if len(told.stdout.splitlines()) > 3 else told.stdout)


def _rows(relay: Relay, sql: str) -> list[Any]:
    db = sqlite3.connect(f"file:{relay.journal}?mode=ro", uri=True)
    with contextlib.closing(db):
        return db.execute(sql).fetchall()


def _count(relay: Relay, where: str) -> int:
    return int(_rows(relay, f"select count(*) from queue where {where}")[0][0])


def _found(relay: Relay, kind: str, name: str) -> str:
    rows = _rows(relay, f"select body from fact where kind='{kind}' limit 1")
    return str(json.loads(rows[0][0])[name]) if rows else ""


def _reopened(relay: Relay) -> int:
    rows = _rows(relay, "select body from fact where kind='PathReopened'")
    return len({json.loads(body)["receiver"] for (body,) in rows} - {"witness.example"})


def _ended(relay: Relay) -> bool:
    """Nothing is left but letters of unknown outcome."""
    return _count(relay, "json_extract(row, '$.unknown') is null") == 0


# ---------------------------------------------------------------- letters


def seed_journal(relay: Relay, letters: int) -> None:
    """Receptions, doubtful refusals, bounces and reports, by the very stations and journal."""
    from unlisted.apps.serve import configured
    from unlisted.campaigns.fingerprint import fingerprint
    from unlisted.commands import Deliver, SendNdr
    from unlisted.config_file import parse
    from unlisted.edge.people import People, derived
    from unlisted.edge.runner import Runner
    from unlisted.edge.snapshot import Snapshots
    from unlisted.facts import Bounce, Due, Reception, Recipient, Woken
    from unlisted.mail.message import body_digest, body_text

    secret = bytes.fromhex("5e" * 32)
    relay.state.mkdir(parents=True)
    people = People(secret)
    journal, key = Journal(relay.journal, secret, durable=False), derived(secret, "draw")
    runner = Runner(journal, key, Snapshots(journal, key))
    at = time.time() - 3600.0
    runner.append(configured(parse(relay.config)[0], at))
    text = DOUBTFUL.decode()[10:]
    for n in range(letters):
        at += 0.01
        token, site, sender = f"t{n}", f"site{n % SITES}.example", n % SENDERS + 1
        content = _content(token).replace("\r\n.", "").encode()
        who, back = people.host(f"host{sender}"), f"user{sender}@senders.example"
        to, back_person = f"{token}@{site}", people.person(back)
        reception = Reception(
            at=at, id=f"m{runner.upcoming}", sender=who, tenant="bench", origin="host",
            reverse_path=back_person, recipients=(Recipient(people.person(to), site),),
            size=len(content), digest=body_digest(content).hex(),
            fingerprint=fingerprint(body_text(content)),
        )  # fmt: skip
        named = {who: f"host:host{sender}", back_person: back, people.person(to): to}
        done = runner.append(reception, body=content, personal=named)
        (command,) = [one for one in done.commands if isinstance(one, Deliver)]
        done = runner.append(
            Bounce(
                at=at, done=command.key, row=command.row, address=command.address, receiver=site,
                code=550, enhanced="5.7.1", text=text, stage="rcpt",
            )
        )  # fmt: skip
        (row,) = [one.row for _, one, _ in done.facts if type(one).__name__ == "Queued"]
        done = runner.append(Due(at=at + 1.0, row=row, why="until"))
        for report in done.commands:
            if isinstance(report, SendNdr):
                where = f"ndr:{row.key}"
                runner.append(Woken(at=at, done=report.key, waits_for=where, taken=0, left=0))
        if n % 500 == 499:
            runner.commit()
    runner.commit()
    runner.snapshot()
    journal.close()


async def _load(port: int, letters: int) -> None:
    clients = 8
    waiting = iter(range(letters))

    async def client(number: int) -> None:
        for n in waiting:
            await _send(port, n % SENDERS + 1, f"t{n}", f"site{n % SITES}.example")
            if n and n % 5000 == 0:
                say(f"{n} letters handed in")

    await asyncio.gather(*(client(number) for number in range(clients)))


async def _send(port: int, sender: int, token: str, domain: str) -> None:
    """Until it is taken: a relay that has enough to do says 4yz."""
    lines = [
        f"MAIL FROM:<user{sender}@senders.example>",
        f"RCPT TO:<{token}@{domain}>",
        "DATA",
        _content(token),
    ]
    while True:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, local_addr=(f"127.0.7.{sender}", 0)
        )
        try:
            said = await _reply(reader)
            for line in ("EHLO load.example", *lines):
                if said[:1] in "45":
                    break
                writer.write(line.encode() + b"\r\n")
                said = await _reply(reader)
        finally:
            writer.transport.abort()
        if said.startswith("250"):
            return
        if said.startswith("5"):
            raise RuntimeError(f"the relay refused a letter: {said}")
        await asyncio.sleep(STEP_S)


def _content(token: str) -> str:
    """Twelve words that no two letters share."""
    words = " ".join(f"w{int(chance(token, i) * 1e6):x}" for i in range(12))
    return f"X-Token: {token}\r\nSubject: {words[:20]}\r\n\r\n{words}\r\n."


async def _reply(reader: asyncio.StreamReader) -> str:
    while True:
        line = await reader.readline()
        if not line.endswith(b"\n"):
            return "421 closed"
        if line[3:4] != b"-":
            return line.decode("utf-8", "replace").rstrip()


def chance(*parts: object) -> float:
    """0..1, the same for the same parts."""
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") / 2**64


def say(line: str) -> None:
    print(f"crash: {line}", file=sys.stderr, flush=True)


def _arrived(sites: list[Receiver]) -> int:
    return sum(len(one.copies) for one in sites)


async def _until(condition: Any, what: str, step_s: float = STEP_S) -> Any:
    began = time.monotonic()
    while not (found := condition()):
        if time.monotonic() - began > PATIENCE_S:
            raise RuntimeError(f"waited {PATIENCE_S:g} s for {what}")
        await asyncio.sleep(step_s)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--messages", type=int, default=2000, metavar="N")
    parser.add_argument("--kills", type=int, default=5, metavar="N")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--seeded", action="store_true", help="bounces from facts, not over SMTP")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="resend-") as name:
        verdict = asyncio.run(
            measured(Path(name), chosen.messages, chosen.kills, chosen.seed, seeded=chosen.seeded)
        )
    for line in (*verdict.twice, *verdict.lost):
        say(line)
    print(verdict.words())
    return 1 if verdict.twice or verdict.lost else 0


if __name__ == "__main__":
    sys.exit(main())
