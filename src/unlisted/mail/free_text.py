"""The human part of a bounce: recipients and what was said about each.

No grammar of any one mailer: a line that is an address, or begins with one, opens a recipient;
what follows up to the next is about it; a transcript (">>> RCPT TO", "<<< 550 …") is bound to the
recipient it names. The returned message below is cut off first. Works on at most MAX_LINES lines.
"""

import re

import msgspec

MAX_LINES = 600
MAX_LINE = 1000
MAX_SAID = 3000
MAX_RECIPIENTS = 128

ADDRESS = (
    r"(?:\"[^\"\n]{1,64}\"|[^\s<>()\[\],;:\"'@|`*=\u3000-\u303f\uff01-\uff20]{1,64}(?:=[^\s<>()\[\],;:\"'@]{1,64})?)"
    r"@(?:\[[0-9a-fA-F.:]{2,45}\]|[\w-]{1,63}(?:\.[\w-]{1,63}){0,8})"
)

# Where the returned message begins.
_ORIGINAL = re.compile(
    r"[ \t>*]*(?:[-=_*#]{2,}[ \t]*(?:begin |start of |this is |the |a |your |here |below |included |"
    r"copy |forwarded |returned |undelivered |unsent |orig|message |body |head|mensaje |il |le |"
    r"original|\s*元)(?!following addr|transcript)[^\n]{0,80}?"
    r"(?:message|mail|header|copy|original|e-?mail|mensaje|messaggio)\b"
    r"|(?:original|returned|undelivered|unsent) (?:message|mail)(?! details\b[\s\S]{0,900}\berror details)(?: \w{1,10}){0,2}[ \t]*"
    r"(?:follows?|below|is attached|is included|:|-{2,}|\.)*[ \t]*$"
    r"|(?:original )?message (?:headers?|body)(?: and body)? (?:follow|is|are|below)"
    r"|(?:original|the) (?:message|mail) headers?\b[^\n]{0,30}[:.]?[ \t]*$"
    r"|(?:below is|here is|included is|following is|this is|attached is) (?:a |the |your )?(?:copy|first|message|header|original)"
    r"|(?:a |the )?(?:copy of|text of|header of|first \d{1,5} lines of) (?:the |your )?(?:original|message|mail)[^\n]{0,40}:?[ \t]*$"
    r"|(?:received|return-path|dkim-signature|x-received|message-id|mime-version|arc-seal):[ \t]*\S"
    r"|-{3,}[ \t]*original message|old message:[ \t]*$)",
    re.I | re.M,
)

# What such a line may begin with; the line break in front lets `re` skip to it.
_STARTS = re.compile(
    r"\n[ \t>]*(?:[-=_*#]|original|returned|undelivered|unsent|message|the |below|old |here|included|following|this |attached|a |"
    r"copy|text|header|first|received|return-path|dkim|x-received|mime|arc-)",
)

_LABEL = (
    r"(?:(?:failed |final |original |intended |unknown |invalid |bad |undeliverable |the |e-?mail |to )*(?:recipients?|address(?:ee)?|rcpt to|to|user|"
    r"destinat\w{2,8}|empf[aä]nger|delivery to|for|mailbox|受信者|宛先|收件人|收件者|받는 사람|수신자|получатель|cc|userid)\b[ \t]*[:=\uff1a]?[ \t]*)?"
)
_OPENS = re.compile(
    r"^[ \t]*(?P<sent>>>>[ \t]*rcpt to:[ \t]*)?(?:>>>[ \t]*|[-*\u2022\u00b7+]{1,2}[ \t]+|\d{1,3}[.)][ \t]+)?"
    r"(?P<code>[245]\d\d[ -](?:#?[245]\.\d{1,3}\.\d{1,3} )?)?"
    r"(?:c=[^\n@]{0,120}?dda:smtp=)?"  # an X.400 address that holds one of ours
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
# A sentence that says whose mail it was: stronger than a field of the mail, repeated.
_MESSAGE_TO = re.compile(
    r"message to <?("
    + ADDRESS
    + r")>? (?:(?:could|was|has|can)(?:n't| ?not|n\u2019t)|was|has been)\b",
    re.I,
)
_SECTION = re.compile(r"^[ \t]*[-=*_#]{2,}[ \t]*[^-=*_#\n]{0,100}[-=*_#.: ]*$")
_CODE_LINE = re.compile(r"[245]\d\d[ -]")
_CODE = re.compile(r"(?:^|[\s:(<])[45]\d\d[ -]")
# A field of the returned message's header that the human part repeats.
_QUOTED = re.compile(r"^[ \t]*(?:[*\u2022-][ \t]+)?(?:to|cc|from|reply-to|sender):[ \t]", re.I)
_EXPANDED = re.compile(
    r"^[ \t]*\(?(?:expanded|generated|ultimately generated|originally addressed|delivered) "
    r"(?:from|to|address)",
    re.I,
)


class Said(msgspec.Struct, frozen=True):
    """One recipient (None if nobody is named), the text about it, and whether that text is about
    it alone: without, it is what is said of all of them, often a greeting only."""

    recipient: str | None
    text: str
    own: bool = True


def human(text: str) -> str:
    """The text without the returned message below it."""
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = text  # a letter of two in lower case would shift every place after it
    for count, start in enumerate(_STARTS.finditer("\n" + lowered)):
        if count > MAX_LINES:
            break
        at = start.start()
        if _ORIGINAL.match(text, at, at + MAX_LINE):
            # A header block at the very top is a gateway's own; nothing human would be left.
            return text[:at] if text[:at].strip() else text
    return text


def said(text: str, own: frozenset[str], known: tuple[str, ...] = ()) -> list[Said]:
    """own: addresses that are no recipients (whom the bounce is to). known: recipients that a
    header field named already: then others in the text are no recipients."""
    reader = _Reader(own, known)
    for line in text.split("\n")[:MAX_LINES]:
        reader.take(line)
    found = reader.found
    if not found and (told := _MESSAGE_TO.search(text, 0, 20_000)) and told[1].lower() not in own:
        found = {told[1]: []}
    found = found or reader.quoted
    if not found:
        found = {address: [] for address in _by_sentence(text, own)}
    shared = _joined(reader.common)
    out = []
    for address, segments in list(found.items())[:MAX_RECIPIENTS]:
        best = _best(segments)
        out.append(
            Said(address, best or shared, own=bool(best) or _CODE.search(shared) is not None)
        )
    return out


class _Reader:
    """The lines, each given to the recipient it is about; `common` is about all of them."""

    def __init__(self, own: frozenset[str], known: tuple[str, ...]) -> None:
        self.found: dict[str, list[list[str]]] = {address: [] for address in known}
        self.quoted: dict[str, list[list[str]]] = {}
        self.common: list[str] = []
        self._own = own
        self._keys = {address.lower(): address for address in known}
        self._only_known = bool(known)
        self._current: list[str] | None = None
        # Replies of a transcript that stand before the line naming whom they are about.
        self._pending: list[str] = []
        self._talking = False

    def take(self, line: str) -> None:
        line = line[:MAX_LINE]
        stripped = line.strip()
        current = self._current
        if not stripped:
            (self.common if current is None else current).append("")
            return
        if "@" in line and self._opened(line):
            return
        if stripped[0] in "-=_*#" and _SECTION.match(stripped):
            self._current = None
            self._talking = "ranscript" in line
            return
        if stripped[:3] == ">>>" or "alking to " in line:
            # What a command that names no recipient was answered may be said of all of them.
            self._current = current = None
            self._pending = []
        elif (
            self._talking
            and current
            and not current[-1].startswith(">>>")
            and (stripped[:3] == "<<<" or _CODE_LINE.match(stripped))
        ):
            # The next reply is about whoever comes next, if anybody.
            self._current = current = None
        if current is not None:
            current.append(stripped)
            return
        self.common.append(stripped)
        if stripped[:3] == "<<<":
            self._pending.append(stripped)

    def _opened(self, line: str) -> bool:
        opened = _OPENS.match(line)
        if not opened or not _REST.match(opened["rest"]) or _EXPANDED.match(line):
            return False
        address = opened["address"].rstrip(".")
        key = address.lower()
        if key in self._own or (self._only_known and key not in self._keys):
            return False
        quoted = _QUOTED.match(line) is not None and key not in self._keys
        segments = (self.quoted if quoted else self.found).setdefault(
            self._keys.get(key, address), []
        )
        if not quoted:
            self._keys.setdefault(key, address)
        current: list[str] = self._pending
        self._pending = []
        if opened["sent"] or opened["code"]:
            current.append(line.strip())
        elif opened["rest"].strip(" \t:.,;<>"):
            current.append(opened["rest"].strip())
        segments.append(current)
        self._current = None if quoted else current
        return True


def _best(segments: list[list[str]]) -> str:
    """The part with a reply in it and what leads up to it, else the first that says anything."""
    texts = [text for text in map(_joined, segments) if text]
    lead = ""
    for text in texts:
        if _CODE.search(text):
            return f"{lead}\n{text}" if lead.endswith(":") else text
        lead = text
    return texts[0] if texts else ""


def addresses(text: str) -> list[str]:
    """Each "@" is looked at from 64 characters before it: a search for local parts over a long
    text without any would take as many steps for each character."""
    out: list[str] = []
    end = 0
    at = text.find("@")
    while at >= 0 and len(out) < MAX_RECIPIENTS:
        # A domain begins with a letter, a digit or a literal's bracket.
        likely = text[at + 1 : at + 2].isalnum() or text[at + 1 : at + 2] == "["
        found = _ANY.search(text, max(end, at - 66), at + 260) if likely else None
        if found and found.start() <= at < found.end():
            out.append(found[0].rstrip("."))
            end = found.end()
        at = text.find("@", max(end, at + 1))
    return out


def first_address(text: str) -> str | None:
    return next(iter(addresses(text)), None)


def _by_sentence(text: str, own: frozenset[str]) -> list[str]:
    """The first address that stands where a recipient would, else the first at all."""
    text = text[:20_000]
    if "@" not in text:
        return []
    for address in _SENTENCE.findall(text) or addresses(text):
        address = address.rstrip(".")
        if address.lower() not in own:
            return [address]
    return []


def _joined(lines: list[str]) -> str:
    text = "\n".join(lines).strip()
    return text[:MAX_SAID]
