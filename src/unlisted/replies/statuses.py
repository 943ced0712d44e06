"""What a status (RFC 3463) or a reply code tells of the reason where the words say nothing.

In Sisimai's names. Refuses x.0.0 and what no standard knows: those say nothing.
"""

# RFC 3463, RFC 7505, RFC 7372 in Sisimai's names; a key with its class before one without, the
# exact before the subject's. Missing on purpose: x.0.0, 4.3.0, 4.5.0, which say nothing.
_STATUS = {
    "1.0": "userunknown", "1.1": "userunknown", "1.2": "hostunknown", "1.3": "userunknown",
    "1.4": "filtered", "1.5": "delivered", "1.6": "hasmoved", "1.7": "rejected", "1.8": "rejected",
    "1.9": "systemerror", "1.10": "notaccept",
    "2.0": "filtered", "2.1": "suspend", "4.2.1": "blocked", "2.2": "mailboxfull",
    "2.3": "exceedlimit", "2.4": "filtered",
    "5.3.0": "systemerror", "3.1": "systemfull", "3.2": "notaccept", "3.3": "systemerror",
    "3.4": "mesgtoobig", "3.5": "systemerror",
    "4": "networkerror", "4.1": "expired", "4.3": "systemerror", "4.4.4": "networkerror",
    "4.4": "hostunknown", "4.5": "systemfull", "4.7": "expired",
    "5.1": "syntaxerror", "5.2": "syntaxerror", "4.5.3": "systemerror", "5.3": "toomanyconn",
    "5.4": "systemerror", "5.5": "systemerror", "5.6": "syntaxerror",
    "6": "contenterror",
    "7": "securityerror", "4.7.1": "blocked", "4.7.2": "blocked", "7.13": "suspend",
    "7.16": "mesgtoobig", "7.17": "hasmoved", "7.18": "hasmoved", "7.20": "authfailure",
    "7.21": "authfailure", "7.22": "authfailure", "7.23": "authfailure", "7.24": "authfailure",
    "7.25": "requireptr", "7.26": "authfailure", "7.27": "notaccept", "7.28": "spamdetected",
    "7.29": "authfailure", "7.30": "failedstarttls",
}  # fmt: skip
# RFC 7504 (521, 556), RFC 5248 (523 to 525, 538).
CODES = {
    521: "notaccept", 556: "notaccept", 525: "suspend",
    523: "failedstarttls", 524: "failedstarttls", 538: "failedstarttls",
}  # fmt: skip


def by_status(status: str | None) -> str | None:
    """The reason a status alone tells; None for x.0.0 and what RFC 3463 does not know."""
    if not status:
        return None
    subject, _, detail = status[2:].partition(".")
    exact = _STATUS.get(status) if status[0] == "4" or status == "5.3.0" else None
    return exact or _STATUS.get(f"{subject}.{detail}") or _STATUS.get(subject)
