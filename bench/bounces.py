"""Bounce mails read and judged: recognised, reason right, and speed beside `email`.

Data: a folder of `*.eml` with `labels.tsv` (file, index, status, reply_code, reason, hard_bounce;
one row per recipient). CPU time; the peer is `email.message_from_bytes` with the compat32 policy,
on the same bytes in the same run. Every mail is its own text, and what the classifier remembers of
texts is forgotten before each round, so no figure rests on a mail seen before. Each miss is told
by kind, one line each.
"""

from __future__ import annotations

import csv
import email
import email.policy
import gc
import importlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.harness import DataAbsent, Figure, Options
from unlisted.edge import pattern_cache
from unlisted.mail.bounce import parse_bounce
from unlisted.replies.bounces import Judged, judge

DEFAULT = "../shared/data/bounces"
ROUNDS = 5


@dataclass(frozen=True)
class Label:
    """What one recipient of one file is labelled with."""

    file: str
    index: int
    reason: str


def run(options: Options) -> list[Figure]:
    folder = options.data_or(DEFAULT)
    pattern_cache.ready()
    labels = _labels(folder)
    mails = {p.name: p.read_bytes() for p in sorted(folder.glob("*.eml"))}
    judged = {name: read(raw) for name, raw in mails.items()}
    wrong: Counter[tuple[str, str]] = Counter()
    right = 0
    for label in labels:
        rows = judged.get(label.file, [])
        reason = rows[label.index - 1].reason if label.index <= len(rows) else "no record"
        if reason == label.reason:
            right += 1
        else:
            wrong[label.reason, reason] += 1
            print(f"  {label.file} #{label.index}: {reason}, labelled {label.reason}")
    for (wanted, got), count in sorted(wrong.items(), key=lambda row: (-row[1], row[0])):
        print(f"  {count} x {wanted} read as {got}{note(wanted, got)}")
    files = sorted({label.file for label in labels if label.file in mails})
    recognised = sum(
        bool(judged[name]) and all(row.reason for row in judged[name]) for name in files
    )
    ours, peer = _speed([mails[name] for name in sorted(mails)])
    return [
        Figure("recognised", recognised / len(files), len(files)),
        Figure("reason_right", right / len(labels), len(labels)),
        Figure(
            "speed_ratio_stdlib",
            ours / peer,
            len(mails),
            f"email compat32 {peer:.0f} mails/CPU-s, ours {ours:.0f}",
        ),
    ]


def read(raw: bytes) -> list[Judged]:
    return [judge(record) for record in parse_bounce(raw)]


def note(wanted: str, got: str) -> str:
    """What docs/bounces.md says of this kind of miss, shortly."""
    for kinds, text in NOTES:
        if {wanted, got} <= kinds:
            return f": {text}"
    return ""


NOTES = (
    ({"userunknown", "filtered"}, "which command it answered, or what the mailer's own words are"),
    ({"blocked", "rejected", "policyviolation", "securityerror", "norelaying", "requireptr",
      "badreputation", "authfailure", "spamdetected"}, "what was refused is not in the words"),
    ({"expired", "networkerror", "systemerror", "hostunknown", "notaccept", "systemfull",
      "toomanyconn", "speeding", "ratelimited"}, "a cause and its consequence, both named"),
    ({"mailboxfull", "mesgtoobig", "exceedlimit", "emailtoolarge"}, "which limit"),
    ({"onhold", "undefined", "mailererror", "systemerror"}, "nothing but a code or a program's name"),
)  # fmt: skip


def _labels(folder: Path) -> list[Label]:
    file = folder / "labels.tsv"
    if not file.exists():
        raise DataAbsent(f"no labels.tsv in {folder}")
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return [Label(r["file"], int(r["index"]), r["reason"]) for r in rows if r["reason"]]


def _speed(mails: list[bytes]) -> tuple[float, float]:
    """Mails per CPU second, best of the rounds each; ours and the peer's turns alternate."""
    ours = peer = 0.0
    for _ in range(ROUNDS):
        peer = max(peer, _rate(mails, lambda raw: email.message_from_bytes(raw)))
        _forget()
        ours = max(ours, _rate(mails, read))
    return ours, peer


def _forget() -> None:
    """What the classifier remembers of texts; what it loads once (one entry) stays."""
    for value in vars(importlib.import_module("unlisted.replies.classify")).values():
        info = getattr(value, "cache_info", None)
        if info is not None and info().maxsize != 1:
            value.cache_clear()


def _rate(mails: list[bytes], work: Callable[[bytes], object]) -> float:
    gc.collect()
    began = time.process_time()
    for raw in mails:
        work(raw)
    return len(mails) / (time.process_time() - began)
