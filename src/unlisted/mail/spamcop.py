"""SpamCop's reports: plain text, one paragraph about the source, then the offending message.

The form of its "[ SpamCop V5.… ]" mails and of the summary mails it sends to providers. Refuses a
text without SpamCop's mark at the start of a line: people quote such reports.
"""

import re

import msgspec

from unlisted.mail.mimescan import Mail

_MARK = re.compile(r"^[ \t]*\[ ?SpamCop V?[\d.]{1,12}[^\]\n]{0,80}\]", re.M)
_SOURCE = re.compile(
    r"(?:email|message|mail|spam) (?:from|received from|sent from|source:?)[ \t]*"
    r"(?:IP )?\[?([0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f:]{3,40}:[0-9a-f:.]{0,40})\]?",
    re.I,
)
_OFFENDING = re.compile(
    r"^\[ ?(?:offending |spam |original )?(?:message|spam|mail|headers?) ?\][ \t]*\n", re.I | re.M
)
_RECIPIENT = re.compile(
    r"^(?:reported recipient|recipient|x-original-to):[ \t]*<?([^\s<>]+@[^\s<>]+)", re.I | re.M
)
_WEBSITE = re.compile(r"spamvertised|web ?site", re.I)


class Report(msgspec.Struct, frozen=True):
    """kind: a feedback type; headers: the offending message as far as it is quoted."""

    kind: str
    source: str | None
    recipients: tuple[str, ...]
    headers: bytes


def find(mail: Mail) -> Report | None:
    sender = mail.header(b"from").lower()
    subject = mail.header(b"subject")
    hinted = (
        "spamcop" in sender or "spamcop" in subject.lower() or b"x-spamcop-sourceip" in mail.headers
    )
    for part in mail.parts:
        if not part.kind.startswith("text/") or (not hinted and b"SpamCop" not in part.body[:4000]):
            continue
        text = part.text()
        mark = _MARK.search(text[:4000])
        if mark is None and b"x-spamcop-sourceip" not in mail.headers:
            continue
        offending = _OFFENDING.search(text)
        quoted = text[offending.end() :].lstrip("\n") if offending else ""
        about = text[: offending.start()] if offending else text[:4000]
        source = _SOURCE.search(about) or _SOURCE.search(subject)
        named = mail.header(b"x-spamcop-sourceip").strip("[] ")
        kind = "other" if source is None and _WEBSITE.search(about) else "abuse"
        return Report(
            kind=kind,
            source=(named or (source[1] if source else None) or None),
            recipients=tuple(dict.fromkeys(_RECIPIENT.findall(about)))[:50],
            headers=quoted.encode("utf-8", "replace"),
        )
    return None
