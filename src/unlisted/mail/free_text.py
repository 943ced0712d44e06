"""The human part of a bounce: recipients and what was said about each.

No grammar of any one mailer: a line that is an address, or begins with one, opens a recipient;
what follows up to the next is about it; a transcript (">>> RCPT TO", "<<< 550 …") is bound to the
recipient it names. The returned message below is cut off first. Works on at most MAX_LINES lines.
"""

import re

import msgspec

MAX_LINES = 600
MAX_SAID = 3000
MAX_RECIPIENTS = 200

ADDRESS = (
    r"(?:\"[^\"\n]{1,64}\"|[^\s<>()\[\],;:\"'@|`*=\u3000-\u303f]{1,64}(?:=[^\s<>()\[\],;:\"'@]{1,64})?)"
    r"@(?:\[[0-9a-fA-F.:]{2,45}\]|[\w-]{1,63}(?:\.[\w-]{1,63}){0,8})"
)

# Where the returned message begins.
_ORIGINAL = re.compile(
    r"^[ \t>*]*(?:[-=_*#]{2,}[ \t]*(?:begin |start of |this is |the |a |your |here |below |included |"
    r"copy |forwarded |returned |undelivered |unsent |orig|message |body |head|mensaje |il |le |"
    r"original|\s*元)(?!following addr|transcript)[^\n]{0,80}?"
    r"(?:message|mail|header|copy|original|e-?mail|mensaje|messaggio)\b"
    r"|(?:original|returned|undelivered|unsent) (?:message|mail)(?: \w{1,10}){0,2}[ \t]*"
    r"(?:follows?|below|is attached|is included|:|-{2,}|\.)*[ \t]*$"
    r"|(?:original )?message (?:headers?|body)(?: and body)? (?:follow|is|are|below)"
    r"|(?:original|the) (?:message|mail) headers?\b[^\n]{0,30}[:.]?[ \t]*$"
    r"|(?:below is|here is|included is|following is|this is|attached is) (?:a |the |your )?(?:copy|first|message|header|original)"
    r"|(?:a |the )?(?:copy of|text of|header of|first \d{1,5} lines of) (?:the |your )?(?:original|message|mail)[^\n]{0,40}:?[ \t]*$"
    r"|(?:received|return-path|dkim-signature|x-received|message-id|mime-version|arc-seal):[ \t]*\S"
    r"|-{3,}[ \t]*original message)",
    re.I | re.M,
)

_LABEL = (
    r"(?:(?:failed |final |original |intended |the |e-?mail |to )*(?:recipients?|address(?:ee)?|rcpt to|to|user|"
    r"destinat\w{2,8}|empf[aä]nger|delivery to|for|mailbox|受信者|宛先|cc|userid)\b[ \t]*[:=]?[ \t]*)?"
)
_OPENS = re.compile(
    r"^[ \t]*(?P<sent>>>>[ \t]*rcpt to:[ \t]*)?(?:>>>[ \t]*|[-*\u2022\u00b7+]{1,2}[ \t]+|\d{1,3}[.)][ \t]+)?"
    r"(?P<code>[245]\d\d[ -](?:#?[245]\.\d{1,3}\.\d{1,3} )?)?"
    + _LABEL
    + r"(?:\"[^\"\n]{0,80}\"[ \t]+|'[^'\n]{0,80}'[ \t]+)?[<\"'(\[`\u300c]{0,2}(?:mailto:|rfc822;|smtp:|local:)?[ \t]*"
    r"(?P<address>" + ADDRESS + r")[>\"')\]`\u300d]{0,2}"
    r"(?P<rest>[^\n]*)$",
    re.I,
)
# What may stand behind the address for the line to be about it.
_REST = re.compile(
    r"[ \t]*(?:$|\.{2,}|[:;,\[({|]|-{1,2}>?[ \t]|=>|<|on \w|is \b|was \b|has \b|does|do not|not |no |"
    r"error|failed|could|cannot|can't|can not|returned|user |mailbox |unknown|deliver|undeliver|via |"
    r"\"|'|は|へ|に|さん|host|because|due|account|recipient|address|inactive|over|quota|invalid|status|rejected)",
    re.I,
)
_SENTENCE = re.compile(
    r"(?:\bto|\bfor|deliver(?:ing|ed)?|recipients?|user|mailbox|address(?:es)?|userid|e-?mail|from|account)"
    r"[ \t:]{1,3}(?:the |following |your |address(?:es)? |recipients? |\(s\) |e-?mail |user |:)*"
    r"[<\"'(\[`]{0,2}(?:mailto:)?(" + ADDRESS + r")",
    re.I,
)
_ANY = re.compile(ADDRESS)
_SECTION = re.compile(r"^[ \t]*[-=*_#]{2,}[ \t]*[^-=*_#\n]{0,100}[-=*_#.: ]*$")
_SENT = re.compile(r"^[ \t]*>>>[ \t]*([A-Za-z]{3,8})")
_EXPANDED = re.compile(
    r"^[ \t]*\(?(?:expanded|generated|ultimately generated|originally addressed|delivered) "
    r"(?:from|to|address)",
    re.I,
)


class Said(msgspec.Struct, frozen=True):
    """One recipient and the text about it, lines joined by line feeds; "" if there was none."""

    recipient: str
    text: str


def human(text: str) -> str:
    """The text without the returned message below it."""
    found = _ORIGINAL.search(text)
    if found is None:
        return text
    # A header block at the very top is a gateway's own; nothing human would be left.
    return text[: found.start()] if text[: found.start()].strip() else text


def said(text: str, own: frozenset[str], known: tuple[str, ...] = ()) -> list[Said]:
    """own: addresses that are no recipients (whom the bounce is to). known: recipients that a
    header field named already: then others in the text are no recipients."""
    found: dict[str, list[str]] = {address: [] for address in known}
    common = _lines(text, own, found, bool(known))
    if not found:
        for address in _by_sentence(text, own):
            found.setdefault(address, [])
    shared = _joined(common)
    return [
        Said(address, _joined(lines) or shared)
        for address, lines in list(found.items())[:MAX_RECIPIENTS]
    ]


def addresses(text: str) -> list[str]:
    return [address.rstrip(".") for address in _ANY.findall(text)]


def first_address(text: str) -> str | None:
    found = _ANY.search(text)
    return found[0].rstrip(".") if found else None


def _lines(
    text: str, own: frozenset[str], found: dict[str, list[str]], only_known: bool
) -> list[str]:
    common: list[str] = []
    keys = {address.lower(): address for address in found}
    current: list[str] | None = None
    for line in text.split("\n")[:MAX_LINES]:
        if not line or line.isspace():
            if current is not None:
                current.append("")
            else:
                common.append("")
            continue
        if "@" in line and len(line) < 2000:
            opened = _OPENS.match(line)
            if opened and _REST.match(opened["rest"]) and not _EXPANDED.match(line):
                address = opened["address"].rstrip(".")
                key = address.lower()
                if key not in own and (key in keys or not only_known):
                    keys.setdefault(key, address)
                    current = found.setdefault(keys[key], [])
                    if opened["sent"]:
                        current.append(line.strip())
                    elif opened["rest"].strip(" \t:.,;<>"):
                        current.append(line.strip() if opened["code"] else opened["rest"].strip())
                    continue
        if _SECTION.match(line):
            current = None
            continue
        sent = _SENT.match(line)
        if sent:
            # What a command that names no recipient was answered is said of all of them.
            current = None
        (common if current is None else current).append(line.strip())
    return common


def _by_sentence(text: str, own: frozenset[str]) -> list[str]:
    addresses = _SENTENCE.findall(text[:20_000]) or _ANY.findall(text[:20_000])
    out: list[str] = []
    for address in addresses:
        address = address.rstrip(".")
        if address.lower() not in own and address not in out:
            out.append(address)
    return out[:1]


def _joined(lines: list[str]) -> str:
    text = "\n".join(lines).strip()
    return text[:MAX_SAID]
