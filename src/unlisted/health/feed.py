"""An Atom feed (RFC 4287) with one entry per post, newest first; ids never change.

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
    posts.sort(key=lambda found: (-(found[0].at or 0.0), found[2].id or "", -found[1]))
    root = XML.Element(f"{{{ATOM}}}feed")
    _text(root, "id", f"{url}feed.atom")
    _text(root, "title", name)
    _text(root, "updated", iso(posts[0][0].at if posts else at) or "")
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
    changed = record.posts[by - 1].at if by is not None else post.at
    said = note(post, by)
    title = f"{record.id}: {record.title} (post {number})"
    _text(entry, "title", f"{title}. {said}" if said else title)
    _text(entry, "published", iso(post.at) or "")
    _text(entry, "updated", iso(changed) or "")
    _link(entry, "alternate", place)
    _text(entry, "content", body(post, said)).set("type", "text")


def _text(parent: XML.Element, name: str, text: str) -> XML.Element:
    child = XML.SubElement(parent, f"{{{ATOM}}}{name}")
    child.text = _FORBIDDEN.sub("", text)
    return child


def _link(parent: XML.Element, rel: str, href: str) -> None:
    XML.SubElement(parent, f"{{{ATOM}}}link", {"rel": rel, "href": href})
