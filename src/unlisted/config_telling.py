"""Settings of whom to tell: webhooks, notices to the operator's people, who is on duty.

Each check gives the path of a setting and what would be right. Refused: a webhook by plain HTTP that
no allowed network covers, one by a name without a resolver to ask, a secret of the wrong form.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from unlisted.facts import EVENTS, NOTICES

if TYPE_CHECKING:
    from unlisted.config import Config

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MOST_HOOKS = 20
MOST_URLS = 20
Found = Iterator[tuple[tuple[str | int, ...], str]]


class Webhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who is called when something public happens (Standard Webhooks)."""

    url: Annotated[str, Meta(description="where to call, as https://example.org/hook")]
    secret: Annotated[
        str, Meta(description="whsec_ and base64, shared with the receiver; two while it changes")
    ] = ""
    secret_file: Annotated[
        str, Meta(description="file of the secret, mode 0600, relative to this one")
    ] = ""
    events: Annotated[
        tuple[str, ...], Meta(description="what it is told: incident.opened, post.published, …")
    ] = EVENTS
    allow: Annotated[
        tuple[str, ...],
        Meta(description="networks it may be called in though they are private, as 10.1.0.0/16"),
    ] = ()
    ca_file: Annotated[
        str, Meta(description="certificates to trust beside the system's, relative to this file")
    ] = ""


class Notify(msgspec.Struct, frozen=True, kw_only=True):
    """How the operator's people are told. Not by mail over the addresses that may be blocked."""

    urls: Annotated[
        tuple[str, ...], Meta(description="apprise addresses, as ntfys://host/topic")
    ] = ()
    urls_file: Annotated[
        str, Meta(description="file of them, one a line, mode 0600, relative to this one")
    ] = ""
    what: Annotated[
        tuple[str, ...], Meta(description="of what: duty, draft, deadline, episode, feed, …")
    ] = NOTICES


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who can be on duty."""

    name: Annotated[str, Meta(description="the person's name")]
    urls: Annotated[tuple[str, ...], Meta(description="apprise addresses that reach them")] = ()
    urls_file: Annotated[
        str, Meta(description="file of them, one a line, mode 0600, relative to this one")
    ] = ""


class Shift(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the week in which somebody is on duty."""

    person: Annotated[str, Meta(description="a name of [[duty.people]]")]
    days: Annotated[str, Meta(description="days it begins on, as mon-fri or sat,sun")] = "mon-sun"
    begin: Annotated[str, Meta(description="from when, as 08:00")] = "00:00"
    end: Annotated[str, Meta(description="until when; not after `begin`: on the next day")] = (
        "24:00"
    )


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets drafts and calls. Without a shift that covers a moment: all of them."""

    zone: Annotated[str, Meta(description="zone of the shifts' times, as Europe/Berlin")] = "UTC"
    people: Annotated[tuple[Person, ...], Meta(description="who can be on duty")] = ()
    shifts: Annotated[tuple[Shift, ...], Meta(description="who is, and when; every week")] = ()


# ---------------------------------------------------------------- reading values


class Target(msgspec.Struct, frozen=True):
    """Where a webhook is called. `host` as in the URL, without brackets; `path` with its query."""

    secure: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """For the Host field (RFC 9110 section 7.2)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


_URL = re.compile(
    r"(https?)://(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?(/[!-~]*)?"
)


def target(url: str) -> Target | None:
    """The parts of a URL; None: it is not one to call. No name and password, no fragment."""
    found = _URL.fullmatch(url) if len(url) <= 2000 else None
    if found is None or "#" in url:
        return None
    secure = found[1] == "https"
    port = int(found[3] or (443 if secure else 80))
    if not 0 < port < 65536:
        return None
    return Target(secure, found[2].strip("[]"), port, found[4] or "/")


def days(text: str) -> tuple[int, ...] | None:
    """Days of the week as numbers, Monday 0; None: not understood."""
    found: set[int] = set()
    for part in text.lower().replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            return None
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found.update(day % 7 for day in range(begin, end + (7 if end < begin else 0) + 1))
    return tuple(sorted(found))


def minute(text: str) -> int | None:
    """Minutes since midnight of "08:30", up to "24:00"; None: not understood."""
    found = re.fullmatch(r"([01]?[0-9]|2[0-4]):([0-5][0-9])", text)
    made = int(found[1]) * 60 + int(found[2]) if found else 1441
    return made if made <= 1440 else None


def secrets_of(text: str) -> tuple[bytes, ...]:
    """The keys of "whsec_…", one or two. Raises ValueError with what was expected."""
    from base64 import b64decode

    keys = []
    for word in text.split():
        try:
            key = b64decode(word.removeprefix("whsec_"), validate=True)
        except ValueError:
            key = b""
        if not word.startswith("whsec_") or not 24 <= len(key) <= 64:
            raise ValueError("expected whsec_ and the base64 of 24 to 64 bytes")
        keys.append(key)
    if not 1 <= len(keys) <= 2:
        raise ValueError("expected one secret, or two while it is changed")
    return tuple(keys)


# ---------------------------------------------------------------- checks


def check(config: Config) -> Found:
    """All that must hold of these settings."""
    if len(config.webhooks) > MOST_HOOKS:
        yield ("webhooks",), f"{len(config.webhooks)} of them; {MOST_HOOKS} at most"
    for i, hook in enumerate(config.webhooks):
        for name, words in _webhook(hook, config.dns.resolver is not None):
            yield ("webhooks", i, name), words
    for what in config.notify.what:
        if what not in NOTICES:
            yield ("notify", "what"), f'"{what[:40]}": expected some of {", ".join(NOTICES)}'
    yield from _urls(("notify",), config.notify)
    yield from _duty(config.duty)


def _webhook(hook: Webhook, resolver: bool) -> Iterator[tuple[str, str]]:
    found = target(hook.url)
    if found is None:
        yield "url", "expected https://HOST/PATH, without user, password or fragment"
    else:
        try:
            ipaddress.ip_address(found.host)
        except ValueError:
            if not resolver:
                yield "url", f"{found.host} is a name: give its IP address, or set dns.resolver"
        if not found.secure and not hook.allow:
            yield "url", "plain http only into networks that `allow` names; use https"
    if bool(hook.secret) == bool(hook.secret_file):
        yield "secret", "expected one of secret and secret_file"
    elif hook.secret:
        try:
            secrets_of(hook.secret)
        except ValueError as exc:
            yield "secret", str(exc)
    for event in hook.events:
        if event not in EVENTS:
            yield "events", f'"{event[:40]}": expected some of {", ".join(EVENTS)}'
    for text in hook.allow:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            yield "allow", f'"{text[:60]}" is no network, as 10.1.0.0/16'


def _urls(path: tuple[str | int, ...], told: Notify | Person) -> Found:
    if told.urls and told.urls_file:
        yield (*path, "urls"), "expected one of urls and urls_file"
    if len(told.urls) > MOST_URLS:
        yield (*path, "urls"), f"{MOST_URLS} at most"
    for url in told.urls:
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*://\S+", url, re.IGNORECASE) or len(url) > 2000:
            # Not quoted: it holds a password.
            yield (*path, "urls"), "expected addresses as apprise has them, scheme://…"


def _known(zone: str) -> bool:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # a start without shifts does not pay

    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _duty(duty: Duty) -> Found:
    if duty.zone != "UTC" and not _known(duty.zone):
        yield ("duty", "zone"), f'"{duty.zone[:60]}" is no zone that this machine knows'
    names = [one.name for one in duty.people]
    for i, person in enumerate(duty.people):
        if not person.name.strip() or names.count(person.name) > 1:
            yield ("duty", "people", i, "name"), "must be there, and only once"
        if not person.urls and not person.urls_file:
            yield ("duty", "people", i, "urls"), "expected urls or urls_file: how to reach them"
        yield from _urls(("duty", "people", i), person)
    for i, shift in enumerate(duty.shifts):
        path = ("duty", "shifts", i)
        if shift.person not in names:
            yield (*path, "person"), f'there is no "{shift.person[:60]}" in [[duty.people]]'
        if days(shift.days) is None:
            yield (*path, "days"), f'"{shift.days[:60]}": expected days as mon-fri or sat,sun'
        for name, text in (("begin", shift.begin), ("end", shift.end)):
            if minute(text) is None:
                yield (*path, name), f'"{text[:20]}": expected a time of day, as 08:00'
