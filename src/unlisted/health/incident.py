"""What an incident is called and how it moves (names of Microsoft Graph's service health).

One table of states; everything else raises. Titles and impact say what users see, never who sent
what, nor an address of ours.
"""

from __future__ import annotations

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
INCIDENT_SHARE = 0.5  # of a platform's addresses blocked: an incident, below it an advisory


class IncidentError(ValueError):
    """A transition that the table does not have."""


def moved(old: str, new: str) -> str:
    """The new state. Raises IncidentError naming both."""
    if old != new and (old, new) not in TRANSITIONS:
        raise IncidentError(f"no transition from {old or 'none'} to {new}")
    return new


def classified(blocked: int, addresses: int) -> tuple[str, str]:
    """(classification, severity) by the measured share of addresses that are blocked."""
    share = blocked / addresses if addresses else 0.0
    if share >= INCIDENT_SHARE:
        return "incident", "high"
    return "advisory", "medium" if share >= INCIDENT_SHARE / 2 else "low"
