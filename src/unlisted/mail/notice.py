"""A notice to a sender (RFC 5322): which of its letters a block kept from whom, to send again.

For mail that nobody kept: all that can be done is to say exactly which. Marked as written by a machine
(RFC 3834 section 5), so that nothing answers it; to be sent with the null reverse-path. Deterministic;
a stranger's text in it is folded to one printable line and can add no header.
"""

from collections.abc import Sequence

import msgspec

from unlisted.mail.dsn import ascii_form, date_field, one_line, token, wrap

MAX_LETTERS = 2000


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """One letter to one recipient that was refused for the block. `name`: its Message-ID, else the
    queue's name of it; `said`: what the receiver answered."""

    at: float
    name: str
    recipient: str
    said: str
    maybe: bool = False


class NoticeMail(msgspec.Struct, frozen=True, kw_only=True):
    """All of one sender's. `id`: of the notice, unique at this site."""

    id: str
    at: float
    site: str
    postmaster: str
    to: str
    letters: Sequence[Lost]


def render_notice(notice: NoticeMail) -> bytes:
    """The notice as bytes with CRLF line ends."""
    site = one_line(notice.site, 255)
    count = len(notice.letters)
    subject = f"{count} of your messages not delivered" if count > 1 else "A message not delivered"
    head = [
        f"From: Mail Delivery System <{ascii_form(one_line(notice.postmaster, 320))}>",
        f"To: <{ascii_form(one_line(notice.to, 320))}>",
        f"Subject: {subject}: please send again",
        f"Date: {date_field(notice.at)}",
        f"Message-ID: <{token(notice.id)}.notice@{token(site)}>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "",
    ]
    body = [
        *wrap(
            "The messages below did not reach the recipients named. The receiving sites refused "
            "our mail servers, not you and not what you wrote. We do not keep copies of your "
            "mail: please send these again, and only to these recipients; everybody else has "
            "them. What you have sent again since you can leave out."
        ),
        "",
    ]
    for one in notice.letters[:MAX_LETTERS]:
        doubt = " (may have been refused for another reason)" if one.maybe else ""
        body += [
            *wrap(f"{date_field(one.at)}, to {one_line(one.recipient, 320)}{doubt}"),
            *wrap(f"message {one_line(one.name, 500)}", indent="    "),
            *wrap(f"answer: {one_line(one.said, 400)}", indent="    "),
        ]
    if count > MAX_LETTERS:
        body.append(f"and {count - MAX_LETTERS} more")
    body += ["", *wrap(f"Questions: {one_line(notice.postmaster, 320)}"), ""]
    return "\r\n".join([*head, *body]).encode("utf-8", "replace")
