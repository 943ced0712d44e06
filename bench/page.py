"""What the public page costs beside a page that never changes, while mail flows.

One `unlisted serve` in a process of its own (bench/page_server.py adds a constant page of the same
size to its public listener, ahead of all routes), one receiver, messages handed in by SMTP. In
turns: requests for the index, for its constant twin, for an incident with posts, for its twin; in
each turn the same number of messages is handed in and delivered. The figure is the ratio of
requests per CPU second of the server's process, the worse of index and incident; the CPU time of
turns with mail and no request is taken off both sides first, which makes it stricter.

--params: a TOML file with rounds, requests (per turn), messages (per turn).
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import statistics
import tempfile
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.harness import Figure, Options
from bench.relayed import Load, Receiver, Relay, free_port

ROUNDS = 12
REQUESTS = 600
MESSAGES = 10
CONNECTIONS = 4
POSTS = 18
TICK = os.sysconf("SC_CLK_TCK")
PAGES = ("/", "/incidents/MX100200")


def run(options: Options) -> list[Figure]:
    chosen = options.parameters()
    with tempfile.TemporaryDirectory(prefix="page-") as name:
        return asyncio.run(
            measured(
                Path(name),
                int(chosen.get("rounds", ROUNDS)),
                int(chosen.get("requests", REQUESTS)),
                int(chosen.get("messages", MESSAGES)),
            )
        )


async def measured(folder: Path, rounds: int, requests: int, messages: int) -> list[Figure]:
    receiver = Receiver()
    await receiver.start()
    relay = Relay(folder, free_port(), receiver.port, module="bench.page_server")
    relay.start()
    try:
        pid = await relay.ready()
        ready = json.loads((relay.state / "ready.json").read_text("utf-8"))
        await asyncio.to_thread(published, ready["operator"], relay.state)
        mail = Mail(relay.port, receiver, messages)
        turns: dict[str, list[float]] = {}
        sizes = {path: await length(ready["public"], path) for path in PAGES}
        for number in range(rounds + 1):
            for path, size in sizes.items():
                for asked in (path, f"/constant/{size}", ""):
                    cpu_s = await turn(ready["public"], asked, size, requests, mail, pid)
                    if number:  # the first round warms up
                        turns.setdefault(f"{path} {asked}", []).append(cpu_s)
    finally:
        relay.stop()
        await receiver.stop()
    ratios, notes = [], []
    for path, size in sizes.items():
        page, constant, alone = (
            statistics.fmean(turns[f"{path} {asked}"]) for asked in (path, f"/constant/{size}", "")
        )
        ratios.append((constant - alone) / (page - alone))
        notes.append(
            f"{path}: {requests / (page - alone):,.0f} against {requests / (constant - alone):,.0f} "
            f"requests per CPU-s, {size:,} octets"
        )
    note = "; ".join(notes) + f"; {messages} messages in every {requests} requests"
    return [Figure("ratio_constant_page", min(ratios), rounds * requests * len(PAGES), note)]


class Mail:
    """So many messages per turn, delivered when it ends."""

    def __init__(self, port: int, receiver: Receiver, messages: int) -> None:
        self._port, self._receiver, self._messages = port, receiver, messages

    async def flow(self) -> None:
        before = len(self._receiver.copies)
        load = Load(self._port, 1, pause_s=0.005)
        await load.run(self._messages)
        if load.refused or load.unanswered:
            raise RuntimeError(f"mail was not taken: {(load.refused + load.unanswered)[:3]}")
        while len(self._receiver.copies) < before + self._messages:  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def turn(base: str, path: str, size: int, requests: int, mail: Mail, pid: int) -> float:
    """CPU seconds of the server for this many requests (none without a path) and some mail."""
    began = cpu_s(pid)
    each = [asked(base, path, size, requests // CONNECTIONS) for _ in range(CONNECTIONS) if path]
    await asyncio.gather(mail.flow(), *each)
    return cpu_s(pid) - began


async def asked(base: str, path: str, size: int, requests: int) -> None:
    reader, writer = await connected(base)
    for _ in range(requests):
        writer.write(f"GET {path} HTTP/1.1\r\nhost: page.example\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if (
            not head.startswith(b"HTTP/1.1 200 ")
            or f"content-length: {size}\r\n".encode() not in head
        ):
            raise RuntimeError(f"{path} answered {head[:300]!r}")
        await reader.readexactly(size)
    writer.close()
    await writer.wait_closed()


async def connected(base: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = base.removeprefix("http://").rpartition(":")
    return await asyncio.open_connection(host, int(port), limit=1 << 20)


async def length(base: str, path: str) -> int:
    reader, writer = await connected(base)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: page.example\r\nconnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read(-1)).partition(b"\r\n\r\n")
    writer.close()
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"{path} answered {head[:300]!r}")
    return len(body)


def cpu_s(pid: int) -> float:
    """User and system time of the process with all its threads, so far."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def published(operator: str, state: Path) -> None:
    """An incident with posts, handed in as a person would."""
    token = (state / "operator.token").read_text("utf-8").strip()
    value = {"page": base64.b64encode(record(POSTS).encode()).decode()}
    request = urllib.request.Request(
        operator + "/api/records",
        json.dumps(value).encode(),
        {"authorization": f"Bearer {token}", "content-type": "application/json"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        if answer.status != 201:
            raise RuntimeError(f"the record was not taken: {answer.status}")


def record(posts: int) -> str:
    """A record in the published format, newest post first."""
    row = (
        "MX100200 | Exchange Online Mail routing Web portal | Some users cannot send mail | incident "
        "| High | 03-Mar-2025 01:00 | 20-Mar-2025 04:10 |"
    )
    heads = (
        "ID | Workload Feature | Title | Classification | Severity | Start Time | Last Updated |"
    )
    told = [post(number) for number in range(posts, 0, -1)]
    rule = "---|---|---|---|---|---|---|"
    return "\n".join(["Users may get a report. | ||||||", rule, heads, row, " ".join(told) + " |"])


def post(number: int) -> str:
    at = datetime(2025, 3, 3, 1, 20, tzinfo=UTC) + timedelta(hours=22 * number)
    due = at + timedelta(hours=32)
    said = f"Refusals fell to {40 / number:.1f}% of {900 * number:,} attempts in the last day. "
    return (
        f"Update: {at:%d-%b-%Y %H:%M} Title: Some users cannot send mail User Impact: Users may get a "
        f"non-delivery report. Current Status: {said * 3} Scope of Impact: Any user who sends to one "
        f"filter service. Start Time: Monday, March 3, 2025, at 9:00 AM UTC Next Update By: "
        f"{due:%A, %B} {due.day}, {due.year}, at {due:%I:%M %p} UTC"
    )
