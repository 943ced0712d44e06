"""Non-delivery reports (RFC 3464 in the multipart/report of RFC 6522; RFC 3834 for the header).

The human part says in plain words whose fault it is: an address that is wrong, a message that
was refused, or a block that is nobody's among its readers and needs no re-sending. Deterministic:
the boundary is derived from the id, the dates come in. Diagnostic texts are a stranger's: they
are folded to one printable line and can add no header and no part. The caller sends it with the
null reverse-path and never in answer to one (RFC 5321 section 6.1).
"""

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal

import msgspec

MAX_FIELD = 900
MAX_RECIPIENTS = 200
MAX_ORIGINAL = 32 * 1024

Cause = Literal["address", "message", "blocked", "expired", "policy", "unknown"]


class FailedRecipient(msgspec.Struct, frozen=True):
    """One recipient group (RFC 3464 section 2.3). cause picks the words for people."""

    address: str
    action: Literal["failed", "delayed"]
    status: str
    diagnostic: str
    remote_mta: str | None
    last_attempt: float
    cause: Cause = "unknown"


class NDR(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    at: float
    reporting_mta: str
    to: str
    original_headers: bytes
    arrival: float
    recipients: list[FailedRecipient]
    explanation: str
    postmaster: str
    link: str | None = None


_WORDS: dict[Cause, str] = {
    "address": (
        "The address does not exist or takes no mail. Please check it for a typing error; sending "
        "to the same address again will fail again."
    ),
    "message": (
        "The receiving site refused this message for what is in it. Sending the same text again "
        "will fail again."
    ),
    "blocked": (
        "The address is not wrong, and as far as we know neither is your message: the receiving "
        "site refuses our mail servers at the moment. You need not re-send: your administrators "
        "see the block, and mail it held back is sent again from here where that is possible."
    ),
    "expired": (
        "The receiving site could not be reached, or kept asking us to wait, until the time we "
        "keep trying was over. The address may be right; you can send the message again later."
    ),
    "policy": (
        "The receiving site does not take this mail from you by a rule of its own. Ask the "
        "recipient, by another way, to have it allowed."
    ),
    "unknown": "The receiving site gave the answer below and no reason we can explain better.",
}
_STILL_TRYING = "Nothing is lost: we keep trying and tell you if it cannot be delivered in the end."


def render_ndr(ndr: NDR) -> bytes:
    """The report as bytes with CRLF line ends, header and three parts."""
    boundary = (
        "=_ndr_" + hashlib.sha256(b"ndr\0" + ndr.id.encode("utf-8", "replace")).hexdigest()[:32]
    )
    recipients = ndr.recipients[:MAX_RECIPIENTS]
    delayed = bool(recipients) and all(r.action == "delayed" for r in recipients)
    subject = "Delivery delayed: still trying" if delayed else _subject(recipients)
    mta = one_line(ndr.reporting_mta, 255)
    head = [
        f"From: Mail Delivery System <{ascii_form(one_line(ndr.postmaster, 320))}>",
        f"To: <{ascii_form(one_line(ndr.to, 320))}>",
        f"Subject: {subject}",
        f"Date: {date_field(ndr.at)}",
        f"Message-ID: <{token(ndr.id)}.ndr@{token(mta)}>",
        "Auto-Submitted: auto-replied",  # RFC 3834 section 5.1.5
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status;",
        f'\tboundary="{boundary}"',
        "",
        "This is a delivery report in MIME format (RFC 3464).",
        "",
    ]
    human = _human(ndr, recipients, delayed)
    status = _status(ndr, recipients, mta)
    original = _original(ndr.original_headers)
    body: list[str] = [
        f"--{boundary}",
        "Content-Description: Notification",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        *human,
        "",
        f"--{boundary}",
        "Content-Description: Delivery report",
        "Content-Type: message/delivery-status",
        "",
        *status,
        "",
        f"--{boundary}",
        "Content-Description: Headers of the message",
        "Content-Type: text/rfc822-headers; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
        *original,
        "",
        f"--{boundary}--",
        "",
    ]
    return "\r\n".join(head + body).encode("utf-8", "replace")


def _subject(recipients: list[FailedRecipient]) -> str:
    causes = {r.cause for r in recipients}
    if causes == {"blocked"}:
        return "Not delivered: the other site blocks our servers"
    if causes == {"address"}:
        return "Not delivered: no such address"
    return "Not delivered"


def _human(ndr: NDR, recipients: list[FailedRecipient], delayed: bool) -> list[str]:
    out = [
        "Your message could not be delivered yet to:"
        if delayed
        else "Your message could not be delivered to:",
        "",
    ]
    seen: list[Cause] = []
    for recipient in recipients:
        out += wrap(one_line(recipient.address, 320), indent="    ")
        if recipient.cause not in seen:
            seen.append(recipient.cause)
    more = len(ndr.recipients) - len(recipients)
    if more > 0:
        out.append(f"    and {more} more")
    out.append("")
    for cause in seen:
        if len(seen) > 1:
            # Which words are for whom, when one report holds several causes.
            whom = [one_line(r.address, 320) for r in recipients if r.cause == cause]
            shown = ", ".join(whom[:5]) + (f" and {len(whom) - 5} more" if len(whom) > 5 else "")
            out += wrap(f"{shown}:")
        out += wrap(_WORDS[cause])
        out.append("")
    if delayed:
        out += [*wrap(_STILL_TRYING), ""]
    if ndr.explanation.strip():
        out += [*wrap(one_line(ndr.explanation, 2000)), ""]
    if ndr.link:
        out += [
            *wrap(f"What became of it, and how to have it sent again: {one_line(ndr.link, 500)}"),
            "",
        ]
    name = one_line(ndr.id, 100)
    out += [*wrap(f"Questions: {one_line(ndr.postmaster, 320)} (please name {name})"), ""]
    out.append("For administrators: what the other side answered")
    for recipient in recipients:
        where = f" ({one_line(recipient.remote_mta, 255)})" if recipient.remote_mta else ""
        out += wrap(f"{one_line(recipient.address, 320)}{where}:", indent="    ")
        out += wrap(one_line(recipient.diagnostic, MAX_FIELD) or "no text", indent="        ")
    return out


def _status(ndr: NDR, recipients: list[FailedRecipient], mta: str) -> list[str]:
    out = [f"Reporting-MTA: dns; {ascii_form(mta)}", f"Arrival-Date: {date_field(ndr.arrival)}"]
    for recipient in recipients:
        address = one_line(recipient.address, 320)
        # RFC 6533 section 3: an address beyond ASCII is of type utf-8, in its 7-bit form.
        kind = "rfc822" if address.isascii() else "utf-8"
        out += [
            "",
            f"Final-Recipient: {kind}; {ascii_form(address)}",
            f"Action: {recipient.action}",
            f"Status: {_status_code(recipient)}",
        ]
        if recipient.remote_mta:
            out.append(f"Remote-MTA: dns; {ascii_form(one_line(recipient.remote_mta, 255))}")
        diagnostic = ascii_form(one_line(recipient.diagnostic, MAX_FIELD))
        if diagnostic:
            out += _fold(f"Diagnostic-Code: smtp; {diagnostic}")
        out.append(f"Last-Attempt-Date: {date_field(recipient.last_attempt)}")
    return out


def _status_code(recipient: FailedRecipient) -> str:
    fields = recipient.status.split(".")
    if (
        len(fields) == 3
        and fields[0] in ("4", "5")
        and all(f.isascii() and f.isdigit() and len(f) <= 3 for f in fields)
    ):
        return recipient.status
    return "4.0.0" if recipient.action == "delayed" else "5.0.0"


def _original(headers: bytes) -> list[str]:
    """The header block only, with our line ends; a boundary of ours inside it cannot match, for
    it would have to know the id."""
    text = headers[:MAX_ORIGINAL].decode("utf-8", "replace").replace("\r\n", "\n")
    out: list[str] = []
    for line in text.replace("\r", "\n").split("\n"):
        if not line.strip():
            # The first empty line ends a header block: no body is given back.
            break
        clean = "".join(c if c == "\t" or c.isprintable() else "?" for c in line)
        clean = clean.encode("utf-8", "replace")[:MAX_FIELD].decode("utf-8", "ignore")
        if line[0] in " \t":
            out.append("\t" + clean.lstrip())
        else:
            # RFC 2046 section 5.1.1: only a line that begins with "--" could be a delimiter.
            out.append("- " + clean if clean.startswith("--") else clean)
    return out


def one_line(text: str, limit: int) -> str:
    """One printable line: what a stranger wrote may not break out of its field."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: limit * 2]).split())[
        :limit
    ]


def ascii_form(text: str) -> str:
    r"""The 7-bit form of RFC 6533 section 3 for what is beyond ASCII: \x{HEX}."""
    if not text.isascii():
        text = "".join(c if c.isascii() else f"\\x{{{ord(c):X}}}" for c in text)
    return text[:MAX_FIELD]


def token(text: str) -> str:
    """What may stand in a Message-ID."""
    return "".join(c if c.isascii() and (c.isalnum() or c in ".-_") else "-" for c in text)[:200]


def date_field(at: float) -> str:
    """A time as a header field has it; one that no calendar knows is the epoch."""
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        moment = datetime.fromtimestamp(0, UTC)
    return format_datetime(moment)


def wrap(text: str, indent: str = "", width: int = 74) -> list[str]:
    """Words in lines of at most `width`; a longer word stays whole unless SMTP cannot carry it."""
    out: list[str] = []
    line = ""
    for word in text.split():
        while len(word) > 240:  # 998 octets a line (RFC 5322 section 2.1.1), 4 octets a character
            if line:
                out.append(indent + line)
                line = ""
            out.append(indent + word[:240])
            word = word[240:]
        if line and len(indent) + len(line) + 1 + len(word) > width:
            out.append(indent + line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    if line:
        out.append(indent + line)
    return out


def _fold(text: str) -> list[str]:
    first, *rest = wrap(text, width=76) or [""]
    return [first, *("\t" + line for line in rest)]
