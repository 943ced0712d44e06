"""Whom to tell, as configured: webhooks with their secrets, the board of the operator's people.

Files of secrets are refused when others may read them. A webhook is known by a keyed hash of its
address and secret: what stands in facts, logs and pages names neither, and a webhook that was ended
is another one with another secret.
"""

from __future__ import annotations

import hmac
import ipaddress
import os

import msgspec

from unlisted.apps.settings import Settings
from unlisted.config_file import ConfigError, Problem
from unlisted.config_telling import Notify, Person, Webhook, days, minute, secrets_of, target
from unlisted.edge.notice_board import Board
from unlisted.edge.people import derived
from unlisted.edge.rota import Rota, Shift
from unlisted.edge.webhook import Hook
from unlisted.facts import Subscription

MAX_FILE = 64 << 10


class Telling(msgspec.Struct, frozen=True):
    """What the relay carries out, and what the stations know of it."""

    hooks: tuple[Hook, ...] = ()
    subscriptions: tuple[Subscription, ...] = ()
    board: Board | None = None
    notices: tuple[str, ...] = ()


NOBODY = Telling()


def read_telling(settings: Settings, secret: bytes) -> Telling:
    """Whom to tell. Raises ConfigError with every file that cannot be used."""
    reading = _Reading(settings)
    key = derived(secret, "webhooks")
    hooks: list[Hook] = []
    subscriptions: list[Subscription] = []
    for i, one in enumerate(settings.config.webhooks):
        hook = reading.hook(one, f"webhooks[{i}]", key)
        if hook is not None and all(hook.name != other.name for other in hooks):
            hooks.append(hook)
            subscriptions.append(Subscription(hook=hook.name, events=tuple(sorted(one.events))))
    board = reading.board()
    if reading.problems:
        raise ConfigError(str(settings.file), reading.problems)
    what = tuple(sorted(settings.config.notify.what)) if board is not None else ()
    return Telling(tuple(hooks), tuple(subscriptions), board, what)


class _Reading:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.problems: list[Problem] = []

    def hook(self, one: Webhook, where: str, key: bytes) -> Hook | None:
        text = self._file(one.secret_file, f"{where}.secret_file") or one.secret
        try:
            keys = secrets_of(text)
        except ValueError as exc:
            self._problem(f"{where}.secret_file", str(exc))
            return None
        found = target(one.url)
        assert found is not None  # config.parse refused everything else
        ca_file = self.settings.beside(one.ca_file) if one.ca_file else None
        if ca_file is not None and not ca_file.is_file():
            self._problem(f"{where}.ca_file", f"there is no file {ca_file}")
        words = "\0".join([one.url, *text.split()[:1]]).encode()
        name = "h" + hmac.digest(key, words, "sha256").hex()[:12]
        allow = tuple(ipaddress.ip_network(network) for network in one.allow)
        return Hook(name, found, keys, allow, ca_file)

    def board(self) -> Board | None:
        config = self.settings.config
        common = self._urls(config.notify, "notify")
        duty = config.duty
        people = {
            one.name: self._urls(one, f"duty.people[{i}]") for i, one in enumerate(duty.people)
        }
        shifts = [
            Shift(one.person, days(one.days) or (), minute(one.begin) or 0, minute(one.end) or 0)
            for one in duty.shifts
        ]
        if not common and not any(people.values()):
            return None
        return Board(common, people, Rota(duty.zone, tuple(people), tuple(shifts)))

    def _urls(self, told: Notify | Person, where: str) -> tuple[str, ...]:
        text = self._file(told.urls_file, f"{where}.urls_file")
        lines = [line.strip() for line in text.splitlines()]
        return told.urls or tuple(one for one in lines if one and not one.startswith("#"))

    def _file(self, name: str, where: str) -> str:
        """The text of a file of secrets; empty: none is named, or it cannot be used."""
        if not name:
            return ""
        path = self.settings.beside(name)
        try:
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    self._problem(where, f"{path}: others may read it; expected mode 0600")
                    return ""
                text = file.read(MAX_FILE).decode("utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            self._problem(where, f"{path}: cannot be read: {getattr(exc, 'strerror', 'no text')}")
            return ""
        if not text:
            self._problem(where, f"{path} is empty")
        return text

    def _problem(self, where: str, words: str) -> None:
        if all(one.setting != where for one in self.problems):
            self.problems.append(Problem(0, where, words))
