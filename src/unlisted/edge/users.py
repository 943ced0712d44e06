"""Who may submit: logins from a users file, and hosts that relay without one.

A line is `login:{SSHA256}base64(sha256(password + salt) + salt):tenant` or, dearer to try,
`login:{SCRYPT}N$r$p$base64(salt)$base64(key):tenant` (RFC 7914). `#` begins a comment. A verified password
is remembered as an HMAC under a key of this process, so that a session costs no second derivation.
Refuses a file with any line it cannot read: all of them are named at once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

MAX_PASSWORD = 1024
MAX_REMEMBERED = 10_000
_SCRYPT = re.compile(r"(\d{1,8})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)")
_LOGIN = re.compile(r"[^\s:]{1,200}")


class UsersError(Exception):
    """`problems`: one text per line of the file that cannot be used."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class User(msgspec.Struct, frozen=True):
    """One login. `scheme`: SSHA256 or SCRYPT."""

    login: str
    tenant: str
    scheme: str
    stored: str


class RelayHost(msgspec.Struct, frozen=True):
    """A host that may submit without a login, known by its address."""

    name: str
    tenant: str


class Users:
    """The logins of one site. `verify` is the only question."""

    def __init__(self, users: Mapping[str, User] | None = None) -> None:
        self._users = dict(users or {})
        self._key = secrets.token_bytes(32)
        self._verified: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._users)

    def verify(self, login: str, password: bytes) -> User | None:
        """The user, if the password is theirs."""
        user = self._users.get(login)
        if len(password) > MAX_PASSWORD:
            return None
        if user is None:
            # As slow as a wrong password: the time must not tell which logins exist.
            _matches(_NOBODY, password)
            return None
        seen = hmac.digest(self._key, login.encode() + b"\0" + password, "sha256")
        known = self._verified.get(login)
        if known is not None and hmac.compare_digest(known, seen):
            return user
        if not _matches(user, password):
            return None
        if len(self._verified) >= MAX_REMEMBERED:
            self._verified.clear()
        self._verified[login] = seen
        return user


def read_users(path: Path) -> Users:
    """The users of a file. Raises UsersError."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsersError([f"{path}: cannot be read: {exc}"]) from exc
    users: dict[str, User] = {}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            user = parse_user(line)
        except ValueError as exc:
            problems.append(f"{path}:{number}: {exc}")
            continue
        if user.login in users:
            problems.append(f"{path}:{number}: login {user.login} stands there twice")
        users[user.login] = user
    if problems:
        raise UsersError(problems)
    return Users(users)


def parse_user(line: str) -> User:
    """One line of the users file. Raises ValueError with what was expected."""
    fields = line.strip().split(":")
    if len(fields) != 3:
        raise ValueError("expected login:{SCHEME}hash:tenant")
    login, stored, tenant = fields
    if not _LOGIN.fullmatch(login) or not tenant:
        raise ValueError("a login and a tenant are words without colons or spaces")
    found = re.fullmatch(r"\{(SSHA256|SCRYPT)\}(.{1,1000})", stored)
    if not found:
        raise ValueError(
            "expected {SSHA256} or {SCRYPT} and a hash; unlisted users line makes both"
        )
    user = User(login=login, tenant=tenant, scheme=found[1], stored=found[2])
    if user.scheme == "SSHA256":
        _ssha256(user.stored)
    else:
        _scrypt(user.stored)
    return user


def ssha256(password: str, salt: bytes) -> str:
    """The stored form of a password, as `parse_user` reads it."""
    digest = hashlib.sha256(password.encode() + salt).digest()
    return "{SSHA256}" + base64.b64encode(digest + salt).decode()


def scrypt(password: str, salt: bytes) -> str:
    """The stored form of a password that resists guessing."""
    n, r, p = 1 << 14, 8, 1
    key = hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, dklen=32)
    encoded = "$".join(base64.b64encode(part).decode() for part in (salt, key))
    return f"{{SCRYPT}}{n}${r}${p}${encoded}"


def _ssha256(stored: str) -> tuple[bytes, bytes]:
    raw = _base64(stored)
    if len(raw) <= 32:
        raise ValueError("{SSHA256}: expected base64 of a 32 byte digest and its salt")
    return raw[:32], raw[32:]


def _scrypt(stored: str) -> tuple[int, int, int, bytes, bytes]:
    found = _SCRYPT.fullmatch(stored)
    if not found:
        raise ValueError("{SCRYPT}: expected N$r$p$base64(salt)$base64(key)")
    n, r, p = int(found[1]), int(found[2]), int(found[3])
    # 32 MB and about 0.1 s at most: a line in a file must not stop the relay.
    if not (n & (n - 1) == 0 and 2 <= n <= 1 << 15 and 1 <= r <= 8 and 1 <= p <= 2):
        raise ValueError("{SCRYPT}: N a power of two up to 32768, r up to 8, p up to 2")
    key = _base64(found[5])
    if len(key) < 16:
        raise ValueError("{SCRYPT}: the key is shorter than 16 bytes")
    return n, r, p, _base64(found[4]), key


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the hash is not base64") from None


def _matches(user: User, password: bytes) -> bool:
    if user.scheme == "SSHA256":
        digest, salt = _ssha256(user.stored)
        return hmac.compare_digest(digest, hashlib.sha256(password + salt).digest())
    n, r, p, salt, key = _scrypt(user.stored)
    found = hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, dklen=len(key), maxmem=64 << 20)
    return hmac.compare_digest(key, found)


_NOBODY = parse_user("nobody:" + ssha256("", b"salt") + ":nobody")
