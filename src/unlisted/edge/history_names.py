"""The remote site of an attempt by its relay's name, as the history and the watch count it."""

from __future__ import annotations

from unlisted.edge.routes import organisation


def site_of(relay: str | None) -> str:
    """The organisation of a mail host as logged ("mx1.example.net[192.0.2.1]:25"); "": no site."""
    host = (relay or "").partition("[")[0].strip().lower().rstrip(".")
    if not host or host in ("none", "local", "unknown") or host.replace(".", "").isdigit():
        return ""
    return organisation(host) if ":" not in host else ""
