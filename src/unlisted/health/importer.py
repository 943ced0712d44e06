"""A published service-health record read into one `Record` (the format of incident EX703958, as
piped text or HTML, and looser re-publications as blocks of "Label: text").

Values are recognised by content; the page's zone is inferred with its evidence (`zone`); printed
and normalised values are both kept; faults become findings (`lint`). Refuses what has neither a
row nor a post, with ImportFailed.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from msgspec.structs import replace

from unlisted.health import labels, lint, row, stamps, zone
from unlisted.health.figures import counted
from unlisted.health.page import Line, PageError, lines_of
from unlisted.health.record import Entry, Finding, Kind, Record

MAX_POSTS = 2000
_REPORT = re.compile(
    r"\b(?:post|final|preliminary)[- ]?(?:post[- ]?)?incident (?:report|review)\b.{0,40}"
    r"\b(?:published|available|posted)", re.IGNORECASE,
)  # fmt: skip
_UPDATE = r"(?:(?<!next )\b(?:Latest |Service )?Updated?(?: \d{1,3})?(?: (?:on|at|posted))?\s*[:\u2013\u2014-]\s*)"
_WORD = re.compile("[Uu][Pp][Dd][Aa][Tt][Ee]")
_BEGIN = [re.compile(_UPDATE + form.pattern, re.IGNORECASE) for form in stamps.STAMP]


class ImportFailed(ValueError):
    """Not a record; the text says what was expected."""


def read_record(raw: bytes, *, offset_min: int | None = None) -> Record:
    """The record in a page. `offset_min`: the page's zone if somebody knows it."""
    try:
        lines = lines_of(raw)
    except PageError as exc:
        raise ImportFailed(str(exc)) from None
    heading, headers, cells, rest = _parts(lines)
    fields, rest = _fields(rest) if cells is None else ({}, rest)
    posts = _posts(rest)
    if cells is None and not posts:
        raise ImportFailed(
            "expected a row with ID, title, classification and times, or posts that begin "
            "with 'Update: ' and a time"
        )
    titles = [post.sections["Title"] for post in posts if "Title" in post.sections]
    span = (_stamp_of(posts[0]).local, _stamp_of(posts[-1]).local) if posts else None
    found = row.read(headers, cells or (), titles, span)
    return lint.with_findings(_record(heading, found, fields, posts, offset_min))


def _parts(
    lines: Sequence[Line],
) -> tuple[str | None, tuple[str, ...], tuple[str, ...] | None, str]:
    """Heading, header cells, the row's cells, and all running text after them."""
    headers: tuple[str, ...] = ()
    cells: tuple[str, ...] | None = None
    before: list[str] = []
    after: list[str] = []
    for line in lines:
        if not headers and cells is None and row.is_header(line.cells):
            headers = line.cells
        elif cells is None and len(line.cells) > 2 and row.is_row(line.cells):
            cells = line.cells
        elif cells is None and not headers:
            before.append(line.text)
        else:
            after.append(line.text)
    if headers or cells is not None:
        return (before[0] if before else None), headers, cells, "\n".join(after)
    return None, (), None, "\n".join(line.text for line in lines)


def _fields(text: str) -> tuple[dict[str, str], str]:
    """The record's own "Label: value" lines before the first post, and the rest."""
    begin = min((m.start() for m in _begins(text)), default=None)
    head = text[:begin] if begin is not None else text
    found: dict[str, str] = {}
    for line in head.splitlines():
        name, colon, value = line.partition(":")
        table = (
            "columns_of_blocks"
            if labels.known(name, "columns_of_blocks", slips=False)
            else "columns"
        )
        known = labels.known(name, table, slips=False) if colon else None
        if known and value.strip():
            found.setdefault(known, value.strip())
    if begin is not None:
        return found, text[begin:]
    return found, ""


def _begins(text: str) -> Iterator[re.Match[str]]:
    """Where a post begins: an update with a time. A day no calendar has begins none."""
    for word in _WORD.finditer(text):
        begin = word.start()
        for before in ("latest ", "service "):
            if text[max(0, begin - len(before)) : begin].lower() == before:
                begin -= len(before)
        for pattern in _BEGIN:
            match = pattern.match(text, begin)
            if match is not None and stamps.read(match[0]) is not None:
                yield match


def _posts(text: str) -> list[Entry]:
    """Oldest first. A page prints the newest first; equal stamps keep that order."""
    begins = sorted(
        {m.span(): m for m in _begins(text)}.values(),
        key=lambda m: m.start(),
    )[:MAX_POSTS]
    found = []
    for match, after in zip_longest(begins, begins[1:]):
        if match is None:
            break
        body = text[match.end() : after.start() if after else len(text)]
        found.append(_post(match[0], body.strip().strip("|").strip()))
    if found and _stamp_of(found[0]).local >= _stamp_of(found[-1]).local:
        found.reverse()
    return found


def _post(head: str, body: str) -> Entry:
    stamp = stamps.read(head)
    sections, _ = labels.sections_of(body)
    return Entry(
        at=None,
        printed_at=stamp.printed if stamp else head,
        kind=_kind(body, sections),
        sections=sections,
        text=body,
    )


def _kind(body: str, sections: dict[str, str]) -> Kind:
    if not sections or (_REPORT.search(body) and len(sections) < 2):
        return "report" if _REPORT.search(body) or not body else "current"
    return "final" if "Final Status" in sections else "current"


def _stamp_of(entry: Entry) -> stamps.Stamp:
    found = stamps.read(entry.printed_at)
    assert found is not None  # a post begins with one
    return found


def _record(
    heading: str | None,
    found: row.Row,
    fields: dict[str, str],
    posts: list[Entry],
    offset_min: int | None,
) -> Record:
    disorder = _disorder(posts)
    posts = [
        post for _, post in sorted(enumerate(posts), key=lambda p: (_stamp_of(p[1]).local, p[0]))
    ]
    start = found.start or stamps.read(fields.get("start", ""))
    updated = found.last_updated or stamps.read(fields.get("last_updated", ""))
    told = [_told(post) for post in posts if post.kind != "report"]
    page = (
        zone.Zone(offset_min, True, ("given",))
        if offset_min is not None
        else zone.infer(start, told)
    )
    dated = _promises([_dated(post, page.offset_min) for post in posts])
    service, group, feature = row.services_of(found.feature or fields.get("service"))
    last_title = next((p.sections["Title"] for p in reversed(posts) if "Title" in p.sections), None)
    end = next((one.ends[-1].at(page.offset_min) for one in reversed(told) if one.ends), None)
    return Record(
        id=found.id or fields.get("id"),
        service=service or fields.get("service"),
        feature_group=fields.get("feature_group", group),
        feature=fields.get("feature", feature),
        title=found.title or fields.get("title") or last_title,
        classification=found.classification or _lower(fields.get("classification")),
        severity=found.severity or _lower(fields.get("severity")),
        start=start.at(page.offset_min) if start else _start_told(told, page.offset_min),
        end=end if end is not None else _at(fields.get("end"), page.offset_min),
        last_updated=updated.at(page.offset_min) if updated else None,
        time_zone=None if page.offset_min is None else stamps.offset_shown(page.offset_min),
        time_zone_evidence=page.evidence,
        status=_status(posts, end),
        heading=heading,
        posts=tuple(dated),
        findings=(*found.findings, *disorder, *_zone_findings(page)),
    )


def _status(posts: Sequence[Entry], end: float | None) -> str:
    """Graph's name of what the last entries say."""
    kinds = {post.kind for post in posts}
    if "report" in kinds:
        return "postIncidentReviewPublished"
    return "serviceRestored" if "final" in kinds or end is not None else "serviceDegradation"


def _lower(text: str | None) -> str | None:
    return text.strip().lower() if text else None


def _at(text: str | None, offset_min: int | None) -> float | None:
    found = stamps.read(text) if text else None
    return found.at(offset_min) if found else None


def _start_told(told: Sequence[zone.Told], offset_min: int | None) -> float | None:
    """Without a row: the last start told that is not after its own post."""
    for one in reversed(told):
        at, posted = (
            (one.starts[-1].at(offset_min), one.stamp.at(offset_min))
            if one.starts
            else (None, None)
        )
        if at is not None and (posted is None or at <= posted):
            return at
    return None


def _told(post: Entry) -> zone.Told:
    return zone.Told(
        stamp=_stamp_of(post),
        starts=tuple(stamps.stamps(post.sections.get("Start Time", "")[:1000], most=3)),
        ends=tuple(stamps.stamps(post.sections.get("End Time", "")[:1000], most=3)),
        promised=stamps.read(post.sections.get("Next Update By", "")),
    )


def _dated(post: Entry, offset_min: int | None) -> Entry:
    promised = stamps.read(post.sections.get("Next Update By", ""))
    return replace(
        post,
        at=_stamp_of(post).at(offset_min),
        next_update_by=promised.at(offset_min) if promised else None,
    )


def _promises(posts: list[Entry]) -> list[Entry]:
    """Each promise against the next post that says something."""
    out = list(posts)
    following: Entry | None = None
    for index in range(len(posts) - 1, -1, -1):
        post = posts[index]
        if post.kind == "report":
            continue
        if following is not None and post.next_update_by is not None and following.at is not None:
            margin = (post.next_update_by - following.at) / 60
            out[index] = replace(post, deadline_met=margin >= 0, margin_min=round(margin, 1))
        following = post
    return out


def _disorder(posts: Sequence[Entry]) -> list[Finding]:
    times = [_stamp_of(post).local for post in posts]
    found = [n for n in range(1, len(times)) if times[n] < times[n - 1]]
    if not found:
        return []
    printed = ", ".join(posts[n].printed_at for n in found[:10])
    return [
        Finding(
            code="posts_out_of_order",
            where="posts",
            printed=printed,
            normalised="sorted by time",
            text=f"{counted(len(found), 'posts')} out of the order of their times",
        )
    ]


def _zone_findings(page: zone.Zone) -> list[Finding]:
    if page.sure:
        return []
    known = page.offset_min is not None
    return [
        Finding(
            code="zone_unsure" if known else "zone_unknown",
            where="page",
            normalised=stamps.offset_shown(page.offset_min)
            if page.offset_min is not None
            else None,
            text="the page's stamps carry no zone; " + "; ".join(page.evidence),
            needs_person=True,
        )
    ]
