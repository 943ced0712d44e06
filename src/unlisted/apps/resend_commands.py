"""`unlisted resend plan` and `unlisted resend run`.

The plan is asked of the running service; where none runs, the journal's facts are followed once more.
It changes nothing. `run` speaks to the running service, which alone sends.
"""

from __future__ import annotations

import argparse
import contextlib
import getpass
import time
from typing import Any
from urllib.parse import quote

from unlisted.apps import cli_commands as cli
from unlisted.apps import lost_mail, resending, settings, words
from unlisted.apps.cli import FOUND, NO_SUCH, OK
from unlisted.apps.terminal import complain
from unlisted.edge import journal as journals
from unlisted.edge.journal_reader import reading
from unlisted.edge.people import derived
from unlisted.edge.readmodel import ReadModel
from unlisted.health.figures import counted
from unlisted.loop import _plan

Args = argparse.Namespace
SHOWN = 20  # letters


def resend_plan(args: Args) -> int:
    """What would be sent again, and what is left out."""
    with cli.opened_model(args) as model:
        if args.id is None:
            if args.notice is not None:
                raise cli.Missing("--notice wants an episode; unlisted resend plan names them")
            return _every(args, _asked_plans(args, model))
        if args.id not in model.episodes:
            raise cli.Missing(f"there is no episode {args.id}; unlisted episode list names them")
        plan = _asked_plan(args, model, args.id)
        lost = lost_mail.letters(model, args.id)
    if args.notice is not None:
        found = settings.load(args.config, args.state, whole=False).config
        written = lost_mail.write_notices(args.notice, lost, found.hostname, time.time())
        if written.mails and found.hostname == "localhost":
            complain(
                "unlisted: the notices are from postmaster@localhost: set hostname in unlisted.toml "
                "and write them again before you send them"
            )
        if not args.json:
            mails, letters = counted(written.mails, "notices"), counted(written.letters, "letters")
            cli.say(f"{mails} in {args.notice}, {letters} named")
            for why, count in written.left_out:
                cli.wrapped(f"{counted(count, 'letters')} left out: {why}", "", "  ")
            if written.nobody:
                cli.say(
                    f"{counted(written.nobody, 'letters')} without a sender's address; --json lists "
                    "what is not kept"
                )
            return OK
    if args.json:
        cli.show({**plan, "not_kept": [lost_mail.shown(one) for one in lost]})
        return OK
    _say_plan(plan)
    _say_lost(lost, args.id)
    return OK


def resend_run(args: Args) -> int:
    """Switch it on."""
    given = {
        "actor": getpass.getuser()[:100],
        "reason": args.reason,
        "episode": args.id,
        "unknown_outcome": args.unknown_outcome,
        "dry_run": args.dry_run,
    }
    status, answer = cli.asked(args, "/api/resend", given)
    if status not in (200, 202):
        cli.say(str(answer.get("error", {}).get("message", f"the service answered {status}")))
        return NO_SUCH if status == 404 else FOUND
    if args.json:
        cli.show(answer)
        return OK
    if args.dry_run:
        cli.say("nothing was switched on; it would stand so:\n")
    else:
        cli.say("switched on; what is left in the books stands so:\n")
    _say_plan(answer)
    return OK


# ---------------------------------------------------------------- finding


def _asked_plans(args: Args, model: ReadModel) -> list[dict[str, Any]]:
    with contextlib.suppress(cli.Unreachable):
        status, found = cli.fetched(args, "/api/resend")
        if status == 200 and isinstance(found, list):
            return found
    states, at = _followed(args, model)
    return [resending.shown(one, model.person, 0) for one in _plan.plans(states, at)]


def _asked_plan(args: Args, model: ReadModel, episode: str) -> dict[str, Any]:
    with contextlib.suppress(cli.Unreachable):
        status, found = cli.fetched(args, f"/api/resend?episode={quote(episode, safe='')}")
        if status == 200 and isinstance(found, dict):
            return found
    states, at = _followed(args, model)
    return resending.shown(_plan.plan(states, episode, at), model.person)


def _followed(args: Args, model: ReadModel) -> tuple[Any, float]:
    """The states that the journal leads to, and the time that it is for them."""
    from unlisted.edge.runner import states_of

    path = cli.journal_path(args)
    key = derived(cli.site_secret(args), "draw")
    with contextlib.closing(reading(path)) as db:
        states = states_of(lambda: journals.lines(db), key)
    simulated = False
    with contextlib.suppress(Exception):  # without its configuration: real time
        simulated = bool(settings.load(args.config, args.state, whole=False).config.clock)
    return states, model.at if simulated else max(model.at, time.time())


# ---------------------------------------------------------------- saying


def _every(args: Args, plans: list[dict[str, Any]]) -> int:
    if args.json:
        cli.show(plans)
        return OK
    if not plans:
        cli.say("nothing bounced for a block: there is nothing to send again")
        return OK
    cli.table(
        ("EPISODE", "MESSAGES", "RECIPIENTS", "LEFT OUT", "SENT AGAIN", "NOT KEPT"),
        [
            (
                one["episode"] or "(none proved)",
                str(one["messages"]),
                str(one["recipients"]),
                str(sum(row["recipients"] for row in one["left_out"])),
                str(_gone(one, "sent again")),
                str(_gone(one, "not kept")),
            )
            for one in plans
        ],
        soft=(0,),
    )
    cli.say("in recipients, but MESSAGES; one of them in full: unlisted resend plan EPISODE")
    return OK


def _gone(plan: dict[str, Any], how: str) -> int:
    return sum(row["recipients"] for row in plan["gone"] if row["why"] == how)


def _say_plan(plan: dict[str, Any]) -> None:
    cli.say(f"Episode {plan['episode']}, {cli.minute(plan['at'])}")
    recipients = counted(plan["recipients"], "recipients")
    cli.say(f"{counted(plan['messages'], 'messages')} to {recipients} can go again")
    for site in plan["sites"]:
        rests = "; its path rests" if site["rests"] else ""
        pace = f"; takes {words.span(site['takes_s'])} in its pace" if site["takes_s"] else ""
        cli.wrapped(
            f"{site['recipients']} to {site['receiver']} by {site['address']}{pace}{rests}", "  "
        )
    for title, rows in (("left out:", plan["left_out"]), ("in the books no more:", plan["gone"])):
        if rows:
            cli.say(title)
        for row in rows:
            cli.say(f"  {row['recipients']:6}  {row['words']}")
    letters = plan["letters"][:SHOWN]
    if letters:
        cli.say()
        cli.table(
            ("ID", "BOUNCED (UTC)", "SENDER", "RECIPIENT", "STATE"),
            [
                (
                    one["id"],
                    cli.short(one["bounced_at"]),
                    one["sender"],
                    one["recipient"],
                    one["state"],
                )
                for one in letters
            ],
            soft=(2, 3, 4),
        )
    more = len(plan["letters"]) - len(letters) + plan["more_letters"]
    if more:
        cli.say(f"and {more} more; all of them with --json")


def _say_lost(lost: list[lost_mail.LostLetter], episode: str) -> None:
    if not lost:
        return
    theirs = [one for one in lost if not one.culprit]
    cli.say(f"\nNot kept here, refused for this block: {counted(len(lost), 'letters')}")
    for why, count in lost_mail.left_out(lost):
        cli.wrapped(f"{counted(count, 'letters')} left out: {why}", "", "  ")
    if not theirs:
        return
    cli.table(
        ("REFUSED (UTC)", "SENDER", "RECIPIENT", "MESSAGE"),
        [
            (cli.short(words.iso(one.at)), one.sender, one.recipient, one.name)
            for one in theirs[:SHOWN]
        ],
        soft=(1, 2, 3),
    )
    if len(theirs) > SHOWN:
        cli.say(f"and {len(theirs) - SHOWN} more; all of them with --json")
    cli.wrapped(
        "Only their senders can send these again. To tell each of them exactly which: "
        f"unlisted resend plan {episode} --notice FOLDER"
    )
