"""Keyed hashes that stand for people and senders, and the site's secret they are made with.

One secret, 32 bytes, from the configuration or generated once into the state folder (0600).
Every use has its own key derived from it, so that no hash of one kind can be tried as another.
Refuses a secret file that others may read, and one that is too short to be one.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from unlisted.mail.envelope import person_id

SECRET_BYTES = 32
MIN_SECRET_BYTES = 16
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}[A-Za-z0-9]")
# Mailboxes of an office, not of a person (RFC 2142; where receivers and lists ask to write to).
_OFFICES = frozenset(
    """abuse blocklist delist delisting help info mailer-daemon noc postmaster removal security
    support unblock unblocking""".split()  # noqa: SIM905 — words, not a column of quotes
)


class SecretError(Exception):
    """The secret cannot be used; the text says what was expected."""


def load_secret(path: Path) -> bytes:
    """The secret in the file; made on the first start. Raises SecretError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    except OSError as exc:
        raise SecretError(f"{path}: cannot be written: {exc.strerror}") from exc
    else:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SECRET_BYTES) + "\n")
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise SecretError(f"{path}: others may read it; expected mode 0600")
        return parse_secret(path.read_text("ascii"))
    except (OSError, UnicodeDecodeError) as exc:
        raise SecretError(f"{path}: cannot be read: {exc}") from exc
    except ValueError as exc:
        raise SecretError(f"{path}: {exc}") from exc


def parse_secret(text: str) -> bytes:
    """The secret written in hex digits. Raises ValueError."""
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        raise ValueError(f"expected {2 * SECRET_BYTES} hex digits") from None
    if len(secret) < MIN_SECRET_BYTES:
        raise ValueError(f"expected {2 * SECRET_BYTES} hex digits, got {2 * len(secret)}")
    return secret


def derived(secret: bytes, use: str) -> bytes:
    """The key for one use: "people", "trace", "draw", "logins", …"""
    return hmac.digest(secret, b"unlisted\0" + use.encode(), hashlib.sha256)


def _sync_folder(folder: Path) -> None:
    # Without it a power cut can lose the file's name, and with the secret every sealed body.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class People:
    """Who is who under this site's secret. The same address is always the same person."""

    def __init__(self, secret: bytes) -> None:
        self._key = derived(secret, "people")
        self._marks = derived(secret, "marks")

    def person(self, address: str) -> str:
        """The person behind an address."""
        return person_id(self._key, address)

    def login(self, name: str) -> str:
        """The sender that a login is."""
        return person_id(self._key, f"login:{name}")

    def host(self, name: str) -> str:
        """The sender that a host without login is."""
        return person_id(self._key, f"host:{name}")

    def mark(self, kind: str, text: str) -> str:
        """A keyed hash by which the same text is known again; "" of nothing."""
        if not text:
            return ""
        said = f"{kind}\0{text}".encode("utf-8", "replace")
        return hmac.digest(self._marks, said, hashlib.sha256)[:8].hex()

    def redacted(self, text: str, known: Iterable[str] = ()) -> str:
        """A stranger's text with the addresses of people in it replaced by their keyed hashes.

        `known` are those of the transaction, whatever they look like. Offices stay: whom to
        write to about a block is no person's address.
        """
        for address in sorted(set(known) - {""}):
            if _cannot_hold(text, address):
                continue
            # The hash is hex digits: nothing in it is special to a replacement.
            person = self.person(address)
            text = re.sub(re.escape(address), person, text, flags=re.IGNORECASE)
        return _ADDRESS.sub(self._hidden, text) if "@" in text else text

    def _hidden(self, found: re.Match[str]) -> str:
        local = found[0].partition("@")[0].lower()
        return found[0] if local in _OFFICES else self.person(found[0])


def _cannot_hold(text: str, address: str) -> bool:
    """Whether the address is surely not in the text, in whatever case. Beyond ASCII a letter's
    cases are the regular expression's business ("\u212a" is a k to it)."""
    ascii_only = text.isascii() and address.isascii()
    return ascii_only and address.lower() not in text.lower()
