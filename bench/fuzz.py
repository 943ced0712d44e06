"""Every parser against damaged input: no crash, nothing slow, no growth.

Two kinds of input: a million mutations of our own cases (`fuzz_mutations`), each re-made from
(seed, number) alone, and arbitrary bytes by hypothesis. A crash is anything but a value or the
parser's own error, a broken promise (`assert`) and a process that grows included. Slow is more
than 50 ms of CPU at the quickest of three tries with empty caches: one try alone measures the
machine.

`--params FILE`: inputs, seed, only (names of parsers, or how they begin), hypothesis (examples
for each parser), numbers (only these inputs, with traceback and timing; `write` puts their bytes
into that folder). `--data DIR`: more seeds (.eml, .log, .txt, .tsv).
"""

import contextlib
import faulthandler
import gc
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.fuzz_mutations import mutated
from bench.fuzz_parsers import Parser, parsers
from bench.harness import ROOT, DataAbsent, Figure, Options
from unlisted.edge import pattern_cache
from unlisted.health import labels, stamps
from unlisted.replies.classify import forget as forget_replies

INPUTS = 1_000_000
SEED = 1
EXAMPLES = 500
SLOW_NS = 50_000_000
HANGS_S = 20.0  # of CPU, then an input is given up
RETRIES = 2
WARM_SHARE = 0.2  # of the inputs; caches and pools are full after it
GROWTH = 1.15
SHOWN = 40
PAGE = os.sysconf("SC_PAGE_SIZE")


class Hangs(BaseException):
    """Raised by the timer. No Exception: a parser that catches those would go on."""


@dataclass
class Spent:
    """What one parser's inputs took; the slowest with its number."""

    inputs: int = 0
    refused: int = 0
    cpu_ns: int = 0
    worst_ns: int = 0
    worst: int = -1

    def add(self, number: int, ns: int) -> None:
        self.inputs += 1
        self.cpu_ns += ns
        if ns > self.worst_ns:
            self.worst_ns, self.worst = ns, number


@dataclass
class Account:
    """crashes: by parser, error and place, the numbers. slow: (ns, parser, number)."""

    spent: dict[str, Spent] = field(default_factory=dict)
    crashes: dict[str, list[int]] = field(default_factory=dict)
    slow: list[tuple[int, str, int]] = field(default_factory=list)

    @property
    def crashed(self) -> int:
        return sum(map(len, self.crashes.values()))


class Inputs:
    """number -> (parser, bytes). A parser keeps its numbers, whoever else is asked for."""

    def __init__(self, known: Sequence[Parser], seed: int) -> None:
        self._known = known
        self._sums = list(accumulate(parser.weight for parser in known))
        self._seed = seed

    def chance(self, number: int) -> random.Random:
        name = f"fuzz {self._seed} {number}".encode()
        return random.Random(hashlib.blake2b(name, digest_size=8).digest())

    def parser(self, number: int) -> Parser:
        return self._known[bisect(self._sums, number * 7919 % self._sums[-1])]

    def made(self, number: int) -> bytes:
        parser = self.parser(number)
        chance = self.chance(number)
        return mutated(chance, chance.choice(parser.seeds), parser.seeds, parser.limit)


def run(options: Options) -> list[Figure]:
    faulthandler.enable()
    chosen = options.parameters()
    with tempfile.TemporaryDirectory() as folder:
        pattern_cache.ready(Path(folder) / "patterns")
        known = parsers(Path(folder), options.data)
        inputs = Inputs(known, int(chosen.get("seed", SEED)))
        if "numbers" in chosen:
            return _again(inputs, chosen)
        only = tuple(chosen.get("only", [""]))
        account = Account(
            {parser.name: Spent() for parser in known if parser.name.startswith(only)}
        )
        if not account.spent:
            raise DataAbsent(f"no parser of such a name: {', '.join(only)}")
        examples = int(chosen.get("hypothesis", EXAMPLES))
        for parser in known:
            if parser.name in account.spent and examples:
                arbitrary(parser, examples, account)
        memory = _mutations(inputs, account, int(chosen.get("inputs", INPUTS)))
    tell(inputs, account, memory)
    done = sum(spent.inputs for spent in account.spent.values())
    grown = memory.grown()
    return [
        Figure("crashes", account.crashed + grown, done),
        Figure("over_50ms", len(account.slow), done),
    ]


def _mutations(inputs: Inputs, account: Account, count: int) -> "Memory":
    memory = Memory()
    warm = max(1, int(count * WARM_SHARE))
    step = max(1, count // 200)
    gc.collect()
    gc.freeze()  # else a full collection of everything imported is counted as some input's time
    for done, number in enumerate(_numbers(inputs, account, count), 1):
        parser = inputs.parser(number)
        judge(parser, number, inputs.made(number), account)
        if done % step == 0 and done > warm:
            memory.samples.append(resident())
    return memory


def _numbers(inputs: Inputs, account: Account, count: int) -> Iterator[int]:
    number = found = 0
    while found < count:
        if inputs.parser(number).name in account.spent:
            yield number
            found += 1
        number += 1


def judge(parser: Parser, number: int, data: bytes, account: Account) -> None:
    """One input: told apart into value, refusal, crash and slow."""
    spent = account.spent[parser.name]
    ns, error = timed(parser, data)
    if error is not None:
        if isinstance(error, parser.refuses):
            spent.refused += 1
        else:
            account.crashes.setdefault(f"{parser.name}: {place(error)}", []).append(number)
    if ns > SLOW_NS and not isinstance(error, Hangs):
        for _ in range(RETRIES):
            forget()
            ns = min(ns, timed(parser, data)[0])
        if ns > SLOW_NS:
            account.slow.append((ns, parser.name, number))
    spent.add(number, ns)


def timed(parser: Parser, data: bytes) -> tuple[int, BaseException | None]:
    error: BaseException | None = None
    signal.setitimer(signal.ITIMER_PROF, HANGS_S)
    began = time.process_time_ns()
    try:
        parser.call(data)
    except (Exception, Hangs) as exc:
        error = exc
    took = time.process_time_ns() - began
    signal.setitimer(signal.ITIMER_PROF, 0)
    return took, error


def _hangs(*_: object) -> None:
    raise Hangs(f"more than {HANGS_S:g} s")


signal.signal(signal.SIGPROF, _hangs)


def forget() -> None:
    """What was read a moment ago would be answered from memory."""
    forget_replies()
    for remembering in (labels.labels_in, labels._close, stamps._first):
        remembering.cache_clear()


def place(error: BaseException) -> str:
    """Kind of the error and the last line of ours it came by."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/unlisted/" in frame.filename] or frames
    at = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
    return f"{type(error).__name__} at {at}: {str(error)[:100]!r}"


def arbitrary(parser: Parser, examples: int, account: Account) -> None:
    """Hypothesis: any bytes are a value or the parser's own error."""

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(st.binary(max_size=2000), st.text(max_size=800).map(_encoded)))
    def holds(data: bytes) -> None:
        with contextlib.suppress(parser.refuses):
            parser.call(data)

    try:
        holds()
    except Exception as exc:
        notes = " ".join(getattr(exc, "__notes__", ()))
        account.crashes.setdefault(f"{parser.name}: {place(exc)} {notes[:300]}", []).append(-1)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@dataclass
class Memory:
    """Resident bytes, from the warm-up on."""

    samples: list[int] = field(default_factory=list)

    def halves(self) -> tuple[int, int]:
        middle = len(self.samples) // 2
        return max(self.samples[:middle] or [0]), max(self.samples[middle:] or [0])

    def grown(self) -> bool:
        first, second = self.halves()
        return len(self.samples) >= 20 and second > first * GROWTH


def resident() -> int:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE


def tell(inputs: Inputs, account: Account, memory: Memory) -> None:
    """On standard error: a count alone helps nobody."""

    def say(line: str) -> None:
        print(line, file=sys.stderr)

    say(f"{'parser':<26}{'inputs':>8}{'refused':>9}{'mean us':>9}{'worst ms':>9}  its number")
    for name, spent in account.spent.items():
        mean = spent.cpu_ns / max(1, spent.inputs) / 1000
        worst = spent.worst_ns / 1e6
        say(
            f"{name:<26}{spent.inputs:>8}{spent.refused:>9}{mean:>9.0f}{worst:>9.1f}  {spent.worst}"
        )
    for what, numbers in list(account.crashes.items())[:SHOWN]:
        say(f"crash {what}: {len(numbers)} inputs, first {_shown(inputs, numbers[0])}")
    for ns, name, number in sorted(account.slow, reverse=True)[:SHOWN]:
        say(f"slow {name}: {ns / 1e6:.0f} ms, {_shown(inputs, number)}")
    first, second = memory.halves()
    say(
        f"memory: {first >> 20} MB at most in the first half after the warm-up, {second >> 20} MB "
        f"in the second: {'GROWS' if memory.grown() else 'flat'}"
    )
    say("  in MB, by eights: " + " ".join(f"{at >> 20}" for at in memory.samples[::8]))


def _shown(inputs: Inputs, number: int) -> str:
    if number < 0:
        return "(hypothesis)"
    data = inputs.made(number)
    digest = hashlib.sha256(data).hexdigest()[:12]
    return f"number {number}: {len(data)} bytes, sha256 {digest}, {data[:120]!r}"


def _again(inputs: Inputs, chosen: dict[str, Any]) -> list[Figure]:
    """The inputs named, looked at closely. No figures: the run is no measurement."""
    for number in chosen["numbers"]:
        parser, data = inputs.parser(number), inputs.made(number)
        if "write" in chosen:
            (ROOT / chosen["write"] / f"{number}.input").write_bytes(data)
        tries = []
        for _ in range(1 + RETRIES):
            forget()
            ns, error = timed(parser, data)
            tries.append(f"{ns / 1e6:.1f}")
        print(f"{parser.name}: {', '.join(tries)} ms, {_shown(inputs, number)}", file=sys.stderr)
        if error is not None:
            traceback.print_exception(error)
    return []
