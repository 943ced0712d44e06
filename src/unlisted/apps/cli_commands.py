"""What the commands do, `serve` apart. Each prints and returns its exit code.

They read the journal beside a running service and change nothing; `hold release`, `operator link`
and `resend` speak to it, by its API, and `history import` writes, when no service runs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import http.client
import json
import shutil
import sqlite3
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from unlisted import config, config_help, facts
from unlisted.apps import operator_api, settings
from unlisted.apps.cli import FOUND, NO_SUCH, OK
from unlisted.apps.terminal import escaped, plain
from unlisted.config_file import ConfigError
from unlisted.edge import backup as archive
from unlisted.edge import journal as journals
from unlisted.edge import queue as queues
from unlisted.edge.journal_reader import reading
from unlisted.edge.readmodel import ReadModel

Args = argparse.Namespace
WIDTH = 80
SHOWN = 10  # differences
MAX_ANSWER = 16 << 20


class Missing(Exception):
    """There is no such thing."""


class Unreachable(Exception):
    """The running service could not be asked."""


# ---------------------------------------------------------------- printing


def say(text: str = "") -> None:
    """A line for a person: remote text in it cannot move the cursor."""
    print(plain(text))


def show(value: Any) -> None:
    """A value for programs; a person may look at it too, so no raw control in it either."""
    print(escaped(json.dumps(value, ensure_ascii=False, indent=1)))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], soft: Sequence[int]) -> None:
    """Columns as wide as they need; those in `soft` are folded, the widest first, to fit a line."""
    width = max(40, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))
    cells = [[plain(cell.replace("\n", " "), " ") for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    while sum(widths) + 2 * (len(widths) - 1) > width:
        widest = max(soft, key=lambda i: widths[i])
        if widths[widest] <= 8:
            break
        widths[widest] -= 1
    for row in cells:
        folded = [_folded(cell, size) for cell, size in zip(row, widths, strict=True)]
        for lines in zip_longest(*folded, fillvalue=""):
            parts = [line.ljust(size) for line, size in zip(lines, widths, strict=True)]
            print("  ".join(parts).rstrip())


_BREAKS = (" @:/|", "-", ".")  # the best first


def _folded(text: str, size: int) -> list[str]:
    """The text in lines of this size, broken after a space or a sign of a name where there is one."""
    lines = []
    while len(text) > size:
        ends = [max(text.rfind(sign, 0, size) + 1 for sign in signs) for signs in _BREAKS]
        at = next((end for end in ends if end > size // 3), size)
        lines.append(text[:at].rstrip())
        text = text[at:].lstrip()
    return [*lines, text]


def short(at: str | None) -> str:
    """A time of the API for a column whose head names the zone."""
    return f"{at[:10]} {at[11:16]}" if at else "-"


def wrapped(text: str, indent: str = "", then: str | None = None) -> None:
    """A paragraph; `then`: what its later lines begin with, if not the same."""
    later = indent if then is None else then
    say(
        textwrap.fill(
            text,
            WIDTH,
            initial_indent=indent,
            subsequent_indent=later,
            break_on_hyphens=False,  # a name that is cut in two can be copied by nobody
        )
    )


def minute(at: str | None) -> str:
    """An ISO time of the API, as people read it."""
    return f"{at[:10]} {at[11:16]} UTC" if at else "-"


# ---------------------------------------------------------------- finding


def _state(args: Args) -> Path:
    return settings.state_folder(args.config, args.state)


def journal_path(args: Args) -> Path:
    """The journal that was named, else the state folder's."""
    given: Path | None = getattr(args, "journal", None)
    return given if given is not None else _state(args) / journals.FILE


@contextlib.contextmanager
def opened_model(args: Args) -> Iterator[ReadModel]:
    """What the journal of the state folder tells, beside a running service."""
    model = ReadModel(_state(args) / journals.FILE)
    try:
        model.catch_up_now()
        yield model
    finally:
        model.close()


def site_secret(args: Args) -> bytes:
    """The site's secret: the configuration's, else the file beside the journal."""
    from unlisted.edge.people import load_secret, parse_secret

    beside = journal_path(args).with_name("secret")
    if beside.exists():
        return load_secret(beside)
    if getattr(args, "journal", None) is None or args.config is not None:
        made = settings.load(args.config, args.state, whole=False).config
        if made.secret:
            return parse_secret(made.secret)
    raise Missing(
        f"there is no secret beside {journal_path(args)} and none in the configuration; "
        "the draws of addresses cannot be repeated without it"
    )


# ---------------------------------------------------------------- config


def config_check(args: Args) -> int:
    try:
        found = settings.load(args.config, args.state)
        if found.config.smtp.users:
            from unlisted.apps.serve import relay_settings

            relay_settings(found)
        if found.config.history.import_:
            settings.read_history(found.beside(found.config.history.import_))
        if found.config.webhooks or found.config.notify.urls_file or found.config.duty.people:
            from unlisted.apps.telling import read_telling

            read_telling(found, bytes(32))  # the secret names webhooks, and nothing is kept
    except ConfigError as exc:
        if args.json:
            show([msgspec.to_builtins(one) | {"file": exc.name} for one in exc.problems])
        else:
            say(str(exc))
            say(f"{len(exc.problems)} to mend")
        return FOUND
    if args.json:
        show([])
        return OK
    say(f"{found.file or 'no configuration file: the defaults'}: right")
    for remark in config.remarks(found.config):
        wrapped(f"note: {remark}")
    return OK


def config_settings(args: Args) -> int:
    rows = list(config_help.settings())
    if args.json:
        show([msgspec.to_builtins(one) for one in rows])
        return OK
    for one in rows:
        say(f"{one.name} ({one.type}, default {one.default})")
        wrapped(one.help, "    ")
    return OK


# ---------------------------------------------------------------- journal


def journal_export(args: Args) -> int:
    with contextlib.closing(reading(journal_path(args))) as db:
        out = sys.stdout.buffer
        for line in journals.lines(db):
            out.write(
                msgspec.json.encode(
                    {
                        "n": line.n,
                        "at": line.at,
                        "kind": line.kind,
                        "cause": line.cause,
                        "body": msgspec.Raw(line.body.encode()),
                    }
                )
                + b"\n"
            )
        out.flush()
    return OK


def journal_replay(args: Args) -> int:
    from unlisted.apps.replay import replay
    from unlisted.edge.people import derived

    key = derived(site_secret(args), "draw")
    with contextlib.closing(reading(journal_path(args))) as db:
        result = replay(journals.lines(db), key)
    if args.json:
        show(msgspec.to_builtins(result))
        return FOUND if result.differences else OK
    say(f"{result.observed} observed facts followed, {result.compared} derived ones compared")
    if result.quarantined:
        say(f"{result.quarantined} inputs were quarantined at the time and are left out")
    if result.other_logic:
        say(f"{result.other_logic} derived facts are of another version of the logic: not compared")
    for one in result.differences[:SHOWN]:
        say(f"fact {one.n} differs (from observed fact {one.cause}):")
        wrapped(f"journal: {one.was}", "  ")
        wrapped(f"replay:  {one.is_now}", "  ")
    if result.differences:
        say(f"{result.different} facts differ")
        return FOUND
    say("the same byte for byte")
    return OK


# ---------------------------------------------------------------- queue


def queue_list(args: Args) -> int:
    with opened_model(args) as model:
        rows = operator_api.messages(model, args.sender, args.state_, args.limit)
    if args.json:
        show(rows)
        return OK
    if not rows:
        say("nothing waits" if not (args.sender or args.state_) else "nothing of that waits")
        return OK
    heads = ("ID", "STATE", "SENDER", "DOMAIN", "TRIES", "WAITS")
    table(
        heads,
        [
            (
                row["id"],
                row["state"],
                row["sender"],
                row["domain"],
                str(row["attempts"]),
                row["waiting_for"] or minute(row["next_try_at"]),
            )
            for row in rows
        ],
        soft=(2, 3, 5),
    )
    if len(rows) >= args.limit:
        say(f"the oldest {args.limit}; more with --limit")
    return OK


def queue_check(args: Args) -> int:
    with contextlib.closing(reading(journal_path(args))) as db:
        db.execute("begin")  # one snapshot for both, while a service may write
        table_now: dict[str, str] = dict(db.execute("select key, row from queue").fetchall())
        rebuilt = queues.rebuilt(_queue_facts(db))
    different = sorted(
        key for key in {*table_now, *rebuilt} if table_now.get(key) != rebuilt.get(key)
    )
    if args.json:
        show({"rows": len(table_now), "different": different})
        return FOUND if different else OK
    say(f"{len(table_now)} rows in the table, {len(rebuilt)} rebuilt from the journal")
    for key in different[:SHOWN]:
        say(f"{key} differs:")
        wrapped(f"table:   {table_now.get(key, 'not there')}", "  ")
        wrapped(f"journal: {rebuilt.get(key, 'not there')}", "  ")
    if different:
        say(f"{len(different)} rows differ")
        return FOUND
    say("the same")
    return OK


def _queue_facts(db: sqlite3.Connection) -> Iterator[facts.Fact]:
    rows = db.execute("select kind, body from fact where kind in ('Queued', 'Settled') order by n")
    return (facts.decode(kind, body) for kind, body in rows)


# ---------------------------------------------------------------- hold, operator


def say_hold(hold: dict[str, Any]) -> None:
    """A hold and its end, wrapped."""
    end = (
        f"ended {minute(hold['released_at'])} by {hold['released_by']}"
        if hold["released_at"]
        else f"until {minute(hold['expires_at'])}"
    )
    wrapped(f"Hold {hold['id']} on {hold['sender']} since {minute(hold['at'])}, {end}")
    wrapped(f"scope: {hold['scope']}", "  ")
    wrapped(f"reason: {hold['reason']}", "  ")


def hold_list(args: Args) -> int:
    with opened_model(args) as model:
        rows = operator_api.holds(model)
    rows = [row for row in rows if args.all or not row["released_at"]][: args.limit]
    if args.json:
        show(rows)
        return OK
    if not rows:
        say("nobody is held" + ("" if args.all else " (ended holds: --all)"))
    for row in rows:
        say_hold(row)
        say()
    return OK


def hold_release(args: Args) -> int:
    given = {"actor": getpass.getuser()[:100], "reason": args.reason}
    status, answer = asked(args, f"/api/holds/{quote(args.id, safe='')}/release", given)
    if status != 200:
        say(str(answer.get("error", {}).get("message", f"the service answered {status}")))
        return NO_SUCH if status == 404 else FOUND
    if args.json:
        show(answer)
    else:
        say(f"hold {args.id} on {answer['sender']} is released; its mail goes on now")
    return OK


def operator_link(args: Args) -> int:
    status, answer = asked(args, "/api/signin-links", {"actor": getpass.getuser()[:100]})
    if status != 201:
        raise Unreachable(f"the service answered {status}")
    if args.json:
        show(answer)
    else:
        say(answer["url"])
    return OK


def asked(args: Args, path: str, value: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """POST to the running service's API with the token of its state folder."""
    status, answer = _spoken(args, "POST", path, json.dumps(value))
    return status, answer if isinstance(answer, dict) else {}


def fetched(args: Args, path: str) -> tuple[int, Any]:
    """GET from the running service's API. Raises Unreachable where none runs."""
    return _spoken(args, "GET", path, None)


def _spoken(args: Args, method: str, path: str, body: str | None) -> tuple[int, Any]:
    state = _state(args)
    try:
        ready = json.loads((state / "ready.json").read_text())
        token = (state / "operator.token").read_text().strip()
        where = urlsplit(ready["operator"])
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read(MAX_ANSWER))
    except (OSError, ValueError, KeyError, http.client.HTTPException):
        raise Unreachable(
            f"no running service answers for the state folder {state}; "
            "start it with: unlisted serve (or name its folder: --state DIR)"
        ) from None


# ---------------------------------------------------------------- the rest


def history_import(args: Args) -> int:
    from unlisted.apps import serve
    from unlisted.edge.people import People
    from unlisted.edge.service import open_runner

    found = settings.load(args.config, args.state)
    histories = settings.read_history(args.file)
    found.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    secret = serve.site_secret(found)
    runner = open_runner(found.state, secret)
    try:
        if serve.has_kind(runner.journal, "SenderHistory"):
            say("this journal has a history already; nothing was imported")
            return FOUND
        people = People(secret)
        count = asyncio.run(serve.record_histories(runner, people, histories, time.time()))
    finally:
        runner.journal.close()
    say(f"history of {count} senders imported")
    return OK


def backup(args: Args) -> int:
    manifest = archive.backup(_state(args), args.file)
    size = sum(entry.size for entry in manifest.files)
    say(f"{args.file}: {manifest.facts} facts, {size} bytes; it holds the secret, keep it safe")
    return OK


def restore(args: Args) -> int:
    if args.state is None:
        found = settings.load(args.config, whole=False)
        state = found.state
    else:
        state = args.state
    manifest = archive.restore(args.file, state)
    say(f"{state}: {manifest.facts} facts restored")
    return OK
