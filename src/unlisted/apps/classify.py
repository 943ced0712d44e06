"""`unlisted classify`: what replies and bounce mails mean, one answer each.

Replies come one per line, in files that are no mail or on standard input; mails as files, folders
(each file in them that is a mail, maildirs included), mbox files, or either of them on standard
input. One answer per line, in order; for mails one per recipient. Bounded: a line is read to 64 KB, a mail to 4 MB.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Any

from unlisted.apps.cli import OK
from unlisted.apps.terminal import complain, escaped, plain
from unlisted.edge import pattern_cache
from unlisted.edge.pipe import opened_file
from unlisted.mail.bounce import parse_bounce
from unlisted.replies import as_json
from unlisted.replies import classify as classified
from unlisted.replies.addresses import Network
from unlisted.replies.bounces import Judged, judge

MAX_LINE = 64 * 1024
MAX_MAIL = 4 * 1024 * 1024
WIDTH = 80

# What a stream begins with that is a mail: no reply of a server begins with one of these.
_BEGINS_A_MAIL = re.compile(
    rb"(?:Return-Path|Received|Delivered-To|X-Original-To|DKIM-Signature|From|To|Subject|Date"
    rb"|Message-ID|MIME-Version|Content-Type|Authentication-Results|Auto-Submitted):[ \t]",
    re.IGNORECASE,
)
_BEGINS_AN_MBOX = re.compile(rb"From \S+ +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[ ,]")  # RFC 4155
_HEADER = re.compile(rb"(?:From |>?From:|[A-Za-z][A-Za-z0-9-]{0,60}:[ \t\r\n])")

Answer = dict[str, Any]


def classify(args: argparse.Namespace) -> int:
    """The command."""
    ours = networks(args.ours)
    pattern_cache.ready()
    found = answers(args.files, ours)
    if args.json:
        print_json(found)
    else:
        print_table(found)
    return OK


class Unreadable(Exception):
    """An input cannot be read; the text says which and why."""


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """`--ours` as networks; refuses what is none."""
    found: list[Network] = []
    for text in texts:
        try:
            found.append(ipaddress.ip_network(text.strip(), strict=False))
        except ValueError:
            raise Unreadable(
                f"--ours {text[:60]}: expected an address or network like 192.0.2.0/24"
            ) from None
    return tuple(found)


def answers(paths: Iterable[Path], ours: tuple[Network, ...]) -> Iterator[Answer]:
    """Every input's answers, in order; without a path (or for "-") standard input's."""
    given = list(paths) or [Path("-")]
    for path in given:
        if str(path) == "-":
            yield from _stream(sys.stdin.buffer, "-", ours)
        elif _is_stream(path):
            try:
                with opened_file(path) as file:
                    yield from _stream(file, str(path), ours)
            except OSError as exc:
                raise Unreadable(f"{path}: {exc.strerror or exc}") from None
        else:
            yield from _file(path, ours)


def replies_of(lines: Iterable[bytes], ours: tuple[Network, ...]) -> Iterator[Answer]:
    """One answer for each line, an empty one included."""
    for line in lines:
        text = line.rstrip(b"\r\n").decode("utf-8", "replace")
        yield {"input": text, **as_json(classified(text, ours=ours))}


def _stream(stream: IO[bytes], name: str, ours: tuple[Network, ...]) -> Iterator[Answer]:
    """Standard input or a pipe, read once: a mail or an mbox if its first line begins one, else replies as they come."""
    lines = _lines(stream)
    first = next(lines, b"")
    whole = chain((first,) if first else (), lines)
    if _BEGINS_AN_MBOX.match(first):
        for number, raw in enumerate(_mbox(whole), 1):
            yield from _mail(raw, f"{name}#{number}", ours)
    elif _BEGINS_A_MAIL.match(first):
        yield from _mail(first + stream.read(MAX_MAIL), name, ours)
    else:
        yield from replies_of(whole, ours)


def _is_stream(path: Path) -> bool:
    """Whether it can be read only once: `<(grep said: mail.log)` is such a path."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    while line := stream.readline(MAX_LINE):
        yield line
        while len(line) == MAX_LINE and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE)  # the rest of an overlong line is let go


def mails_in(path: Path) -> Iterator[tuple[str, bytes]]:
    """The mails of a file (one mail, or an mbox) or of a folder, each with its name."""
    if path.is_dir():
        yield from _folder(path)
        return
    if _is_stream(path):
        raise Unreadable(f"{path}: expected a file or a folder")
    kind = "mail" if path.suffix.lower() == ".eml" else _kind(path)
    try:
        with path.open("rb") as file:
            if kind == "mbox":
                for number, raw in enumerate(_mbox(_lines(file)), 1):
                    yield f"{path}#{number}", raw
            elif kind == "mail":
                yield str(path), file.read(MAX_MAIL)
    except OSError as exc:
        raise Unreadable(f"{path}: {exc.strerror or exc}") from None


def _folder(folder: Path) -> Iterator[tuple[str, bytes]]:
    other = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith("."):
            continue
        if path.suffix.lower() == ".eml" or _kind(path) != "replies":
            yield from mails_in(path)
        else:
            other += 1
    if other:
        files = (
            "1 file that is no mail was" if other == 1 else f"{other} files that are no mail were"
        )
        complain(f"unlisted: {folder}: {files} left out")


def _file(path: Path, ours: tuple[Network, ...]) -> Iterator[Answer]:
    if path.is_file() and path.suffix.lower() != ".eml" and _kind(path) == "replies":
        with path.open("rb") as file:
            yield from replies_of(_lines(file), ours)
        return
    for name, raw in mails_in(path):
        yield from _mail(raw, name, ours)


def _kind(path: Path) -> str:
    """mail, mbox or replies, by how the file begins. One mail after a "From " line is a mail."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            if not head.startswith(b"From "):
                return "mail" if _HEADER.match(head.lstrip()) else "replies"
            more = any(index and line.startswith(b"From ") for index, line in _starts(file, head))
            return "mbox" if more else "mail"
    except OSError as exc:
        raise Unreadable(f"{path}: {exc.strerror or exc}") from None


def _starts(file: IO[bytes], head: bytes) -> Iterator[tuple[int, bytes]]:
    file.seek(0)
    blank = True
    for index, line in enumerate(_lines(file)):
        if blank and line.startswith(b"From "):
            yield index, line
        blank = not line.strip()


def _mbox(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The mails of an mbox (RFC 4155): each begins with "From " after an empty line."""
    held: list[bytes] = []
    size = 0
    blank = True
    for line in lines:
        if blank and line.startswith(b"From "):
            if held:
                yield b"".join(held)
            held, size = [], 0
        if size < MAX_MAIL:
            held.append(line)
            size += len(line)
        blank = not line.strip()
    if held:
        yield b"".join(held)


def _mail(raw: bytes, name: str, ours: tuple[Network, ...]) -> Iterator[Answer]:
    """One answer per recipient; one without recipient and reason for what is no bounce."""
    found = parse_bounce(raw)
    for record in found:
        yield {"input": name, **_judged(judge(record, ours=ours))}
    if not found:
        yield {"input": name, "recipient": None, "kind": None, **_MEANS_NOTHING}


def _judged(judged: Judged) -> Answer:
    """What the reply means, by the record's own code and status where it names them."""
    record, meaning = judged.record, judged.meaning
    means = as_json(meaning) if meaning is not None else dict(_MEANS_NOTHING)
    means["reason"] = judged.reason
    means["code"] = record.code or means["code"]
    means["enhanced"] = record.status or means["enhanced"]
    return {
        "recipient": record.recipient,
        "kind": record.kind,
        **means,
        "action": record.action or None,
        "diagnostic": record.diagnostic or None,
        "command": record.command,
        "reporting_mta": record.reporting_mta,
        "remote_mta": record.remote_mta,
        "message_id": record.message_id,
        "trace": record.trace,
        "feedback_type": record.feedback_type,
        "source": record.source,
    }


# A mail that is no bounce says nothing about our addresses.
_MEANS_NOTHING: Answer = {
    "code": 0,
    "enhanced": None,
    "reason": None,
    "refusal": False,
    "subject": "none",
    "subject_value": None,
    "ours": "unknown",
    "blames": None,
    "family": None,
    "said_by": None,
    "retry": "never",
    "temporary": False,
    "rule": None,
    "confidence": "low",
    "also": [],
}


def print_json(found: Iterable[Answer]) -> None:
    """One object a line."""
    for answer in found:
        print(escaped(json.dumps(answer, ensure_ascii=False)), flush=True)


def print_table(found: Iterable[Answer]) -> None:
    """For a person: what happened, who is blamed, what to do next; then the words it rests on."""
    for answer in found:
        if answer["input"].strip():  # an empty line asks nothing
            print(plain("\n".join(_shown(answer))), flush=True)


def _shown(answer: Answer) -> list[str]:
    code = " ".join(str(part) for part in (answer["code"] or "", answer["enhanced"] or "") if part)
    head = f"{answer['reason'] or _unread(answer):<18} {code:<11} {answer.get('recipient') or ''}"
    lines = [head.rstrip()[:WIDTH]]
    known = answer["reason"] is not None
    if known:
        lines.append(f"  {_refusal(answer)}"[:WIDTH])
    if known or (answer["temporary"] and answer["code"]):  # 4yz: try again, whatever it means
        lines.append(
            f"  next: {_RETRY[answer['retry']]}"
            + (f" ({answer['rule']})" if answer["rule"] else "")
        )
    words = answer.get("diagnostic") if "recipient" in answer else None
    name = f"{answer['input']}: " if "recipient" in answer else ""
    lines.append(
        "  " + textwrap.shorten(name + str(words or answer["input"]), WIDTH - 2, placeholder=" …")
    )
    return [*lines, ""]


def _unread(answer: Answer) -> str:
    return "no bounce" if "recipient" in answer else "not recognised"


def _refusal(answer: Answer) -> str:
    subject, value = answer["subject"], answer["subject_value"]
    about = str(_SUBJECTS.get(subject, subject)) + (f" {value}" if value else "")
    if answer["refusal"] is False:
        return f"about: {about}" if about else "blames nothing of ours: no address, domain or text"
    if answer["refusal"] is not True:
        # Words that may blame the address: a suspicion, until other addresses are seen to pass.
        return f"suspicion: it may blame our address{f', or the {about}' if about else ''}"
    whose = {"yes": " (ours)", "no": " (not ours)", "unknown": ""}[answer["ours"]]
    blamed = answer["blames"] or answer["family"]
    return f"refused: {about or 'address'}{whose}" + (
        f", by {blamed}" if blamed else ", no list named"
    )


_SUBJECTS = {
    "none": "",
    "auth": "authentication (SPF, DKIM, DMARC)",
    "rdns": "reverse DNS",
    "rate": "sending rate",
}
_RETRY = {
    "same_later": "the same address, later",
    "slow_down": "slow down, then the same address",
    "other_address": "another address would be taken",
    "after_delisting": "after delisting",
    "never": "do not try again",
}
