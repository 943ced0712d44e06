"""What an incident is called, how it moves, and what it tells (names of Microsoft Graph's health).

One table of states; everything else raises. Title, scope, details, classification, severity and
origin follow from what is measured at the widest extent so far; each can be revised by a person,
and then stands. Texts say what users see, never who sent what, nor an address of ours.
"""

from __future__ import annotations

import msgspec

from unlisted.facts import Figure, Policy
from unlisted.health.figures import counted

TRANSITIONS = {
    ("", "serviceDegradation"),
    ("serviceDegradation", "restoringService"),
    ("serviceDegradation", "extendedRecovery"),
    ("restoringService", "serviceDegradation"),
    ("restoringService", "extendedRecovery"),
    ("extendedRecovery", "serviceDegradation"),
    ("extendedRecovery", "restoringService"),
    ("serviceDegradation", "serviceRestored"),
    ("restoringService", "serviceRestored"),
    ("extendedRecovery", "serviceRestored"),
}
TITLE = "Some messages are delayed because other providers refuse one of our sending addresses"
# Field of a revision → its label in a post; None: not a text.
FIELDS: dict[str, str | None] = {
    "title": "Title",
    "impact": "User impact",
    "info": "More info",
    "scope": "Scope of impact",
    "start": None,
    "end": None,
    "classification": None,
    "severity": None,
    "origin": None,
}
CHOICES = {
    "classification": ("advisory", "incident"),
    "severity": ("low", "medium", "high"),
    "origin": ("not known", "ours", "third party"),
}
# Graph's: microsoft is the provider, and there is no word for what is not known.
ORIGINS = {"not known": "microsoft", "ours": "microsoft", "third party": "thirdParty"}


class IncidentError(ValueError):
    """A transition that the table does not have."""


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """The widest that was measured. `refused`: lower end of the refused share's interval;
    `listed`: a list names an address; `named`: somebody here caused it; `elsewhere`: all evidence says
    that nobody here did."""

    addresses: int
    blocked: int = 0
    refused: float = 0.0
    waiting: int = 0
    listed: bool = False
    named: bool = False
    elsewhere: bool = False


def widened(known: Extent, blocked: int, figures: tuple[Figure, ...], *, listed: bool) -> Extent:
    """With what is measured now: it only grows, so that what was told is not taken back."""
    by_name = {figure.name: figure for figure in figures}
    refused, waiting = by_name["refused_share"].low, by_name["waiting"].value
    return msgspec.structs.replace(
        known,
        blocked=max(known.blocked, blocked),
        refused=max(known.refused, refused or 0.0),
        waiting=max(known.waiting, int(waiting or 0)),
        listed=known.listed or listed,
    )


def moved(old: str, new: str) -> str:
    """The new state. Raises IncidentError naming both."""
    if old != new and (old, new) not in TRANSITIONS:
        raise IncidentError(f"no transition from {old or 'none'} to {new}")
    return new


def derived(extent: Extent, policy: Policy) -> dict[str, str]:
    """What the incident tells of itself, as measured."""
    many = _many(extent)
    classification, severity = classified(extent, policy)
    asked = "receivers that ask a blocklist" if extent.listed else "some receivers"
    return {
        "title": TITLE.replace("one of our sending addresses", f"{many} of our sending addresses"),
        "scope": f"Mail that leaves by {many} of our sending addresses, to {asked}.",
        "info": "A blocklist names our addresses; receivers that ask it refuse them."
        if extent.listed
        else "Receivers refuse our addresses without naming a blocklist.",
        "classification": classification,
        "severity": severity,
        "origin": "ours" if extent.named else "third party" if extent.elsewhere else "not known",
    }


def _many(extent: Extent) -> str:
    if extent.blocked <= 1:
        return "one"
    return "all" if extent.blocked >= extent.addresses else "several"


def classified(extent: Extent, policy: Policy) -> tuple[str, str]:
    """(classification, severity): an incident when one measure reaches its threshold; an advisory
    is medium from half a threshold on."""
    blocked = extent.blocked / extent.addresses if extent.addresses else 0.0
    reached = max(
        blocked / policy.incident_blocked_share,
        extent.refused / policy.incident_refused_share,
        extent.waiting / policy.incident_waiting,
    )
    if reached >= 1.0:
        return "incident", "high"
    return "advisory", "medium" if reached >= 0.5 else "low"


def measured(extent: Extent) -> str:
    """The measures in words, as the reason of a revision."""
    return (
        f"measured at most: {extent.blocked} of {counted(extent.addresses, 'sending addresses')} blocked, "
        f"{extent.refused:.1%} of an hour's attempts refused at least, {extent.waiting} waiting"
    )
