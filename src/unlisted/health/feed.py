"""An Atom feed (RFC 4287) with one entry per post, last changed first; ids never change.

An entry keeps the title that was told; a correction of the post, or a revision of the incident that
came after it, moves its `updated` (section 4.2.15) and stands before its text.
Built with the standard library's XML writer, which escapes; characters that XML 1.0 (section 2.2)
does not allow are left out, so a hostile title breaks no reader.
"""

import re
from collections.abc import Iterable
from xml.etree import ElementTree as XML

from unlisted.health.record import Entry, Record, iso, note
from unlisted.health.statuspage import body

ATOM = "http://www.w3.org/2005/Atom"
MAX_ENTRIES = 100
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def atom(name: str, url: str, records: Iterable[Record], at: float) -> bytes:
    """The feed. url: of the public page, with its slash. at: now, for an empty feed."""
    XML.register_namespace("", ATOM)
    posts = [
        (post, number, record)
        for record in records
        for number, post in enumerate(record.posts, 1)
        if post.at is not None
    ]
    posts.sort(key=lambda found: (-_changed(*found[1:]), found[2].id or "", -found[1]))
    root = XML.Element(f"{{{ATOM}}}feed")
    _text(root, "id", f"{url}feed.atom")
    _text(root, "title", name)
    _text(root, "updated", iso(_changed(*posts[0][1:]) if posts else at) or "")
    _link(root, "self", f"{url}feed.atom")
    _link(root, "alternate", url)
    author = XML.SubElement(root, f"{{{ATOM}}}author")
    _text(author, "name", name)
    for post, number, record in posts[:MAX_ENTRIES]:
        _entry(root, url, post, number, record)
    written: bytes = XML.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _entry(root: XML.Element, url: str, post: Entry, number: int, record: Record) -> None:
    place = f"{url}incidents/{record.id}/posts/{number}"
    entry = XML.SubElement(root, f"{{{ATOM}}}entry")
    _text(entry, "id", place)
    by = record.corrected.get(number)
    since = [words for _, words in record.revised_since(number)]
    said = " ".join(filter(None, (note(post, by), "Revised since." if since else "")))
    title = f"{record.id}: {post.sections.get('Title') or record.title} (post {number})"
    _text(entry, "title", f"{title}. {said}" if said else title)
    _text(entry, "published", iso(post.at) or "")
    _text(entry, "updated", iso(_changed(number, record)) or "")
    _link(entry, "alternate", place)
    if by is not None:
        _link(entry, "related", f"{url}incidents/{record.id}/posts/{by}")
    _text(entry, "content", body(post, "\n\n".join(filter(None, (note(post, by), *since))))).set(
        "type", "text"
    )


def _changed(number: int, record: Record) -> float:
    """When what the entry says last changed: by a correction or a revision, else it was posted."""
    post, by = record.posts[number - 1], record.corrected.get(number)
    stamps = [at for at, _ in record.revised_since(number)]
    stamps += [at for one in (post, *([record.posts[by - 1]] if by else ())) if (at := one.at)]
    return max(stamps, default=0.0)


def _text(parent: XML.Element, name: str, text: str) -> XML.Element:
    child = XML.SubElement(parent, f"{{{ATOM}}}{name}")
    child.text = _FORBIDDEN.sub("", text)
    return child


def _link(parent: XML.Element, rel: str, href: str) -> None:
    XML.SubElement(parent, f"{{{ATOM}}}link", {"rel": rel, "href": href})
