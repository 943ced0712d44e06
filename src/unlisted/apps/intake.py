"""`unlisted intake`: mails out of abuse, feedback and bounce mailboxes, to the running service.

Reads maildirs, folders, mbox files and single mails. A mail in a maildir's `new` that the service
has taken moves to `cur` (seen), so that a second run finds only what is new; what is no report
moves there unseen; what the service could not take stays. Files elsewhere are left as they are.
"""

from __future__ import annotations

import argparse
import base64
import json
from collections import Counter
from pathlib import Path

from unlisted.apps.classify import MAX_MAIL, Unreadable, mails_in
from unlisted.apps.cli import FOUND, OK
from unlisted.apps.terminal import complain, plain

_WORDS = {
    "taken": "taken as reports",
    "none": "no report, left out",
    "kept": "not taken, try again",
}


def intake(args: argparse.Namespace) -> int:
    counts: Counter[str] = Counter()
    for path in args.paths:
        if not path.exists():
            raise Unreadable(f"{path}: No such file or directory")
        for name, raw in mails_in(_new(path)):
            counts[_handed(args, path, name, raw)] += 1
    if args.json:
        print(json.dumps({word: counts[word] for word in _WORDS}))
    else:
        for word, told in _WORDS.items():
            print(f"{counts[word]:>8} {told}")
    return FOUND if counts["kept"] else OK


def _new(path: Path) -> Path:
    """Of a maildir only what nobody has seen."""
    return path / "new" if _is_maildir(path) else path


def _is_maildir(path: Path) -> bool:
    return all((path / part).is_dir() for part in ("cur", "new", "tmp"))


def _handed(args: argparse.Namespace, path: Path, name: str, raw: bytes) -> str:
    from unlisted.apps.cli_commands import asked

    given = {"mail": base64.b64encode(raw[:MAX_MAIL]).decode()}
    status, answer = asked(args, "/api/reports", given)
    reply = str(answer.get("reply", "")) if status == 200 else f"451 the service said {status}"
    if reply.startswith("4"):
        complain(plain(f"unlisted: {name}: {reply}"))
        return "kept"
    taken = reply.startswith("2")
    if _is_maildir(path):
        file = Path(name)
        file.rename(path / "cur" / (file.name.partition(":")[0] + (":2,S" if taken else ":2,")))
    return "taken" if taken else "none"
