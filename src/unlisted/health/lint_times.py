"""Faults of a record in its times and its entries: rules that need no reading of sentences."""

import difflib
import re
from collections.abc import Iterator
from itertools import pairwise

from unlisted.health import stamps
from unlisted.health.figures import counted
from unlisted.health.record import Entry, Finding, Record

DAY_S = 86_400.0
_TIMED = ("Start Time", "End Time", "Next Update By")
_SAME = 0.95
_SINCE = re.compile(
    r"\b(?:since|as in|compared (?:with|to)|than) (?:the|our) (?:last|previous) (?:post|update)\b",
    re.IGNORECASE,
)
_VALUE = re.compile(r"\b\d[\d,.]*\s?(?:%|percent\b|per cent\b|[a-z]{3,})", re.IGNORECASE)
_NEXT = re.compile(
    r"\bwe (?:(?:are|still|now) ){0,2}(?:wait|watch|check|look)(?:ing)?\b"
    r"|\b(?:should|will|is expected to) (?:let go|end|expire|be lifted)\b", re.IGNORECASE,
)  # fmt: skip


def weekday_wrong(record: Record) -> Iterator[Finding]:
    """A printed weekday that is not the one of its date."""
    for where, stamp in _printed(record):
        if stamp.weekday_wrong:
            yield Finding(
                code="weekday_wrong",
                where=where,
                printed=stamp.printed,
                normalised=stamp.printed.replace(
                    stamp.printed.split(",")[0], stamp.right_weekday, 1
                )
                if "," in stamp.printed
                else stamp.right_weekday,
                text=f"that date is a {stamp.right_weekday}, not a {stamp.weekday}",
                strict=True,
            )


def start_in_future(record: Record) -> Iterator[Finding]:
    """A start (or an end) after the post that tells it."""
    for number, post in record.told:
        for name in ("Start Time", "End Time"):
            told = stamps.read(post.sections.get(name, ""))
            at = told.at(_offset(record)) if told else None
            if told is None or at is None or post.at is None or at <= post.at:
                continue
            start = record.start if name == "Start Time" else record.end
            yield Finding(
                code="start_in_future" if name == "Start Time" else "end_in_future",
                where=f"post {number}, {name}",
                printed=told.printed,
                normalised=stamps.long_form(start) if start is not None and start != at else None,
                text=f"{name.lower()} is after the post itself ({post.printed_at})",
                strict=True,
            )


def start_missing(record: Record) -> Iterator[Finding]:
    """Posts that do not say since when."""
    missing = [n for n, post in record.told if "Start Time" not in post.sections]
    if missing:
        since = f"; first told in post {_first_with(record)}" if _first_with(record) else ""
        yield Finding(
            code="start_missing",
            where="post " + ranges(missing),
            normalised=stamps.long_form(record.start) if record.start is not None else None,
            text=f"not said in {counted(len(missing), 'posts')}: when it began{since}",
            strict=True,
        )


def start_disagrees(record: Record) -> Iterator[Finding]:
    """Start Times that are no future ones and still differ from each other or from the row's."""
    seen: dict[float, int] = {}
    for number, post in record.told:
        told = stamps.read(post.sections.get("Start Time", ""))
        at = told.at(_offset(record)) if told else None
        if at is None or told is None or (post.at is not None and at > post.at):
            continue
        # A post prints minutes: the same minute is the same start.
        differs = record.start is not None and abs(at - record.start) >= 60.0
        if record.start is not None and differs and at not in seen:
            yield Finding(
                code="start_disagrees",
                where=f"post {number}, Start Time",
                printed=told.printed,
                normalised=stamps.long_form(record.start),
                text="the row gives another start",
                needs_person=True,
            )
        seen.setdefault(at, number)


def duplicate_post(record: Record) -> Iterator[Finding]:
    """The same minute and the same words twice."""
    seen: dict[tuple[str, str], int] = {}
    for number, post in enumerate(record.posts, 1):
        same = (post.printed_at, post.text)
        if same in seen:
            yield Finding(
                code="duplicate_post",
                where=f"post {number}",
                printed=post.printed_at,
                text=f"the same minute and words as post {seen[same]}",
                strict=True,
            )
        seen.setdefault(same, number)


def report_not_distinguished(record: Record) -> Iterator[Finding]:
    """Several notices of a report at different times, none saying which report it is."""
    reports = [(n, p) for n, p in enumerate(record.posts, 1) if p.kind == "report"]
    plain = [(n, p) for n, p in reports if not _says_which(p)]
    if len({post.printed_at for _, post in plain}) > 1:
        yield Finding(
            code="report_not_distinguished",
            where="post " + ranges([n for n, _ in plain]),
            printed="; ".join(dict.fromkeys(post.printed_at for _, post in plain)),
            text="several report notices and none says preliminary, final or what changed",
        )


def gap_over_a_day(record: Record) -> Iterator[Finding]:
    """More than a day between two posts while it went on."""
    told = record.told
    for (_, before), (number, after) in pairwise(told):
        if before.at is None or after.at is None or before.kind == "final":
            continue
        if after.at - before.at > DAY_S:
            yield Finding(
                code="gap_over_a_day",
                where=f"post {number}",
                printed=f"{before.printed_at} to {after.printed_at}",
                text=f"{(after.at - before.at) / 3600:.1f} h without a word",
            )


def nothing_new(record: Record) -> Iterator[Finding]:
    """A status that repeats the last one, unless it says by figures how it compares with it and
    what is awaited: that nothing moved is told then, and measured."""
    last: Entry | None = None
    for number, post in record.told:
        status, before = _status(post), _status(last) if last else ""
        if (
            status
            and before
            and _alike(status, before) >= _SAME
            and post.text != (last and last.text)
            and not _compared(status)
        ):
            yield Finding(
                code="nothing_new",
                where=f"post {number}, Current Status",
                printed=status[:200],
                text="says what the post before it said",
                strict=True,
            )
        last = post


def _printed(record: Record) -> Iterator[tuple[str, stamps.Stamp]]:
    for number, post in enumerate(record.posts, 1):
        for name, text in post.sections.items():
            most = 3 if name in _TIMED else 50
            for stamp in stamps.stamps(text[:20_000], most=most):
                yield f"post {number}, {name}", stamp


def _offset(record: Record) -> int | None:
    if record.time_zone is None:
        return None
    hours, minutes = record.time_zone[1:].split(":")
    return (int(hours) * 60 + int(minutes)) * (-1 if record.time_zone[0] == "-" else 1)


def _first_with(record: Record) -> int | None:
    return next((n for n, post in record.told if "Start Time" in post.sections), None)


def _says_which(post: Entry) -> bool:
    text = post.text.lower()
    return any(
        word in text for word in ("preliminary", "final", "updated report", "revised", "second")
    )


def _status(post: Entry | None) -> str:
    if post is None:
        return ""
    return post.sections.get("Current Status") or post.sections.get("Final Status") or ""


def _compared(status: str) -> bool:
    """Whether a status sets figures beside those of the last post and says what comes next."""
    return any(
        _SINCE.search(sentence) and _VALUE.search(sentence)
        for sentence in re.split(r"(?<=[.!?])\s+", status[:4000])
    ) and bool(_NEXT.search(status[:4000]))


def _alike(a: str, b: str) -> float:
    return difflib.SequenceMatcher(None, a[:2000].split(), b[:2000].split(), autojunk=False).ratio()


def ranges(numbers: list[int]) -> str:
    """[1, 2, 3, 7] as "1-3, 7"."""
    out: list[str] = []
    start = last = numbers[0]
    for number in [*numbers[1:], -1]:
        if number == last + 1:
            last = number
            continue
        out.append(str(start) if start == last else f"{start}-{last}")
        start = last = number
    return ", ".join(out)
