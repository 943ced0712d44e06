"""A delivery status notification for failed recipients (RFC 3464, RFC 6522, RFC 3834)."""

from __future__ import annotations

from unlisted_sandbox.feedback import header_block, mail_date
from unlisted_sandbox.replies import Reply

Failed = tuple[tuple[str, Reply], ...]


def notice(
    *, host: str, domain: str, to: str, failed: Failed, original: bytes, at: float, number: str
) -> bytes:
    """The whole message; the original's header block is enclosed, not its body."""
    boundary = f"dsn-{number}"
    lines = [
        f"From: Mail Delivery System <MAILER-DAEMON@{domain}>",
        f"To: <{to}>",
        f"Date: {mail_date(at)}",
        f"Message-ID: <dsn.{number}@{host}>",
        "Subject: Undelivered Mail Returned to Sender",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=delivery-status;",
        f' boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        f"This is the mail system at {host}.",
        "Your message could not be delivered to the recipients below.",
        "",
    ]
    lines += [f"<{name}>: {reply.code} {reply.text}" for name, reply in failed]
    lines += ["", f"--{boundary}", "Content-Type: message/delivery-status", ""]
    lines += [f"Reporting-MTA: dns; {host}", ""]
    for name, reply in failed:
        head = reply.text.split(" ", 1)[0]
        parts = head.split(".")
        coded = len(parts) == 3 and all(p.isdigit() for p in parts)
        status = head if coded else f"{reply.code // 100}.0.0"
        lines += [
            f"Final-Recipient: rfc822; {name}",
            "Action: failed",
            f"Status: {status}",
            f"Diagnostic-Code: smtp; {reply.code} {reply.text}",
            "",
        ]
    lines += [f"--{boundary}", "Content-Type: text/rfc822-headers", ""]
    return (
        "\r\n".join(lines).encode("ascii", "replace")
        + b"\r\n"
        + header_block(original)
        + f"\r\n--{boundary}--\r\n".encode()
    )
