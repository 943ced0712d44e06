"""Posts that people write: sections of text with `{{ name }}` where a measured figure stands.

The placeholder is all the syntax there is; nothing is evaluated. Refused, with every reason at once:
a figure that is not there, a number that was typed instead of measured, a section that the service
writes itself, an address of ours, control characters, and anything longer than the limits below.
"""

import re
from collections.abc import Iterable, Sequence

from unlisted.facts import Figure
from unlisted.health.figures import in_words
from unlisted.health.labels import known
from unlisted.health.typed import unmeasured

MAX_TEXT = 20_000  # of a whole post as handed in
MAX_SECTIONS = 12
MAX_LABEL = 60
MAX_SECTION = 4000
MAX_PLACES = 50
OURS = ("Measured", "Start time", "End time", "Next update by", "Expected end")
DEFAULT_LABEL = "Current status"

Sections = tuple[tuple[str, str], ...]
_PLACE = re.compile(r"\{\{[ \t]*([a-z][a-z0-9_]{0,39})[ \t]*\}\}")
_BRACES = re.compile(r"\{\{.{0,40}|\}\}|\{[%#].{0,40}|[%#]\}")
_LABEL = re.compile(r"([A-Z][A-Za-z' -]{1,40}):(?:[ \t]+|$)(.*)")
_CONTROL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


def read(text: str) -> Sections:
    """Sections of a text in which each begins with "Label: " at the start of a line. Text before
    the first label is the current status."""
    found: list[tuple[str, list[str]]] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        label = _LABEL.match(line)
        if label:
            found.append((label[1], [label[2]]))
        elif found:
            found[-1][1].append(line)
        elif line.strip():
            found.append((DEFAULT_LABEL, [line]))
    return tuple((label, "\n".join(lines).strip()) for label, lines in found)


def unsound(text: str) -> bool:
    """Whether it has control or direction characters."""
    return _CONTROL.search(text) is not None


def shown(sections: Sections) -> str:
    """The text that `read` makes these sections of."""
    return "\n\n".join(f"{label}: {text}" for label, text in sections)


def faults(sections: Sections) -> list[str]:
    """What is wrong with them before any figure is looked at."""
    if not sections:
        return ["the post has no text"]
    if len(sections) > MAX_SECTIONS:
        return [f"{len(sections)} sections; {MAX_SECTIONS} at most"]
    if sum(len(label) + len(text) for label, text in sections) > MAX_TEXT:
        return [f"the post is longer than {MAX_TEXT} characters"]
    found = [reason for label, text in sections for reason in _section(label, text)]
    seen: dict[str, str] = {}
    for label, _ in sections:
        name = _canonical(label)
        if name in seen:
            same = "" if seen[name] == label else f", as {seen[name][:MAX_LABEL]}"
            found.append(f"section {label[:MAX_LABEL]} is there twice{same}")
        seen.setdefault(name, label)
    return found


def _canonical(label: str) -> str:
    """What a label is to every reader of the record: two spellings of one are one."""
    return (known(label, "sections", slips=False) or label).strip().lower()


def _section(label: str, text: str) -> list[str]:
    name = label[:MAX_LABEL]
    if not label.strip() or len(label) > MAX_LABEL or _BRACES.search(label) or "\n" in label:
        return [f"{name!r} is no label of a section"]
    if unsound(label) or unsound(text):
        return [f"section {ascii(name)[1:-1]} has control or direction characters"]
    if _canonical(label) in (one.lower() for one in OURS):
        return [f"section {label} is written by the service: leave it out"]
    if not text.strip():
        return [f"section {label} has no text"]
    if len(text) > MAX_SECTION:
        return [f"section {label} is longer than {MAX_SECTION} characters"]
    return []


def rendered(sections: Sections, figures: Sequence[Figure]) -> tuple[Sections, tuple[Figure, ...]]:
    """The sections with their figures in words, and the figures used. Only after `refused` found
    nothing: raises KeyError for a figure that is not there."""
    known = {figure.name: figure for figure in figures}
    used = dict.fromkeys(name for _, text in sections for name in _PLACE.findall(text))
    made = tuple(
        (label, _PLACE.sub(lambda found: in_words(known[found[1]]), text).strip())
        for label, text in sections
    )
    return made, tuple(known[name] for name in used)


def refused(sections: Sections, figures: Sequence[Figure], ours: Iterable[str]) -> list[str]:
    """Every reason why this cannot be published; `ours`: addresses that no post names."""
    found = faults(sections)
    if found:
        return found
    known = {figure.name for figure in figures}
    if sum(len(_PLACE.findall(text)) for _, text in sections) > MAX_PLACES:
        return [f"more than {MAX_PLACES} figures"]
    addresses = sorted(set(ours))
    for label, text in sections:
        for name in dict.fromkeys(_PLACE.findall(text)):
            if name not in known:
                there = ", ".join(sorted(known))
                found.append(f"{label}: no figure {name} is measured; there are {there}")
        bare = _PLACE.sub(";", text)
        odd = _BRACES.search(bare)
        if odd:
            found.append(f"{label}: {odd[0]!r} is no figure; write {{{{ name }}}}")
        typed = [*unmeasured(bare, figures), *(unmeasured(label, ()))]
        found += [
            f"{label}: {number[:60]!r} is typed, not measured; write {{{{ name }}}} of a figure"
            for number in typed
        ]
        named = [
            one for one in addresses if re.search(rf"(?<![\w.:]){re.escape(one)}(?![\w:])", text)
        ]
        found += [f"{label}: {one} is an address of ours" for one in named]
    return found
