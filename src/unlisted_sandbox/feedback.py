"""A feedback report about one mail (RFC 5965): what a recipient's site sends to an abuse mailbox.

Built as the large sites build it: a sentence for people, the machine part, the original's full
header block. The recipient is left out, as most sites do; the message is known by its headers.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime


def mail_date(at: float) -> str:
    return format_datetime(datetime.fromtimestamp(at, UTC))


def header_block(original: bytes) -> bytes:
    """Everything before the first empty line, with its last line ending."""
    head, _, _ = original.partition(b"\r\n\r\n")
    return head + b"\r\n"


def feedback_report(
    *,
    site: str,
    to: str,
    at: float,
    arrived: float,
    source: str,
    reverse_path: str,
    original: bytes,
    report_id: str,
) -> bytes:
    """The report as a message."""
    boundary = f"fbl-{report_id}"
    head = [
        f"From: <feedback@{site}>",
        f"To: <{to}>",
        f"Date: {mail_date(at)}",
        f"Message-ID: <fbl.{report_id}@{site}>",
        "Subject: Abuse report",
        "MIME-Version: 1.0",
        "Content-Type: multipart/report; report-type=feedback-report;",
        f' boundary="{boundary}"',
        "",
        f"--{boundary}",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        "This is an email abuse report for a message received from",
        f"{source} on {mail_date(arrived)}.",
        "",
        f"--{boundary}",
        "Content-Type: message/feedback-report",
        "",
        "Feedback-Type: abuse",
        "User-Agent: MailDesk-FBL/2.4",
        "Version: 1",
        f"Original-Mail-From: <{reverse_path}>",
        f"Arrival-Date: {mail_date(arrived)}",
        f"Source-IP: {source}",
        f"Reporting-MTA: dns; {site}",
        "",
        f"--{boundary}",
        "Content-Type: text/rfc822-headers",
        "",
    ]
    return (
        "\r\n".join(head).encode("ascii", "replace")
        + b"\r\n"
        + header_block(original)
        + f"\r\n--{boundary}--\r\n".encode()
    )
