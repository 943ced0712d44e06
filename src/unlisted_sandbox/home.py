"""The tenants' own mailboxes, where notices of failed mail arrive, and what people do then.

Pure but for nothing: a notice is read (RFC 3464 in multipart/report, RFC 6522) for the recipients it
reports as failed and for the token of the message it is about. Refuses nothing; a message that is
no notice is mail to a tenant and only counted.
"""

from __future__ import annotations

import email
import email.policy
import re

from msgspec import Struct

from unlisted_sandbox.replies import Reply, Said, say

_RECIPIENT = re.compile(
    rb"(?im)^(?:Final|Original)-Recipient:\s*[a-z0-9]+\s*;\s*<?([^\s<>]+@[^\s<>]+)>?"
)
_ACTION = re.compile(rb"(?im)^Action:\s*(\w+)")
_MESSAGE_ID = re.compile(rb"(?im)^Message-ID:\s*(<[^>\r\n]+>)")


class Notice(Struct, frozen=True):
    """What a delivery status notification says."""

    failed: tuple[str, ...]
    delayed: tuple[str, ...]
    message_ids: tuple[str, ...]  # found in what it encloses of the original


def read_notice(content: bytes) -> Notice | None:
    """None when the message is no notice."""
    head = content.partition(b"\r\n\r\n")[0].lower()
    if b"multipart/report" not in head or b"delivery-status" not in head:
        return None
    message = email.message_from_bytes(content, policy=email.policy.compat32)
    if message.get_content_type() != "multipart/report" or not message.is_multipart():
        return None
    failed: list[str] = []
    delayed: list[str] = []
    ids: list[str] = []
    for part in message.get_payload():
        if not isinstance(part, email.message.Message):
            continue
        kind = part.get_content_type()
        raw = part.as_bytes()
        body = raw.partition(b"\n\n")[2]
        if kind == "message/delivery-status":
            for group in re.split(rb"\r?\n\r?\n", body):
                action = _ACTION.search(group)
                names = [x.decode("utf-8", "replace").lower() for x in _RECIPIENT.findall(group)]
                if action and names:
                    where = failed if action[1].lower() == b"failed" else delayed
                    where.append(names[0])
        elif kind in ("message/rfc822", "text/rfc822-headers"):
            found = _MESSAGE_ID.search(body)
            if found:
                ids.append(found[1].decode("utf-8", "replace"))
    return Notice(tuple(dict.fromkeys(failed)), tuple(dict.fromkeys(delayed)), tuple(ids))


def message_id(content: bytes) -> str:
    """Of a message's own header block; empty when it has none."""
    found = _MESSAGE_ID.search(content.partition(b"\r\n\r\n")[0])
    return found[1].decode("utf-8", "replace") if found else ""


class HomeVisit:
    """One session at the tenants' mail server: it takes everything."""

    logins = False

    def __init__(self) -> None:
        self._recipients: list[str] = []
        self._content = b""

    def greeting(self, now: float) -> Said:
        return say(220, "home ESMTP")

    def ehlo(self, helo: str, now: float) -> Said:
        return say(250, "home", "PIPELINING", "8BITMIME", "SIZE 52428800")

    def auth(self, login: str, password: str, now: float) -> Said:
        return say(502, "5.5.1 Command not implemented")

    def mail(self, reverse_path: str, now: float) -> Said:
        self._recipients = []
        return say(250, "2.1.0 Ok")

    def rcpt(self, recipient: str, now: float) -> Said:
        self._recipients.append(recipient.strip().lower())
        return say(250, "2.1.5 Ok")

    def data(self, content: bytes, now: float) -> Said:
        self._content = content
        return Said(Reply(250, ("2.0.0 Ok",)), keep=True)

    def taken(self) -> tuple[bytes, tuple[str, ...]]:
        return self._content, tuple(self._recipients)
