"""The machine-readable part of a delivery report (RFC 3464; RFC 6533 for addresses beyond ASCII).

Read as it comes, not as it should: groups without the blank line between them, fields of one
group torn apart by one, address types left out, xtext in Original-Recipient (RFC 3461 section 4),
a Status with words behind it, the part as plain text. Refuses nothing: without a recipient field
there are no groups.
"""

import re

import msgspec

MAX_GROUPS = 128
MAX_VALUE = 4000

# A line break in front, and not "^": `re` skips to it.
_FIELD = re.compile(r"\n([A-Za-z][A-Za-z0-9-]{1,60})[ \t]*:[ \t]*([^\n]*(?:\n[ \t]+[^\n]*)*)")
_FOLD = re.compile(r"\s*\n\s*")
_TYPED = re.compile(r"\s*([A-Za-z][\w-]{0,30})\s*;\s*")
_STATUS = re.compile(r"\b([245])\.(\d{1,3})\.(\d{1,3})\b")
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_UTF8_FORM = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")
_ADDRESS = re.compile(r"<?([^\s<>;]{1,320}@[^\s<>;,]{1,255})>?")
_NAMED = frozenset({"final-recipient", "original-recipient", "x-actual-recipient"})
_EMPTY_WORDS = frozenset(
    {"permanent failure", "temporary failure", "permanent", "undefined status"}
)
PRESENT = re.compile(r"^(?:final|original)-recipient[ \t]*:", re.I | re.M)
_DIAGNOSTIC = ("diagnostic-code", "x-supplementary-info", "x-display-name", "x-notes")


class Group(msgspec.Struct, frozen=True, gc=False):
    """One recipient. diagnostic_type: "smtp", "x-unix", "x-notes" …, "" where none is named."""

    recipient: str
    original_recipient: str | None
    action: str
    status: str | None
    diagnostic_type: str
    diagnostic: str
    remote_mta: str | None


class Status(msgspec.Struct, frozen=True):
    reporting_mta: str | None
    envelope_id: str | None
    groups: tuple[Group, ...]


def parse_status(text: str) -> Status:
    """The fields wherever they stand in the text."""
    common: dict[str, str] = {}
    groups: list[dict[str, str]] = []
    for name, value in _FIELD.findall("\n" + text):
        name = name.lower()
        value = _FOLD.sub(" ", value).strip()[:MAX_VALUE]
        here = groups[-1] if groups else common
        if name in _NAMED:
            # A second field of the same name, or a final recipient after a whole group, begins
            # another recipient; blank lines are no evidence, they come inside groups too.
            if not groups or name in here or ("status" in here and "final-recipient" in here):
                if len(groups) >= MAX_GROUPS:
                    break
                here = {}
                groups.append(here)
        elif name == "action" and groups and "action" in here:
            here = {}
            groups.append(here)
        here.setdefault(name, value)
    _lend(common, groups)
    found = tuple(group for fields in groups if (group := _group(fields)) is not None)
    return Status(_host(common.get("reporting-mta")), common.get("original-envelope-id"), found)


def _lend(common: dict[str, str], groups: list[dict[str, str]]) -> None:
    """Fields before the first recipient field are its own if it lacks them (Action first)."""
    if groups:
        for name in ("action", "status", "diagnostic-code", "remote-mta"):
            if name in common:
                groups[0].setdefault(name, common[name])


def _group(fields: dict[str, str]) -> Group | None:
    final = _address(fields.get("final-recipient"))
    actual = _address(fields.get("x-actual-recipient"))
    if actual and ("@" in actual or final is None):  # it may be a program: "X-Unix; |/bin/x"
        final = actual
    original = _address(fields.get("original-recipient"), xtext=True)
    if final is None or ("@" not in final and original and "@" in original):
        final = original or final
    if final is None:
        return None
    kind, diagnostic = "", ""
    for name in _DIAGNOSTIC:
        if fields.get(name) and not diagnostic:
            kind, diagnostic = _typed(fields[name])
    status = fields.get("status", "")
    found = _STATUS.search(status)
    if not diagnostic:
        # "5.1.10 (host/domain does not accept mail)" says why where nothing else does.
        comment = re.search(r"\(([^()\n]{4,300})\)", status)
        diagnostic = comment[1] if comment and comment[1].lower() not in _EMPTY_WORDS else ""
    return Group(
        recipient=final,
        original_recipient=original if original != final else None,
        action=re.sub(r"[^a-z-].*", "", fields.get("action", "").lower()),
        status=f"{found[1]}.{int(found[2])}.{int(found[3])}" if found else None,
        diagnostic_type=kind,
        diagnostic=diagnostic,
        remote_mta=_host(fields.get("remote-mta")),
    )


def _typed(value: str) -> tuple[str, str]:
    """("smtp", "550 …") of "smtp; 550 …". What only looks like a type is text."""
    found = _TYPED.match(value)
    if found is None or (found[1].isdigit()):
        return "", value
    return found[1].lower(), value[found.end() :]


def _address(value: str | None, xtext: bool = False) -> str | None:
    if not value:
        return None
    value = _typed(value)[1]
    if xtext and ("+3D" in value or "+2B" in value or "+40" in value):
        value = _XTEXT.sub(lambda found: chr(int(found[1], 16)), value)
    if "\\x{" in value:
        value = _UTF8_FORM.sub(_character, value)
    value = value[:640]
    found = _ADDRESS.search(value) if "@" in value else None
    value = found[1] if found else value.strip("<>\"' ").split(" ", 1)[0]
    return value.rstrip(".")[:320] or None


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if 31 < number < 0xD800 or 0xDFFF < number < 0x110000 else "?"


def _host(value: str | None) -> str | None:
    if not value:
        return None
    return _typed(value)[1].split(" ", 1)[0].strip("[]()<>")[:255].lower() or None
