"""The report on a terminal: 80 columns, the answer first, colours only where a person looks."""

from __future__ import annotations

import argparse
import os
import sys
import textwrap

from unlisted.apps import report_words as says
from unlisted.apps.cli_commands import say, table, wrapped
from unlisted.apps.terminal import plain
from unlisted.report.advice import Advice
from unlisted.report.episodes import Episode
from unlisted.report.nameless import Shift
from unlisted.report.sections import Coverage, Report
from unlisted.report.senders import Ranking

EPISODES = 30
FREE = 4  # told at once when they let go
SHIFTS = 15
SUSPECTS = 6
EXPLAINED = 3  # of them, whatever they are held for
FILES = 12


def _styled(text: str, code: str) -> str:
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return f"\x1b[{code}m{text}\x1b[0m" if coloured else text


def _head(text: str) -> None:
    print()
    print(_styled(text, "1"))


def tell(found: Report) -> None:
    """The whole report."""
    cover = found.coverage
    if cover.since is not None:
        say(f"{says.at(cover.since)} to {says.at(cover.until)}")
        say(
            f"{says.several(cover.attempts, 'attempt', 'attempts')} in {says.several(len(cover.files), 'file', 'files')}"
        )
        print()
    for line in _lines(says.headline(found)):
        print(_styled(line, "1;31" if found.blocked else "1;32"))
    for episode in says.foremost(found)[:FREE]:
        if episode.ending.state != "over":
            wrapped(f"{says.title(episode)}: {says.free(episode)}", "  ")
    names = [file.name for file in cover.files]
    if found.episodes:
        _head("LISTINGS")
        for episode in says.foremost(found)[:EPISODES]:
            _episode(episode, names)
        if len(found.episodes) > EPISODES:
            say(f"and {len(found.episodes) - EPISODES} more; --html and --json have them all")
    if found.shifts:
        _head("BLOCKS THAT NO LIST EXPLAINS")
        for shift in found.shifts[:SHIFTS]:
            _shift(shift, names)
        if len(found.shifts) > SHIFTS:
            say(f"and {len(found.shifts) - SHIFTS} more; --html and --json have them all")
    if found.outside or found.domains:
        _head("NOT YOUR ADDRESSES")
        _others(found, names)
    for one in found.rankings:
        _ranking(found, one, names)
    if found.again.letters:
        _again(found)
    if found.advice:
        _head("WHAT TO DO NEXT")
        for one_advice in found.advice[:EPISODES]:
            _advice(one_advice)
    _coverage(cover)


def _lines(text: str) -> list[str]:
    return textwrap.wrap(plain(text), 80)


def _episode(episode: Episode, names: list[str]) -> None:
    print()
    zones = f" ({', '.join(episode.zones[:3])})" if episode.zones else ""
    title = f"{episode.id}  {says.title(episode)}{zones}"
    for line in _lines(title):
        print(_styled(line, "1" if episode.ending.state == "over" else "1;31"))
    indent = "    "
    if episode.place.known != "known":
        wrapped(f"the address is {episode.place.known}: {episode.place.how}", indent)
    if episode.named and episode.named != episode.place.name:
        wrapped(f"the list means the network {episode.named}", indent)
    wrapped(says.history(episode), indent)
    wrapped(says.attempts(episode), indent)
    wrapped(says.hits(episode), indent)
    wrapped(says.users(episode), indent)
    wrapped(says.free(episode), indent)
    if episode.ending.state != "over":
        wrapped(f"state: {episode.ending.state}; {episode.ending.words}", indent)
    again = says.reported_again(episode)
    if again:
        wrapped(again, indent)
    if episode.texts:
        wrapped(f"says: {says.quoted(episode.texts[0])}", indent)
    wrapped(f"lines: {says.lines(episode.evidence, names)}", indent)


def _shift(shift: Shift, names: list[str]) -> None:
    print()
    kind = says.KINDS[shift.kind]
    title = f"{shift.id}  {shift.place.name} at {shift.receiver}: {kind}"
    for line in _lines(title):
        print(_styled(line, "1;31" if shift.blocks else "1"))
    indent = "    "
    wrapped(says.shift(shift), indent)
    wrapped(f"{says.at(shift.first_at)} to {says.at(shift.last_at)}", indent)
    wrapped(f"{says.rate(shift.rate)} attempts refused with doubtful words", indent)
    if shift.elsewhere is not None:
        wrapped(f"other addresses there: {says.rate(shift.elsewhere)}", indent)
    if shift.before is not None:
        wrapped(f"this address there before: {says.rate(shift.before)}", indent)
    if shift.texts:
        wrapped(f"says: {says.quoted(shift.texts[0])}", indent)
    wrapped(f"lines: {says.lines(shift.evidence, names)}", indent)


def _others(found: Report, names: list[str]) -> None:
    for one in (*found.outside[:SHIFTS], *found.domains[:SHIFTS]):
        print()
        title = says.domain(one) if one.kind != "address" else f"{one.name} is outside --ours"
        for line in _lines(title):
            print(_styled(line, "1"))
        wrapped(says.other(one), "    ")
        wrapped(f"says: {says.quoted(one.text)}", "    ")
        wrapped(f"lines: {says.lines(one.evidence, names)}", "    ")
    more = sum(max(0, len(rows) - SHIFTS) for rows in (found.outside, found.domains))
    if more:
        say(f"and {more} more; --json has them all")


def _ranking(report: Report, found: Ranking, names: list[str]) -> None:
    _head(f"WHO SENT BY {found.place.name} BEFORE")
    wrapped(found.words)
    if not found.suspects:
        return
    count = says.several(found.mail, "recipient", "recipients")
    say(f"{count} from {says.at(found.since)} to {says.at(found.until)}")
    print()
    rows = [
        [
            one.sender,
            f"{says.times(one.mail)} ({one.mail_share:.0%})",
            says.cause(one),
            f"{one.unknown_users}/{one.answered}",
            says.STANDINGS[one.standing],
        ]
        for one in found.suspects[:SUSPECTS]
    ]
    heads = ["sender", "mail", "of the cause", "no such user", "standing"]
    table(heads, rows, (0,))
    wrapped(says.bases(found))
    if found.unknown_mail:
        share = found.unknown_mail / found.mail
        say(f"unknown senders: {says.times(found.unknown_mail)} ({share:.0%})")
    say(
        f"cause by nobody named here: {found.others_share:.0%} "
        f"({found.nobody_low:.0%}-{found.nobody_high:.0%})"
    )
    if rests := says.rests(report, found):
        wrapped(rests)
    for number, one in enumerate(found.suspects[:SUSPECTS]):
        if number < EXPLAINED or one.standing == "probable" or one.sudden:
            wrapped(f"{one.sender}: {says.suspect(one)}", "  ")
            wrapped(f"lines: {says.lines(one.evidence, names)}", "    ")


def _again(found: Report) -> None:
    _head("WHAT TO SEND AGAIN")
    count = len(found.again.letters)
    say(f"{says.several(count, 'letter was', 'letters were')} refused for a block:")
    for words, count in says.letters(found.again):
        say(f"{says.times(count):>9}  {words}")
    by_hand = sum(1 for one in found.again.listed() if one.wrote_at is not None)
    if by_hand:
        wrapped(
            f"{by_hand} of them may have been sent by hand since: the same sender reached the same "
            "recipient with another message (marked in the list)."
        )


def _advice(one: Advice) -> None:
    print()
    for line in _lines(f"{one.cause}  {one.title}"):
        print(line)
    for number, step in enumerate(one.steps, 1):
        wrapped(f"{number}. {step}", "    ")
    if one.page:
        say(f"    {one.page}")


def _coverage(cover: Coverage) -> None:
    _head("WHAT WAS READ")
    for file in cover.files[:FILES]:
        said = f"{says.named(file.name)}: {says.several(file.lines, 'line', 'lines')}, "
        said += says.several(file.attempts, "attempt", "attempts")
        said += f", {says.several(file.unread, 'line', 'lines')} not read" if file.unread else ""
        wrapped(said, "  ")
        for note in file.notes:
            wrapped(note, "    ")
        if file.samples:
            line, why = file.samples[0]
            wrapped(f"first line not read: {line} ({why})", "    ")
    if len(cover.files) > FILES:
        say(f"  and {len(cover.files) - FILES} files more")
    counts = ", ".join(f"{says.times(n)} {name}" for name, n in cover.statuses.items() if n)
    if counts:
        wrapped(f"attempts: {counts}", "  ")
    if cover.doubtful or cover.unmatched:
        wrapped(
            f"replies that might mean a block: {says.times(cover.doubtful)}; that no rule knows: "
            f"{says.times(cover.unmatched)}; both count only where they shift",
            "  ",
        )
    for said in cover.assumptions:
        wrapped(said, "  ")


def tell_files(found: Report, args: argparse.Namespace) -> None:
    """Where the rest was written."""
    said = []
    if args.resend is not None:
        said.append(f"letters to send again: {args.resend}")
    if args.html is not None:
        said.append(f"the same with charts: {args.html}")
    if args.json is not None:
        said.append(f"for programs: {args.json}")
    elif args.html is None and (found.episodes or found.blocks):
        hints = ["--html report.html for charts"]
        if args.resend is None and found.again.letters:
            hints.append("--resend letters.csv for the letters")
        said.append(f"Try {', '.join(hints)}.")
    if said:
        print()
    for line in said:
        wrapped(line)
