"""How times, spans, states and conditions are said to a person. Every time with its zone."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

STATES = {
    "due": "waits for its next try",
    "wait": "waits",
    "held": "is held",
    "out": "is being sent",
    "booked": "bounced; kept for a re-send",
}

# What an episode was opened on.
BASIS = {
    "reply+dns": "a refusal, and the list's own answer",
    "dns": "the list's own answer, asked because another address of the pool is on it",
    "shift": "its replies shifted, its neighbours' did not",
    "replies": "the words of several refusals; no list was asked",
}

# What holds of a bounced letter that may be sent again, or what became of it.
LEFT_OUT = {
    "now": "goes now",
    "its path rests": "goes when its path accepts again",
    "nobody switched it on": "waits for a person to switch it on",
    "culprit": "its sender or campaign is named as a cause",
    "doubtful": "its verdict is not clean",
    "unknown outcome": "no answer came to its last attempt: the receiver may have it",
    "copy": "a copy sent by hand is on its way",
    "too old": "older than 72 h",
    "sent again": "sent again and delivered",
    "sent by hand": "its sender's own copy was delivered",
    "bounced again": "sent again and bounced for good",
    "not kept": "we have no copy of it",
}


@lru_cache(maxsize=16384)  # an API tells the same times again and again
def iso(at: float | None) -> str | None:
    """ISO 8601, UTC, to the microsecond; None stays None."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def clock(at: float, *, seconds: bool = True) -> str:
    """As people read it: 2026-11-23 13:55:07 UTC."""
    form = "%Y-%m-%d %H:%M:%S UTC" if seconds else "%Y-%m-%d %H:%M UTC"
    return datetime.fromtimestamp(at, UTC).strftime(form)


def span(seconds: float) -> str:
    """A duration in its two largest units: 2 h 13 min."""
    left = max(0, round(seconds))
    if left < 60:
        return f"{left} s"
    units = (("d", 86400), ("h", 3600), ("min", 60))
    said: list[str] = []
    for i, (name, size) in enumerate(units):
        if left >= size:
            said.append(f"{left // size} {name}")
            left %= size
            if i + 1 < len(units) and left >= units[i + 1][1]:
                said.append(f"{left // units[i + 1][1]} {units[i + 1][0]}")
            break
    return " ".join(said)


def condition(waits_for: str) -> str:
    """A queue row's condition in words."""
    kind, _, rest = waits_for.partition(":")
    address, _, receiver = rest.partition("|")
    match kind:
        case "path":
            return f"until {receiver} takes mail from {address} again"
        case "hold":
            return f"until hold {rest} ends"
        case "rule":
            return f"until rule {rest} is retired"
        case "campaign":
            at, _, site = receiver.partition("|")
            return f"until near-duplicates are answered, or {site} takes mail from {at} again"
        case "sender":
            return "until its sender, a probable cause, is cleared or named"
        case "suspicion":
            return f"until it is known whether {receiver} blocks {address}"
        case "book":
            return f"for a re-send, should {receiver} prove to have blocked {address}"
        case "pool":
            return "until a pool is configured"
        case "":
            return ""
    return f"for {waits_for}"
