"""What replies are taken for, against hand-made labels, and what that costs.

`--data FILE`: as ../shared/data/replies.tsv (its README says the columns; pools 192.0.2.0/24 and
2001:db8::/32). Times are CPU of the whole `classify`, best of several rounds (the machine has other
work). A text not seen before is a labelled reply with another address, other names and other ids.
The peer is what a plain list of regular expressions does: each in order, until one matches.
"""

import csv
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from bench.harness import Figure, Options
from unlisted.edge import pattern_cache
from unlisted.mail.reply import parse_reply
from unlisted.replies import Meaning, Pool, classify
from unlisted.replies.patterns import compiled
from unlisted.replies.shipped import current

POOLS = Pool([ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")])
ROUNDS = 40
NEW_TEXTS = 1000  # a round; each round has its own
STARTS = 5

# A start as a user has it: the interpreter with nothing but its start-up is not our doing.
START = """
import sys, time
began = time.process_time()
from pathlib import Path
from unlisted.edge import pattern_cache
from unlisted.replies import classify
outcome = pattern_cache.ready(Path(sys.argv[1]))
rule = classify("554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using x.example").rule
assert rule, "no answer"
print(outcome, time.process_time() - began)
"""


@dataclass(frozen=True)
class Labelled:
    reply: str
    refusal: bool
    family: str | None
    ours: str


def run(options: Options) -> list[Figure]:
    rows = labelled(options.data_or("../shared/data/replies.tsv"))
    with tempfile.TemporaryDirectory() as folder:
        pattern_cache.ready(Path(folder))
        start_s = sorted(cached_start_s(folder) for _ in range(STARTS))[STARTS // 2]
    return [
        *judged(rows),
        *timed([row.reply for row in rows]),
        Figure("cached_start_s", start_s, STARTS),
    ]


def labelled(path: Path) -> list[Labelled]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        Labelled(
            reply=row["reply"],
            refusal=row["refusal"] == "y",
            family=row["family"] if row["family"] not in ("", "-") else None,
            ours=row["ours"],
        )
        for row in rows
    ]


def judged(rows: Sequence[Labelled]) -> list[Figure]:
    """Wrong ones are named on standard error: a share alone helps nobody."""
    refusals: list[tuple[Labelled, Meaning]] = []
    false = 0
    others = 0
    for row in rows:
        meaning = classify(row.reply, ours=POOLS)
        if row.refusal:
            refusals.append((row, meaning))
            continue
        others += 1
        if meaning.refusal == "yes":
            false += 1
            wrong("called a refusal", row, meaning)
    for row, meaning in refusals:
        if meaning.refusal != "yes":
            wrong("missed", row, meaning)
        elif row.family is not None and meaning.family != row.family:
            wrong(f"family {meaning.family}, not {row.family}", row, meaning)
        if meaning.ours != row.ours:
            wrong(f"ours {meaning.ours}, not {row.ours}", row, meaning)
    blaming = [(row, meaning) for row, meaning in refusals if row.family is not None]
    return [
        share("blocks_found", [m.refusal == "yes" for _, m in refusals]),
        Figure("false_blocks", false, others),
        share("family_right", [m.family == r.family for r, m in blaming]),
        share("address_right", [m.ours == r.ours for r, m in refusals]),
    ]


def share(name: str, right: Sequence[bool]) -> Figure:
    return Figure(name, sum(right) / len(right) if right else None, len(right))


def wrong(what: str, row: Labelled, meaning: Meaning) -> None:
    print(f"{what} (rule {meaning.rule}): {row.reply[:160]}", file=sys.stderr)


def timed(replies: Sequence[str]) -> list[Figure]:
    def ours(text: str) -> object:
        return classify(text, ours=POOLS)

    rounds = [distinct(replies, NEW_TEXTS, number) for number in range(ROUNDS)]
    new_us = best_us(ours, rounds)
    repeated_us = best_us(ours, [list(replies) * 20] * (ROUNDS + 1))
    peer = Plain()
    peer_us = best_us(peer, [distinct(replies, 600, 100 + number) for number in range(3)])
    return [
        Figure("repeated_us", repeated_us, len(replies) * 20 * ROUNDS),
        Figure("new_us", new_us, NEW_TEXTS * ROUNDS, f"re, one by one: {peer_us:.0f} us"),
    ]


def best_us(answer: Callable[[str], object], rounds: Sequence[Sequence[str]]) -> float:
    """The least of the rounds: what others do on the machine only ever adds."""
    found = []
    for texts in rounds:
        began = time.process_time()
        for text in texts:
            answer(text)
        found.append((time.process_time() - began) / len(texts) * 1e6)
    return min(found)


class Plain:
    """The same patterns as a list: parse, lower, search each in order until one matches."""

    def __init__(self) -> None:
        self.patterns = [(rule, compiled(rule.match)) for rule in current().rules]

    def __call__(self, text: str) -> object:
        reply = parse_reply(text)
        line = " ".join(reply.text.lower().split())
        for rule, pattern in self.patterns:
            if rule.code is None and rule.enhanced is None and pattern.search(line):
                return rule
        return None


_CHANGED = re.compile(r"192\.0\.2\.10|(?<=[.@])example(?=\.(?:com|org|net))|\b[0-9A-Za-z]{9,}\b")


def distinct(replies: Sequence[str], count: int, number: int) -> list[str]:
    """`count` texts, no two alike, none as in another round: addresses, names and ids replaced."""

    def other(found: re.Match[str]) -> str:
        if found[0][0] == "1" and "." in found[0]:
            return f"192.0.2.{digest[0]}" if digest[1] < 128 else f"198.51.{digest[1]}.{digest[2]}"
        if found[0].isalpha() and found[0] != "example":
            return found[0]  # a long word, no id
        return f"x{name}" if found[0] == "example" else name

    texts = []
    for index in range(count):
        digest = hashlib.blake2b(f"{number}/{index}".encode(), digest_size=10).digest()
        name = digest[3:].hex()
        texts.append(f"{_CHANGED.sub(other, replies[index % len(replies)])} ({name})")
    if len(set(texts)) != count:
        raise RuntimeError("two texts are alike")
    return texts


def cached_start_s(folder: str) -> float:
    done = subprocess.run(
        [sys.executable, "-c", START, folder],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": ""},
    )
    outcome, seconds = done.stdout.split()
    if outcome != "cached":
        raise RuntimeError(f"the start did not use the cache: {outcome}")
    return float(seconds)
