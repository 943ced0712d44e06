"""`message`, `sender` and `episode` explain, and the list of episodes: what is known, and why.

They read the journal beside a running service. A story or a verdict in words comes first, then the
chain of facts it stands on. Output fits 80 columns; `--json` gives the same to programs.
"""

from __future__ import annotations

import argparse
import re
from typing import Any

import msgspec

from unlisted.apps import explained, operator_api, story, words
from unlisted.apps.chain import Chain
from unlisted.apps.cli import OK
from unlisted.apps.cli_commands import (
    Missing,
    minute,
    opened_model,
    say,
    say_hold,
    short,
    show,
    site_secret,
    table,
    wrapped,
)

Args = argparse.Namespace


def message_explain(args: Args) -> int:
    found = story.parse_id(args.id) or _traced(args)
    with opened_model(args) as model:
        told = story.told(model, *found) if found else None
        if told is None:
            raise Missing(f"there is no message {args.id[:80]}; names look like m17 or m17.0")
        why = explained.message_chain(model, told)
    if args.json:
        show({**msgspec.to_builtins(told), "chain": msgspec.to_builtins(why)})
        return OK
    say(f"Message {told.message}" + ("" if told.recipient is None else f".{told.recipient}"))
    for line in told.lines:
        numbers = ", ".join(str(n) for n in line.facts[:3])
        say(f"\n{words.clock(line.at)}" + (f"  (fact {numbers})" if numbers else ""))
        wrapped(line.text, "  ")
    say()
    wrapped(told.now)
    _say_chain(why)
    see = [f"unlisted episode explain {one}" for one in told.episodes]
    if told.sender:
        see.append(f"unlisted sender explain {told.sender}")
    say()
    for command in see:
        say(f"{'See also: ' if command == see[0] else '          '}{command}")
    return OK


def _say_sections(told: explained.Explained) -> None:
    for section in told.sections:
        if section.heading == explained.CAUSE:
            continue  # told with its holds below
        say(f"\n{section.heading}")
        for line in section.lines:
            wrapped(line, "  ")
        for share in section.shares:
            wrapped(f"{share.said}:", "  ")
            for reason in share.reasons:
                wrapped(f"- {reason}", "    ", "      ")


def _say_chain(found: Chain) -> None:
    """The chain of facts, newest first, down to what was seen."""
    if not found.steps:
        return
    say("\nThe facts behind it, newest first; those marked * were seen, the others follow")
    for step in found.steps:
        because = ", ".join(str(n) for n in step.because[:6])
        more = f" and {len(step.because) - 6} more" if len(step.because) > 6 else ""
        reason = f", because of {because}{more}" if because else ""
        wrapped(
            f"{step.n}  {words.clock(step.at)}{reason}", "* " if step.observed else "  ", "    "
        )
        wrapped(step.text, "    ")
    if found.more:
        say(f"  … and {found.more} more")


def _traced(args: Args) -> tuple[str, int | None] | None:
    """The message behind the value of an X-Trace header, as a complaint quotes it."""
    from unlisted.edge.people import derived
    from unlisted.mail.trace import open_trace

    if not re.fullmatch(r"[A-Za-z2-7\s]{16,256}", args.id):
        return None
    number = open_trace(derived(site_secret(args), "trace"), args.id)
    return (f"m{number}", None) if number is not None else None


ROOM = 31  # of a line of 80, for the id, the address and the list beside whole times and a count


def episode_list(args: Args) -> int:
    with opened_model(args) as model:
        rows = operator_api.episodes(model)[: args.limit]
    if args.json:
        show(rows)
        return OK
    if not rows:
        say("no episode in the journal")
        return OK
    years = {at[:4] for row in rows for at in (row["since"], row["closed_at"]) if at}
    named = [max(len(str(row[key] or "")) for row in rows) for key in ("id", "address")]
    blocked_by = max(len(row["list"] or row["receiver"]) for row in rows)
    # A name that is folded can be copied by nobody: the year goes first, if there is only one.
    bare = len(years) == 1 and sum(named) + blocked_by > ROOM
    cut = len("2026-") if bare else 0
    table(
        ("ID", "ADDRESS", "BLOCKED BY", "SINCE (UTC)", "REFUSED", "CLOSED (UTC)"),
        [
            (
                row["id"],
                row["address"],
                row["list"] or row["receiver"],
                short(row["since"])[cut:],
                str(row["refusals"]),
                short(row["closed_at"])[cut:] or "-",
            )
            for row in rows
        ],
        soft=(2,),
    )
    if bare:
        say(f"times in {min(years)}")
    return OK


def episode_explain(args: Args) -> int:
    with opened_model(args) as model:
        one = model.episodes.get(args.id)
        if one is None:
            raise Missing(f"there is no episode {args.id}; unlisted episode list names them")
        rows = [row for row in operator_api.episodes(model) if row["id"] == args.id]
        causes = [operator_api.cause(model, one.causes)] if one.causes else []
        holds = [row for row in operator_api.holds(model) if row["episode"] == args.id]
        told = explained.episode(model, args.id)
        assert told is not None
    if args.json:
        show({**rows[0], "causes": causes, "holds": holds, **explained.plain(told)})
        return OK
    opened = one.opened
    where = f"on the list {opened.zone}" if opened.zone else f"at {opened.receiver}"
    say(f"Episode {opened.episode}: {opened.address} blocked {where}\n")
    say(f"{words.clock(opened.since)}  first refusal")
    say(f"{words.clock(opened.at)}  opened ({opened.basis}), {opened.refusals} of "
        f"{opened.attempts} attempts refused")  # fmt: skip
    if one.stopped:
        say(f"{words.clock(one.stopped.since)}  source stopped")
        wrapped(one.stopped.evidence, "    ")
    if one.predicted and one.predicted.release_at is not None:
        say(f"{words.clock(one.predicted.release_at)}  release predicted ({one.predicted.basis})")
    for at in one.relisted_at:
        say(f"{words.clock(at)}  listed again")
    for fact in one.dropped:
        say(f"{words.clock(fact.at)}  {fact.receiver} dropped the list, which still lists it")
    if one.delisted:
        say(f"{words.clock(one.delisted.high)}  seen off the list")
    if one.closed:
        say(f"{words.clock(one.closed.at)}  closed: {one.closed.how}")
        wrapped(one.closed.evidence, "    ")
    _say_sections(told)
    if one.advised:
        say()
        wrapped(f"Delisting: {one.advised.advice}")
    for cause in causes:
        _say_cause(cause)
    for hold in holds:
        say()
        say_hold(hold)
    _say_chain(told.chain)
    return OK


def _say_cause(cause: dict[str, Any]) -> None:
    say(f"\nCause: {cause['verdict']} (ranked {minute(cause['at'])})")
    if any(share["guilty"] for share in cause["shares"]):
        wrapped(explained.TWO_QUESTIONS, "  ")
    for share in cause["shares"]:
        mark = "  guilty" if share["guilty"] else ""
        say(
            f"  {share['share']:4.0%} ({share['low']:.0%} to {share['high']:.0%})  "
            f"{share['sender']}{mark}"
        )
        for reason in share["reasons"]:
            wrapped(f"- {reason}", "      ", "        ")
    if cause["need"]:
        wrapped(f"What would settle it: {cause['need']}", "  ")
    for text in cause["more"]:
        wrapped(f"{text}.", "  ")


def sender_explain(args: Args) -> int:
    with opened_model(args) as model:
        person = model.hash_of(args.id)
        counts = dict(
            model.db.execute(
                "select kind, count(*) from fact where json_extract(body, '$.sender')=?1 "
                "or json_extract(body, '$.row.sender')=?1 group by kind",
                (person,),
            ).fetchall()
        )
        if not counts:
            raise Missing(f"no fact is about a sender {args.id}; names look like login:anna")
        rows = operator_api.messages(model, person, "", 1000)
        holds = [row for row in operator_api.holds(model) if row["sender"] == model.person(person)]
        shares = [
            {"episode": cause["episode"], "verdict": cause["verdict"], "at": cause["at"], **share}
            for cause in operator_api.causes(model)
            for share in cause["shares"]
            if share["sender"] == model.person(person)
        ]
        name = model.person(person)
        told = explained.sender(model, args.id)
    if args.json:
        found = explained.plain(told) if told else {}
        show(
            {
                "sender": name,
                "facts": counts,
                "holds": holds,
                "shares": shares,
                "queue": rows,
                **found,
            }
        )
        return OK
    say(f"Sender {name}\n")
    for kind, words_ in (
        ("Reception", "messages accepted"),
        ("Delivery", "recipients delivered"),
        ("Refusal", "replies that blamed our address"),
        ("Suspicion", "replies that may have"),
        ("Failed", "replies that blamed the mail"),
        ("Rejection", "submissions refused by a hold"),
        ("FeedbackReceived", "complaints"),
    ):
        if counts.get(kind):
            say(f"{counts[kind]:8}  {words_}")
    say(f"{len(rows):8}  recipients in the queue")
    if told is not None:
        _say_sections(told)
    for hold in holds:
        say()
        say_hold(hold)
    if told is not None:
        _say_chain(told.chain)
    return OK
