"""`unlisted users line`: a line of the file that `smtp.users` names, for one who submits mail.

The password is read from the terminal or from standard input, never from the command line, which
every user of the machine can see. The line goes to standard output: whoever keeps the file appends it.
"""

from __future__ import annotations

import argparse
import secrets

from unlisted.apps.cli import OK
from unlisted.apps.cli_commands import say, show
from unlisted.apps.people import Unreadable, typed_password
from unlisted.edge.users import MAX_PASSWORD, parse_user, scrypt

SALT_BYTES = 16


def users_line(args: argparse.Namespace) -> int:
    # Names first: nobody should type a password twice to learn that the name cannot be used.
    try:
        parse_user(f"{args.name}:{{SSHA256}}{'A' * 64}:{args.tenant}")
    except ValueError as exc:
        raise Unreadable(str(exc)) from None
    password = typed_password(args.name)
    if not password or len(password.encode()) > MAX_PASSWORD:
        raise Unreadable(f"a password has 1 to {MAX_PASSWORD} octets")
    line = f"{args.name}:{scrypt(password, secrets.token_bytes(SALT_BYTES))}:{args.tenant}"
    if args.json:
        show({"line": line})
    else:
        say(line)
    return OK
