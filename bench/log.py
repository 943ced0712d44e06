"""A Postfix log read, joined and classified: speed beside pflogsumm, memory, and the truth.

A private Postfix on loopback delivers real traffic to receivers that refuse and record; its log
is copied with fresh stamps, queue ids and addresses to ten million lines (bench/log_copies.py).
One process reads, joins and classifies it; another one writes Parquet as well, which is stated
beside. The joined table is compared row by row, in every copy, with what the receivers saw.
pflogsumm, which takes minutes for millions, reads the first million lines of the same file, with
the pools' names taken off (it knows none).

--params: a TOML file with lines, messages (of the real traffic), peer_lines, seed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

from bench.harness import ROOT, DataAbsent, Figure, Options
from bench.log_copies import YEAR, Template, template_of, write_copies
from bench.log_traffic import HOME, POOLS, SITES, Receivers, Submitted, submit
from bench.log_truth import Judge, judged, truth_of
from bench.postfix import Postfix

LINES = 10_000_000
MESSAGES = 2_000
PEER_LINES = 1_000_000
PFLOGSUMM = "/usr/sbin/pflogsumm"


def run(options: Options) -> list[Figure]:
    chosen = options.parameters()
    if not os.path.exists(PFLOGSUMM):
        raise DataAbsent("pflogsumm is absent: apt install pflogsumm")
    # Not the RAM disk that /tmp may be: the file is 1.5 GB.
    with tempfile.TemporaryDirectory(prefix="bench-log-", dir="/var/tmp") as name:
        return measured(Path(name), chosen)


def measured(folder: Path, chosen: dict[str, Any]) -> list[Figure]:
    seed = str(chosen.get("seed", 1))
    receivers, known, log = traffic(folder, int(chosen.get("messages", MESSAGES)), seed)
    template = template_of(log)
    truth = truth_of(receivers, known, template)
    copies = max(1, -(-int(chosen.get("lines", LINES)) // len(template.lines)))
    path = folder / "copies.log"
    began = time.process_time()
    lines = write_copies(template, copies, path)
    say(
        f"{len(truth.rows)} attempts seen by the receivers, {len(template.lines)} lines; "
        f"{copies} copies, {lines} lines, {path.stat().st_size / 1e6:.0f} MB, written in "
        f"{time.process_time() - began:.0f} CPU-s"
    )
    peer_s = peer(path, folder, min(lines, int(chosen.get("peer_lines", PEER_LINES))))
    peer_rate = min(lines, int(chosen.get("peer_lines", PEER_LINES))) / peer_s
    read = reading(path)
    stored = reading(path, folder / "attempts.parquet")
    judge = judgement(path, truth, template, copies)
    if read["lines"] != lines or read["not_read"]:
        raise RuntimeError(f"{read['lines']} of {lines} lines, {read['not_read']} not read")
    rate = lines / read["cpu_s"]
    share = read["refused"] / read["rows"]
    say(
        f"{share:.1%} of {read['rows']} attempts refused or deferred, "
        f"{judge.distinct_share:.1%} of their texts distinct"
    )
    say(f"with Parquet (zstd): {lines / stored['cpu_s']:,.0f} lines per CPU-s")
    if share < 0.1 or judge.distinct_share < 0.2:
        raise RuntimeError("the traffic is too easy: 10 % refused, 20 % of the texts distinct")
    if judge.example:
        say(f"the first wrong row: {judge.example}")
    peer_text = f"pflogsumm {peer_rate:,.0f} lines per CPU-s on the first lines of the file"
    with_parquet = f"with Parquet {lines / stored['cpu_s']:,.0f}"
    return [
        Figure("lines_per_cpu_s", rate, lines, with_parquet),
        Figure("ratio_pflogsumm", rate / peer_rate, lines, peer_text),
        Figure("peak_mb", read["peak_mb"], lines, f"with Parquet {stored['peak_mb']:.0f}"),
        Figure("rows_wrong", judge.rows_wrong(), judge.rows),
    ]


def traffic(folder: Path, messages: int, seed: str) -> tuple[Receivers, Submitted, str]:
    """Real deliveries: what the receivers saw, what was submitted, what Postfix logged."""
    receivers = Receivers(seed)
    receivers.start()
    domains = [f"{site}.example" for site in SITES] + [HOME]
    routes = {
        domain: (POOLS[place % len(POOLS)].name, receivers.port)
        for place, domain in enumerate(domains)
    }
    root = folder / "postfix"
    root.mkdir()
    postfix = Postfix(root, free_port(), POOLS, routes)
    try:
        with postfix.running():
            known = submit(postfix, messages, seed)
            postfix.drain()
            time.sleep(1)  # postlogd writes its last lines
    finally:
        receivers.stop()
    return receivers, known, postfix.log.read_text("utf-8")


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
    return port


def reading(path: Path, parquet: Path | None = None) -> dict[str, Any]:
    """By a process of its own."""
    command = [sys.executable, "-m", "bench.log_read", str(path), str(YEAR)]
    if parquet is not None:
        command.append(str(parquet))
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'src'}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the reader failed: {done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def judgement(path: Path, truth: Any, template: Template, copies: int) -> Judge:
    from unlisted.edge.log_reader import read_logs

    judge = Judge(truth, template, copies)
    judged(read_logs([path], format="postfix", zone="UTC", year=YEAR), judge)
    return judge


def peer(path: Path, folder: Path, lines: int) -> float:
    """CPU seconds of pflogsumm on the first lines; perl and all of its start are its own."""
    plain = folder / "peer.log"
    taken_off = re.compile(rb" postfix/[a-z0-9-]+/smtp\[")
    with path.open("rb") as source, plain.open("wb") as target:
        target.writelines(taken_off.sub(b" postfix/smtp[", line) for line in islice(source, lines))
    before = os.times()
    done = subprocess.run([PFLOGSUMM, str(plain)], capture_output=True, text=True, check=False)
    after = os.times()
    if done.returncode or not re.search(r"(?m)^\s*[1-9]\d*k?\s+delivered", done.stdout):
        raise RuntimeError(f"pflogsumm read nothing: {done.stderr[-500:]}")
    plain.unlink()
    return (
        after.children_user
        + after.children_system
        - (before.children_user + before.children_system)
    )


def versions() -> dict[str, str]:
    found = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", "postfix", "pflogsumm"],
        capture_output=True,
        text=True,
        check=False,
    )
    return dict(line.split() for line in found.stdout.splitlines()) if shutil.which("dpkg") else {}


def say(text: str) -> None:
    print(f"  {text}", flush=True)
