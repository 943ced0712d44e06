"""`unlisted report`: what a week of logs says about blocks, in a minute.

Reads the logs once, in bounded memory, and says: which addresses which lists refused and when they
let go, who sent what before, what to send again, what to do next, and what the log could not tell.
Exit code 1 when an address was blocked, 0 when none was.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unlisted.apps.classify import Unreadable, networks
from unlisted.apps.cli import FOUND, OK
from unlisted.apps.outlet import is_output, put
from unlisted.apps.terminal import complain, escaped
from unlisted.edge import pattern_cache
from unlisted.replies.addresses import Network

if TYPE_CHECKING:
    from unlisted.edge.log_reader import LogReport
    from unlisted.report.gathered import FileRead, Gathered, Kept
    from unlisted.report.sections import Report

CSV_HEAD = (
    "message_id", "recipient", "mail_from", "sender", "queue_id", "instance", "safe", "not_before",
    "cause", "address", "blamed", "refused_at", "perhaps_sent_by_hand_at", "reply", "file", "line",
)  # fmt: skip
LETTERS = 20  # told in JSON


def report(args: argparse.Namespace) -> int:
    """The whole command."""
    from unlisted.apps import report_text

    if sum(map(is_output, (args.json, args.html, args.resend))) > 1:
        raise Unreadable("standard output takes one of --json, --html and --resend")
    gathered, files, notes = _gather(args, networks(args.ours or ()))
    from unlisted.report.sections import build

    found = build(gathered, files, notes)
    if args.resend is not None:
        put(args.resend, _letters(found, gathered), private=True)
    if args.html is not None:
        from unlisted.apps import report_page

        put(args.html, (report_page.page(found),))
    if args.json is not None:
        told = json.dumps(as_json(found, gathered.kept), ensure_ascii=False, indent=1)
        put(args.json, (escaped(told), "\n"))
    if not any(map(is_output, (args.json, args.html, args.resend))):
        report_text.tell(found)
        report_text.tell_files(found, args)
    return FOUND if found.blocked else OK


# ---------------------------------------------------------------- reading


def _gather(
    args: argparse.Namespace, ours: Sequence[Network]
) -> tuple[Gathered, tuple[FileRead, ...], tuple[str, ...]]:
    from unlisted.apps.progress import Bar
    from unlisted.edge.log_reader import LogError, read_logs, zone_of
    from unlisted.edge.report_rollup import Rollup

    if args.year is not None and not 1970 <= args.year <= datetime.now(UTC).year + 1:
        raise Unreadable(f"--year {args.year}: expected a year from 1970 to the next one")
    pattern_cache.ready()
    bar = Bar(sys.stderr)
    try:
        zone = zone_of(args.zone)
        since = _moment(args.since, zone, "--since")
        until = _moment(args.until, zone, "--until")
        if since is not None and until is not None and since >= until:
            raise Unreadable("--since must be earlier than --until")
        logs, twice = _each_once(args.logs)
        rollup = Rollup(ours, since=since, until=until, kept=args.keep)
        reader = read_logs(
            logs,
            format=args.format,
            zone=args.zone,
            year=args.year,
            progress=bar.show,
        )
        for batch in reader:
            rollup.add(batch)
    except LogError as exc:
        raise Unreadable(str(exc)) from None
    finally:
        bar.end()
    files = _files(reader.report)
    problems = [file for file in reader.report.files if file.problem not in (None, "empty")]
    for file in problems:
        complain(f"unlisted: {file.name}: not read: {file.problem}")
    if len(problems) == len(files):
        raise Unreadable("no log could be read")
    read = reader.report.files
    # An empty file is a day without mail; an empty pipe is a command that failed.
    tried = any(file.lines for file in read) or "-" in args.logs
    stranger = next((file for file in read if file.relative), None)
    if stranger is not None and not any(file.attempts for file in read):
        raise Unreadable(
            f"no delivery attempt could be read: {stranger.name} looks like a log of"
            f" {stranger.relative}, and those of Postfix, Exim, KumoMTA and Microsoft 365 are read"
        )
    if tried and not any(file.attempts or file.other for file in read):
        raise Unreadable(
            f"no delivery attempt could be read ({reader.report.not_read} lines not understood)"
        )
    # The files' own troubles are told with the files.
    about_files = tuple(f"{file.name}: " for file in files)
    notes = tuple(said for said in reader.report.words() if not said.startswith(about_files))
    return rollup.finish(), files, twice + notes


def _each_once(paths: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The paths without those that would count twice (named twice, linked, packed copies), and
    what was left out, in words."""
    from unlisted.edge.log_copies import copies
    from unlisted.edge.log_input import sources_of

    found: dict[object, str] = {}
    for source in sources_of(paths):
        try:
            told = os.stat(source.name)
            found.setdefault((told.st_dev, told.st_ino), source.name)
        except OSError:
            found.setdefault(source.name, source.name)
    twice = copies([Path(one) for one in found.values() if one != "-"])
    left = {str(copy): str(kept) for copy, kept in twice.items()}
    notes = tuple(f"{copy}: left out, all of it is in {kept}." for copy, kept in left.items())
    return [one for one in found.values() if one not in left], notes


def _files(read: LogReport) -> tuple[FileRead, ...]:
    from unlisted.report.gathered import FileRead

    return tuple(
        FileRead(
            name=file.name,
            format=file.format or "",
            lines=file.lines,
            attempts=file.attempts,
            unread=file.not_read,
            samples=tuple((one.line, one.why) for one in file.samples),
            notes=tuple(
                [f"Not read: {file.problem}."] * bool(file.problem)
                + [f"Read in part: {file.damaged}."] * bool(file.damaged)
                + list(file.assumptions)
            ),
        )
        for file in read.files
    )


def _moment(text: str | None, zone: tzinfo, option: str) -> float | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable(f"{option} {text[:24]}: expected a time like 2026-11-23T08:00") from None
    return (at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()


# ---------------------------------------------------------------- writing


class _Line:
    """What a CSV writer writes to, so that `writerow` gives the line back."""

    def write(self, text: str) -> str:
        return text


def _letters(found: Report, gathered: Gathered) -> Iterator[str]:
    import csv

    rows: Any = csv.writer(_Line())  # typeshed says its writerow gives a number
    yield rows.writerow(CSV_HEAD)
    for row in letter_rows(found, gathered):
        yield rows.writerow([_cell(str(value)) for value in row])


def letter_rows(found: Report, gathered: Gathered) -> Any:
    """One row of `CSV_HEAD` for each letter to be sent again, and for each that is in doubt."""
    from unlisted.apps.words import clock

    blamed = {one.id: (one.place.name, one.blamed.name) for one in found.episodes}
    blamed |= {one.id: (one.place.name, one.receiver) for one in found.blocks}
    names = [file.name for file in found.coverage.files]
    for letter in found.again.listed():
        texts = gathered.kept.strings(letter.row)
        yield (
            texts.message_id, texts.recipient, texts.mail_from, letter.sender, texts.queue_id,
            texts.instance, "yes" if letter.outcome == "resend" else "no",
            clock(letter.not_before) if letter.not_before is not None else "",
            letter.cause, *blamed.get(letter.cause, ("", "")), clock(letter.refused_at),
            clock(letter.wrote_at) if letter.wrote_at is not None else "",
            " ".join(texts.text.split()),
            names[letter.file] if letter.file < len(names) else letter.file, letter.line,
        )  # fmt: skip


def _cell(text: str) -> str:
    # A spreadsheet runs what begins like a formula; senders choose these texts.
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") else text


def as_json(found: Report, kept: Kept) -> dict[str, Any]:
    """The report for programs: the structs as they are, letters counted and sampled, lines of the
    log with their file's name."""
    import msgspec

    from unlisted.apps.words import iso

    names = [file.name for file in found.coverage.files]

    def tamed(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: tamed(one, name) for name, one in value.items()}
        if isinstance(value, list | tuple):
            if key == "lines":
                return [
                    {"file": names[file] if file < len(names) else str(file), "line": line}
                    for file, line in value
                ]
            return [tamed(one) for one in value]
        if key.endswith("_at") or key in ("since", "until", "start", "not_before"):
            return iso(value)
        return value

    whole = msgspec.to_builtins(found)
    for episode in whole["episodes"]:
        for part in ("ending", "release"):
            for edge in ("low", "high", "at"):
                if edge in episode[part]:
                    episode[part][edge] = iso(episode[part][edge])
    letters = [
        {
            **msgspec.to_builtins(kept.strings(one.row)),
            **{name: getattr(one, name) for name in ("outcome", "cause", "sender")},
            "refused_at": one.refused_at,
            "lines": [(one.file, one.line)],
        }
        for one in list(found.again.listed())[:LETTERS]
    ]
    whole["again"] = {
        "counts": found.again.counts,
        "by_cause": found.again.by_cause,
        "sample": msgspec.to_builtins(letters),
    }
    tame: dict[str, Any] = tamed({"blocked": found.blocked, **whole})
    return tame
