"""The remote site behind a relay's name: its organisation's domain, by the shape of the name.

A provider's many MX hosts refuse together, so they count as one receiver. No public-suffix list is
asked: the usual second levels under a country's domain are known, all else has two labels.
Refuses addresses and single words: then the recipient's domain is the receiver.
"""

import re

# Second levels that are no organisation's own name, below a two-letter domain.
_SECOND = frozenset(
    [
        "ac",
        "asn",
        "co",
        "com",
        "edu",
        "firm",
        "gen",
        "go",
        "gob",
        "gouv",
        "gov",
        "govt",
        "gv",
        "id",
        "idf",
        "ind",
        "info",
        "k12",
        "ltd",
        "me",
        "mil",
        "ne",
        "net",
        "nhs",
        "nic",
        "nom",
        "or",
        "org",
        "plc",
        "police",
        "res",
        "sch",
        "school",
        "web",
    ]
)
_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+")
_NUMBERS = re.compile(r"[\d.]+")


def site_of(relay: str | None) -> str | None:
    """`mx03.et.icloud.com` is icloud.com; None where a name does not tell."""
    name = (relay or "").strip(" []").rstrip(".").lower()
    if len(name) > 253 or not _NAME.fullmatch(name) or _NUMBERS.fullmatch(name):
        return None
    labels = name.split(".")
    if len(labels) > 2 and len(labels[-1]) == 2 and labels[-2] in _SECOND:
        return ".".join(labels[-3:])
    return ".".join(labels[-2:])


def receiver_of(relay: str | None, recipient: str) -> str:
    """The site of the relay, else the recipient's domain."""
    return site_of(relay) or recipient.rpartition("@")[2].strip(">. ").lower()[:253] or "unknown"
