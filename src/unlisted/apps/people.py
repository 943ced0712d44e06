"""`unlisted people …`: who may sign in on the operator's page, and as what.

A running service makes the change, so that it stands in the journal with who made it; where none
runs, the command writes journal and file itself. Passwords are read from the terminal or from
standard input, never from the command line, which every user of the machine can see.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
import time
from urllib.parse import quote

from unlisted.apps import cli_commands as commands
from unlisted.apps import settings
from unlisted.apps.cli import OK
from unlisted.apps.cli_commands import Missing, Unreachable, say, show, table
from unlisted.edge.staff import (
    LEAST_PASSWORD,
    MOST_PASSWORD,
    Staff,
    StaffError,
    named,
    sound,
    sound_roles,
)


class Unreadable(Exception):
    """A name, role or password cannot be used; the text says what was expected."""


def people_add(args: argparse.Namespace) -> int:
    try:
        name, roles = named(args.name), sound_roles(tuple(args.role))
        password = typed_password(name)
        sound(password)
    except StaffError as exc:
        raise Unreadable(str(exc)) from None
    given = {"name": name, "roles": list(roles), "password": password, "actor": _me()}
    try:
        status, answer = commands.asked(args, "/api/people", given)
    except Unreachable:
        status, answer = 201 if _alone(args, name, roles, password) else 200, {}
    if status not in (200, 201):
        raise Unreadable(str(answer.get("error", {}).get("message", status)))
    if args.json:
        show({"name": name, "roles": list(roles)})
    else:
        say(f"{name} {'may sign in' if status == 201 else 'is changed'}: {', '.join(roles)}")
    return OK


def people_list(args: argparse.Namespace) -> int:
    people = _staff(args).people()
    rows = [{"name": name, "roles": list(one.roles)} for name, one in sorted(people.items())]
    if args.json:
        show(rows)
    elif not rows:
        say("nobody; unlisted people add NAME --role operator")
    else:
        table(("NAME", "ROLES"), [(name, ", ".join(people[name].roles)) for name in sorted(people)],
              soft=(1,))  # fmt: skip
    return OK


def people_remove(args: argparse.Namespace) -> int:
    if args.name not in _staff(args).people():
        raise Missing(f"there is nobody called {args.name[:40]}; unlisted people list names them")
    path = f"/api/people/{quote(args.name, safe='')}/remove"
    try:
        status, answer = commands.asked(args, path, {"actor": _me()})
    except Unreachable:
        _alone(args, args.name, (), "")
        status, answer = 200, {}
    if status != 200:
        raise Unreadable(str(answer.get("error", {}).get("message", status)))
    if args.json:
        show({"name": args.name, "roles": []})
    else:
        say(f"{args.name} is removed, and signed out")
    return OK


def _me() -> str:
    return getpass.getuser()[:100]


def _staff(args: argparse.Namespace) -> Staff:
    return Staff(settings.load(args.config, args.state, whole=False).people)


def _alone(args: argparse.Namespace, name: str, roles: tuple[str, ...], password: str) -> bool:
    """Without a service: the fact, then the file. Whether they were new. No roles: remove."""
    from unlisted.apps import operator, serve
    from unlisted.edge.service import open_runner

    found = settings.load(args.config, args.state, whole=False)
    found.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    staff = Staff(found.people)
    act = "remove_person" if not roles else "add_person"
    if roles and name in staff.people():
        act = "change_person"

    async def record() -> None:
        fact = operator.acted(time.time(), _me(), act, name, ", ".join(roles), "token")
        await runner.record(fact)

    runner = open_runner(found.state, serve.site_secret(found))
    try:
        asyncio.run(record())
    finally:
        runner.journal.close()
    return staff.put(name, roles, password) if roles else staff.remove(name)


def typed_password(name: str) -> str:
    """Typed twice on a terminal, else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline(MOST_PASSWORD + 2).rstrip("\r\n")
    first = getpass.getpass(f"Password of {name} (at least {LEAST_PASSWORD} characters): ")
    if first != getpass.getpass("Again: "):
        raise Unreadable("the two are not the same")
    return first
