"""Logs of mail servers that are not read, so that one is told instead of an empty report.

Sendmail, OpenSMTPD, qmail, Courier, Haraka, PowerMTA, hMailServer, Exchange's protocol log and its
tracking log as PowerShell exports it, and what sending services deliver as events. Each is known
by a form of line that no log which is read has. Reads nothing else of them.
"""

import re
from collections.abc import Iterable

_LINES = 400
_LONGEST = 4096
_ID = r"[0-9A-Za-z]{12,20}"
_FORMS: tuple[tuple[str, str], ...] = (
    ("Sendmail", rf"(?:^|[ /])(?:sendmail|sm-mta|sm-msp-queue|sm-que)\[\d+\]: (?:\[ID [^\]]{{1,40}}\] )?{_ID}: "),
    ("OpenSMTPD", r"smtpd(?:\[\d+\])?: [0-9a-f]{16} (?:mta|mda|smtp) (?:event=)?[a-z]"),
    ("qmail", r"(?:^|[ \t])(?:starting delivery \d+: msg \d|delivery \d+: (?:success|failure|deferral): )"),
    ("Courier", r"courier(?:esmtp|local|d)?(?:\[\d+\])?: (?:newmsg,)?id=[0-9A-F.]{16,60}"),
    ("Haraka", r"\[(?:DATA|PROTOCOL|DEBUG|INFO|NOTICE|WARN|ERROR|CRIT)\] +\[(?:[0-9A-F]{8}-[0-9A-F-]{27}(?:\.\d+)*|-)\] +\["),
    ("PowerMTA", r"^(?:type,timeLogged,|[dbtrf],\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[+-]\d{4},)"),
    ("hMailServer", r'^"(?:SMTP[CD]|TCPIP|APPLICATION)"\t\d+\t'),
    ("Exchange Server (its SMTP protocol log; MSGTRK*.LOG is read)", r"^#Log-type: SMTP (?:Send|Receive) Protocol Log"),
    ("Exchange Server (as Get-MessageTrackingLog exports it; MSGTRK*.LOG is read)", r'^(?=.*\bEventId\b)(?=.*\bRecipients\b)(?=.*\bMessageSubject\b)"?[A-Z]\w+"?[,;\t]'),
    ("Amazon SES (events)", r'^\{(?=.*"(?:eventType|notificationType)" ?: ?").*"mail" ?: ?\{'),
    ("SendGrid (events)", r'^[\[{].*"sg_(?:event|message)_id" ?: ?"'),
)  # fmt: skip
_KNOWN = tuple((name, re.compile(form)) for name, form in _FORMS)


def relative_of(lines: Iterable[str]) -> str | None:
    """Whose log it is, by the first line that tells."""
    for number, line in enumerate(lines):
        if number >= _LINES:
            break
        for name, form in _KNOWN:
            if form.search(line, 0, _LONGEST):
                return name
    return None
