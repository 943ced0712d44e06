"""What a crash costs: 100 kill -9 at random moments under load, and a power cut.

Kills: a message acknowledged with 250 must have been delivered, be in the queue or be settled with an
NDR. A second copy at the receiver is explained only if both sides prove it: in the journal that the
kill left, the row's Deliver stood in the outbox without an outcome, and the receiver's final reply
to the copy before was not written, or written less than `NOT_YET_DURABLE_S` before the kill.
Power cut: see bench/powercut.py; an acknowledgement without its sync, and a message that a restart
from the synced bytes does not know, count as lost.

Re-send: see bench/resend_crash.py; no copy is explained there, for a re-send whose outcome is unknown
must not go again by itself.

--params: a TOML file with kills, seed, clients, acks (of the power cut), resend_letters, resend_kills,
resend_seeded. Interrupt with Ctrl-C.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench import powercut
from bench.harness import Figure, Options
from bench.relayed import Acknowledged, Copy, Load, Receiver, Relay, free_port
from bench.resend_crash import chance, measured, say

KILLS = 100
CLIENTS = 4
ACKS = 60
RESEND_LETTERS = 500
RESEND_KILLS = 5
LIFE_S = 0.8
START_S = 0.5
IN_START = 0.1  # share of the kills that fall into the start itself
NOT_YET_DURABLE_S = 1.0
DRAIN_S = 60.0


@dataclass(frozen=True)
class Death:
    """One kill: when, and the rows whose Deliver had no durable outcome then."""

    at: float
    undone: frozenset[str]


@dataclass
class Verdict:
    """What the records of both sides say."""

    acknowledged: int
    lost: list[str]
    duplicates: int
    unexplained: list[str]


def run(options: Options) -> list[Figure]:
    chosen = options.parameters()
    kills = int(chosen.get("kills", KILLS))
    seed = str(chosen.get("seed", 1))
    clients = int(chosen.get("clients", CLIENTS))
    acks = int(chosen.get("acks", ACKS))
    with tempfile.TemporaryDirectory(prefix="crash-") as name:
        verdict = asyncio.run(killed(Path(name), kills, seed, clients))
    say(
        f"{kills} kills, {verdict.acknowledged} acknowledged, {len(verdict.lost)} lost, "
        f"{verdict.duplicates} duplicates, {len(verdict.unexplained)} of them unexplained"
    )
    with tempfile.TemporaryDirectory(prefix="powercut-") as name:
        cut = asyncio.run(powercut.measured(Path(name), acks, clients, say))
    letters = int(chosen.get("resend_letters", RESEND_LETTERS))
    with tempfile.TemporaryDirectory(prefix="resend-") as name:
        again = asyncio.run(
            measured(
                Path(name),
                letters,
                int(chosen.get("resend_kills", RESEND_KILLS)),
                seed,
                seeded=bool(chosen.get("resend_seeded", False)),
            )
        )
    say(again.words())
    lost = [*verdict.lost, *cut.failures, *again.lost]
    twice = [*verdict.unexplained, *again.twice]
    for line in (*lost, *twice):
        say(line)
    total = verdict.acknowledged + cut.acknowledged + letters
    note = f"{kills} kills; {verdict.duplicates} duplicates explained; {cut.words()}"
    return [
        Figure("lost_after_250", len(lost), total, note),
        Figure("unexplained_duplicates", len(twice), verdict.acknowledged + letters, again.words()),
    ]


async def killed(folder: Path, kills: int, seed: str, clients: int) -> Verdict:
    """Run the load through all kills, let the queue drain, and judge."""
    receiver = Receiver(delay_s=lambda n: 0.015 * chance(seed, "reply", n))
    await receiver.start()
    relay = Relay(folder, free_port(), receiver.port)
    load = Load(relay.port, clients, pause_s=0.01)
    running = asyncio.create_task(load.run())
    deaths: list[Death] = []
    try:
        for number in range(kills):
            relay.start()
            if chance(seed, "start", number) < IN_START:
                await asyncio.sleep(START_S * chance(seed, "moment", number))
            else:
                await relay.ready()
                await asyncio.sleep(LIFE_S * chance(seed, "moment", number))
            at = relay.kill()
            deaths.append(Death(at, undone(relay.journal, folder / "copy")))
            if (number + 1) % 10 == 0:
                say(f"{number + 1} kills, {len(load.acknowledged)} acknowledged")
        relay.start()
        await relay.ready()
        load.stop()
        await running
        await drained(relay.journal)
        relay.kill()
        rows, settled = left(relay.journal)
    finally:
        load.stop()
        running.cancel()
        relay.stop()
        await receiver.stop()
    return judged(load.acknowledged, receiver.copies, deaths, rows, settled)


def judged(
    acknowledged: list[Acknowledged],
    copies: list[Copy],
    deaths: list[Death],
    rows: set[str],
    settled: set[str],
) -> Verdict:
    """`rows`: messages in the queue at the end; `settled`: those ended with a report."""
    of_token: dict[str, list[Copy]] = defaultdict(list)
    for copy in copies:
        of_token[copy.token].append(copy)
    lost = [
        f"lost: {one.token} ({one.message})"
        for one in acknowledged
        if one.token not in of_token and one.message not in rows and one.message not in settled
    ]
    message_of = {one.token: one.message for one in acknowledged}
    duplicates = 0
    unexplained: list[str] = []
    for token, found in sorted(of_token.items()):
        for before, after in pairwise(found):
            duplicates += 1
            why = why_unexplained(message_of.get(token), before, after, deaths)
            if why:
                unexplained.append(f"duplicate of {token}: {why}")
    return Verdict(len(acknowledged), lost, duplicates, unexplained)


def why_unexplained(message: str | None, before: Copy, after: Copy, deaths: list[Death]) -> str:
    """Empty: a kill between the two copies explains the second."""
    # A dot that lay in the socket's buffer at the kill is read after it: the session tells the
    # life. Its time is taken before its 220 is written, so the relay was alive then, exactly.
    lives = [one for one in deaths if before.opened_at <= one.at <= after.dot_at]
    if not lives:
        return "no kill lies between its copies"
    return min((_why(message, before, death) for death in lives), key=len)


def _why(message: str | None, before: Copy, death: Death) -> str:
    if message is not None and f"{message}.0" not in death.undone:
        return "its outcome was durable before the kill"
    if before.replied_at is not None and death.at - before.replied_at > NOT_YET_DURABLE_S:
        return f"its reply was written {death.at - before.replied_at:.2f} s before the kill"
    return ""


def undone(journal: Path, copy: Path) -> frozenset[str]:
    """Rows with a Deliver in the outbox, in the files as the kill left them."""
    if not journal.exists():
        return frozenset()
    # A copy: a reader of the files themselves would recover the log before the relay does.
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name in (journal.name, journal.name + "-wal"):
        file = journal.with_name(name)
        if file.exists():
            shutil.copy(file, copy / name)
    db = sqlite3.connect(copy / journal.name)
    try:
        keys = db.execute("select key from outbox where body like '%\"Deliver\"%'").fetchall()
    except sqlite3.OperationalError:
        keys = []  # killed before the tables were made
    finally:
        db.close()
    return frozenset(key.partition("/")[0] for (key,) in keys)


async def drained(journal: Path) -> None:
    began = time.monotonic()
    db = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
    try:
        while time.monotonic() - began < DRAIN_S:
            (count,) = db.execute("select count(*) from queue").fetchone()
            if not count:
                return
            await asyncio.sleep(0.1)
    finally:
        db.close()


def left(journal: Path) -> tuple[set[str], set[str]]:
    db = sqlite3.connect(journal)
    try:
        rows = {f"m{number}" for (number,) in db.execute("select distinct message from queue")}
        told = db.execute(
            "select f.message from fact f where f.kind='Settled' "
            "and json_extract(f.body,'$.how')='bounced' and exists "
            "(select 1 from fact r where r.kind='Reception' "
            "and json_extract(r.body,'$.origin')='ndr' and r.n > f.n)"
        )
        return rows, {message for (message,) in told}
    finally:
        db.close()
