"""`unlisted health …`: service-health records, other people's and our own.

`import` reads a published record; `lint` says what is wrong with one, or with an incident of ours;
`post` publishes what a person wrote, or hands it in for `approve` and `reject`; `revise`, `merge` and
`split` change what an incident tells and which episodes it has. Exit code 1: a
finding that blocks publishing.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from unlisted.apps.cli import FOUND, OK
from unlisted.apps.terminal import escaped, plain
from unlisted.edge.pipe import opened_file
from unlisted.health import lint, own, record
from unlisted.health.figures import counted
from unlisted.health.importer import ImportFailed, read_record
from unlisted.health.incident import FIELDS
from unlisted.health.page import MAX_PAGE
from unlisted.health.record import Finding, Record

WIDTH = 80
_ID = re.compile(r"[A-Za-z]{1,8}-?[0-9]{1,12}")


class Unreadable(Exception):
    """The file or an option cannot be used; the text says what was expected."""


def health_import(args: argparse.Namespace) -> int:
    found = _read(args.file, args.zone)
    if args.publish:
        return _publish(args, found)
    if args.json:
        print(escaped(json.dumps(record.as_json(found), ensure_ascii=False, indent=1)))
    else:
        _print_record(found)
    return OK


def health_lint(args: argparse.Namespace) -> int:
    ours = _ours(args)
    found = (
        lint.findings(ours, lint.OURS) if ours else lint.findings(_read(Path(args.id), args.zone))
    )
    if args.json:
        print(escaped(json.dumps(record.findings_json(found), ensure_ascii=False, indent=1)))
    else:
        _print_findings(found)
    return FOUND if any(finding.strict for finding in found) else OK


def health_post(args: argparse.Namespace) -> int:
    """Through the running service, whose station decides. Its reasons are printed one by one."""
    given = {
        "text": _text(args.file),
        "next_update_by": args.next_update_by,
        "corrects": args.corrects,
        "dry_run": args.dry_run,
        "actor": getpass.getuser()[:100],
    }
    status, answer = _asked(args, "posts", given)
    if args.json:
        print(escaped(json.dumps(answer, ensure_ascii=False, indent=1)))
    elif status == 422:
        _print_reasons("not published", answer)
    elif status == 202:
        print(plain(f"draft {answer['draft']} waits for an approver"))
    else:
        print("would be published:" if args.dry_run else f"post {answer['number']} is published:")
        for section in answer["sections"]:
            _wrapped("  ", f"{section['label']}: {section['text']}")
    return FOUND if status == 422 else OK


def health_approve(args: argparse.Namespace) -> int:
    return _review(args, "approve")


def health_reject(args: argparse.Namespace) -> int:
    return _review(args, "reject")


def _review(args: argparse.Namespace, what: str) -> int:
    given = {"reason": args.reason, "actor": getpass.getuser()[:100]}
    status, answer = _asked(args, f"drafts/{args.number}/{what}", given)
    if args.json:
        print(escaped(json.dumps(answer, ensure_ascii=False, indent=1)))
    elif status == 409:
        _print_reasons("not published, it went back to its author", answer)
    elif status == 422:
        _print_reasons("nothing was changed", answer)
    elif "revisions" in answer:
        print(f"{len(answer['revisions'])} fields are revised")
    elif what == "approve":
        print(plain(f"post {answer['number']}, written by {answer['author']}, is published"))
    else:
        print(plain(f"draft {answer['draft']} went back to {answer['author']}"))
    return FOUND if status in (409, 422) else OK


def health_revise(args: argparse.Namespace) -> int:
    """What an incident tells, changed by a person."""
    given = {name: getattr(args, name) for name in FIELDS} | {"why": args.why}
    return _judged(args, "revisions", given)


def health_merge(args: argparse.Namespace) -> int:
    return _judged(args, "merge", {"into": args.into, "why": args.why})


def health_split(args: argparse.Namespace) -> int:
    return _judged(args, "split", {"episodes": args.episode, "why": args.why})


def _judged(args: argparse.Namespace, path: str, given: dict[str, Any]) -> int:
    status, answer = _asked(args, path, {**given, "actor": getpass.getuser()[:100]})
    if args.json:
        print(escaped(json.dumps(answer, ensure_ascii=False, indent=1)))
    elif status == 422:
        _print_reasons("nothing was changed", answer)
    elif status == 202:
        print(plain(f"draft {answer['draft']} waits for an approver"))
    elif path == "merge":
        print(plain(f"{answer['incident']} is merged into {answer['into']}"))
    elif path == "split":
        print(plain(f"{', '.join(answer['episodes'])} are incident {answer['part']} now"))
    for one in answer.get("revisions", ()) if not args.json else ():
        _wrapped("  ", f"{one['field']}: {one['old'] or 'nothing'} → {one['new'] or 'nothing'}")
    return FOUND if status == 422 else OK


def _asked(args: argparse.Namespace, path: str, given: dict[str, Any]) -> tuple[int, Any]:
    """What the running service answers about an incident. Raises Missing, Unreadable."""
    from unlisted.apps.cli_commands import Missing, asked

    status, answer = asked(args, f"/api/incidents/{quote(args.id, safe='')}/{path}", given)
    if status == 404:
        raise Missing(f"there is no incident {args.id[:40]}")
    if status not in (200, 201, 202, 409, 422):
        message = answer.get("error", {}).get("message", f"the service answered {status}")
        raise Unreadable(str(message))
    return status, answer


def _print_reasons(what: str, answer: dict[str, Any]) -> None:
    reasons = answer["error"]["reasons"]
    print(f"{what}, {len(reasons)} reason{'s' if len(reasons) != 1 else ''}")
    for reason in reasons:
        _wrapped("  - ", str(reason))


def health_review(args: argparse.Namespace) -> int:
    """Markdown on standard output, or one HTML file; what is added goes through the service."""
    from unlisted.apps import review
    from unlisted.apps.cli_commands import Missing, opened_model
    from unlisted.health.review_notes import ReviewError

    if args.add or args.publish:
        return _add_to_review(args)
    with opened_model(args) as model:
        try:
            found = review.made(model, args.id)
        except ReviewError as exc:
            raise Missing(str(exc)) from None
        added = review.signed(model.incidents[args.id].review)
        names: review.Name = str
        if args.public:
            names = review.masked(model, found)
        elif args.names:
            names = review.readable(model, found)
    if args.html:
        args.html.write_bytes(review.page(found, names, added))
    elif args.json:
        print(escaped(msgspec.json.encode(found).decode()))
    else:
        print(plain(review.markdown(found, names, added)), end="")
    return OK


def _add_to_review(args: argparse.Namespace) -> int:
    from unlisted.apps.cli_commands import Missing, asked

    given: dict[str, object] = {"publish": args.publish, "actor": getpass.getuser()[:100]}
    if args.add:
        given["text"] = _text(args.add)
    status, answer = asked(args, f"/api/incidents/{quote(args.id, safe='')}/review", given)
    error = answer.get("error", {})
    if status == 404:
        raise Missing(f"there is no incident {args.id[:40]}")
    if status not in (201, 422):
        raise Unreadable(str(error.get("message", f"the service answered {status}")))
    if args.json:
        print(escaped(json.dumps(answer, ensure_ascii=False, indent=1)))
    elif status == 422:
        print(f"not recorded, {len(error['reasons'])} reasons")
        for reason in error["reasons"]:
            _wrapped("  - ", str(reason))
    else:
        print("the review is published" if args.publish else "it is recorded, not yet published")
    return FOUND if status == 422 else OK


def _ours(args: argparse.Namespace) -> Record | None:
    """An incident of the journal, corrections in the place of what they correct."""
    from unlisted.apps.cli_commands import Missing, opened_model

    if args.id == "-" or not _ID.fullmatch(args.id) or Path(args.id).exists():
        return None
    with opened_model(args) as model:
        one = model.incidents.get(args.id)
        found = one.record if one else None
        found = found or model.records.get(args.id)
    if found is None:
        raise Missing(f"there is no incident {args.id}, nor a file of that name")
    return own.standing(found)


def _publish(args: argparse.Namespace, found: Record) -> int:
    """Through the running service, which reads the page itself and records who published it."""
    from unlisted.apps.cli_commands import asked

    page = base64.b64encode(_bytes(args.file)).decode()
    given = {"page": page, "actor": getpass.getuser()[:100], "zone_min": _offset(args.zone)}
    status, answer = asked(args, "/api/records", given)
    if status != 201:
        raise Unreadable(
            str(answer.get("error", {}).get("message", f"the service answered {status}"))
        )
    print(plain(f"{found.id} is published; {counted(answer['findings'], 'findings')}"))
    return OK


def _bytes(path: Path) -> bytes:
    if str(path) == "-":
        raise Unreadable("--publish needs a file")
    return path.read_bytes()


def _text(name: str) -> str:
    """A post as written; the service has its own limit."""
    try:
        return _octets(Path(name)).decode("utf-8")
    except UnicodeDecodeError:
        raise Unreadable(f"{name}: expected UTF-8") from None


def _read(path: Path, zone: str | None) -> Record:
    try:
        return read_record(_octets(path), offset_min=_offset(zone))
    except ImportFailed as exc:
        raise Unreadable(f"{path}: {exc}") from None


def _octets(path: Path) -> bytes:
    """A file, or standard input, with one octet more than is read of any."""
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(MAX_PAGE + 1)
        with opened_file(path) as file:
            return file.read(MAX_PAGE + 1)
    except OSError as exc:
        raise Unreadable(f"{path}: {exc.strerror or exc}") from None


def _offset(zone: str | None) -> int | None:
    if zone is None:
        return None
    if zone.upper() in ("UTC", "Z"):
        return 0
    found = re.fullmatch(r"([+-])(\d{2}):?(\d{2})", zone)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        raise Unreadable(f"--zone {zone[:20]}: expected UTC or an offset like -08:00")
    return (int(found[2]) * 60 + int(found[3])) * (-1 if found[1] == "-" else 1)


def _print_record(found: Record) -> None:
    told = record.summary(found)
    rows = [
        ("id", found.id),
        ("title", found.title),
        (
            "service",
            " / ".join(x for x in (found.service, found.feature_group, found.feature) if x),
        ),
        ("classification", found.classification),
        ("severity", found.severity),
        ("start", record.iso(found.start)),
        ("end", record.iso(found.end)),
        ("last updated", record.iso(found.last_updated)),
        ("time zone", found.time_zone),
        ("", "; ".join(found.time_zone_evidence)),
        ("lasted", _span(told["duration_s"])),
        ("first post after", _span(told["first_post_after_s"])),
        ("posts", f"{told['entries']}, {told['with_text']} with text"),
        ("deadlines met", f"{told['deadlines_met']} of {told['deadlines']}"),
    ]
    for name, value in rows:
        _wrapped(f"{name:<17}", str(value) if value else "unknown" if name else "")
    print()
    print("   #  posted (UTC)         kind     next update by        margin")
    for number, post in enumerate(found.posts, 1):
        margin = "" if post.margin_min is None else f"{post.margin_min:+.0f} min"
        due = record.iso(post.next_update_by) or "-"
        print(
            f"{number:>4}  {record.iso(post.at) or '?':<20} {post.kind:<8} {due:<21} {margin}".rstrip()
        )
    print()
    _print_findings(found.findings)


def _print_findings(found: tuple[Finding, ...]) -> None:
    if not found:
        print("no findings")
        return
    print(counted(len(found), "findings"))
    for finding in found:
        marks = ("  [blocks publishing]" if finding.strict else "") + (
            "  [for a person]" if finding.needs_person else ""
        )
        print(plain(f"\n{finding.code}: {finding.where}{marks}"))
        _wrapped("    ", finding.text)
        if finding.printed:
            _wrapped("    printed: ", finding.printed)
        if finding.normalised:
            _wrapped("    read as: ", finding.normalised)


def _wrapped(head: str, text: str) -> None:
    lines = textwrap.wrap(text, WIDTH - len(head)) or [""]
    print(plain(head + f"\n{' ' * len(head)}".join(lines)).rstrip())


def _span(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    minutes = int(seconds // 60)
    return f"{minutes // 1440} d {minutes // 60 % 24} h {minutes % 60} min"
