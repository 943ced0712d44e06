"""Who may sign in on the operator's page: names, roles and argon2 hashes in one file.

A line is `name:role[,role]:$argon2id$…` (RFC 9106, PHC string); `#` begins a comment. The file is
read anew when it changes, so that who is removed is out at once. Refused: a file that others may
read, any line that cannot be read, and a hash that would cost more than a sign-in may.
"""

from __future__ import annotations

import hashlib
import re
import stat
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from unlisted.edge.files import write_whole

if TYPE_CHECKING:
    from argon2 import PasswordHasher

ROLES = ("viewer", "operator", "communicator", "approver")
FILE = "people"
MAX_FILE = 1 << 20
MAX_PEOPLE = 1000
LEAST_PASSWORD, MOST_PASSWORD = 12, 1024
MAX_MEMORY_KIB, MAX_TIME, MAX_LANES = 1 << 20, 16, 16
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
# Authors that are nobody: the service itself, and whoever holds its token.
_NOBODIES = frozenset({"policy", "operator", "token"})


class StaffError(ValueError):
    """What is wrong with a name, a role, a password or the file."""


class Person(msgspec.Struct, frozen=True):
    """Somebody who may sign in. Every role may look; `roles` in the order of `ROLES`."""

    name: str
    roles: tuple[str, ...]
    stored: str


@cache
def hasher() -> PasswordHasher:
    """RFC 9106's second recommendation: 64 MiB, three passes."""
    from argon2 import PasswordHasher  # only who signs in pays for it

    return PasswordHasher()


class Staff:
    """The people of one file; none: nobody but the token signs in."""

    def __init__(self, path: Path, made_by: PasswordHasher | None = None) -> None:
        self.path = path
        self._made_by = made_by
        self._seen: tuple[int, ...] = ()
        self._people: dict[str, Person] = {}
        self._nobody = ""

    @property
    def _hasher(self) -> PasswordHasher:
        return self._made_by or hasher()

    def people(self) -> dict[str, Person]:
        """As the file says now. Raises StaffError."""
        try:
            now = self.path.stat()
        except FileNotFoundError:
            self._seen, self._people = (), {}
            return self._people
        except OSError as exc:
            raise StaffError(f"{self.path}: cannot be read: {exc.strerror}") from None
        seen = (now.st_mtime_ns, now.st_ino, now.st_size)
        if seen != self._seen:
            self._people, self._seen = read(self.path), seen
        return self._people

    def verify(self, name: str, password: str) -> Person | None:
        """The person, if the password is theirs; as slow for a name that is nobody's."""
        from argon2.exceptions import Argon2Error, InvalidHashError

        person = self.people().get(name)
        if not self._nobody:
            self._nobody = self._hasher.hash("nobody")
        stored = person.stored if person is not None else self._nobody
        try:
            self._hasher.verify(stored, _octets(password))
        except (Argon2Error, InvalidHashError):
            return None
        return person

    def put(self, name: str, roles: tuple[str, ...], password: str) -> bool:
        """Add a person, or give them other roles and a new password; whether they were new."""
        person = Person(named(name), sound_roles(roles), self._hasher.hash(sound(password)))
        people = dict(self.people())
        new = name not in people
        if new and len(people) >= MAX_PEOPLE:
            raise StaffError(f"{MAX_PEOPLE} people at most")
        self._write({**people, name: person})
        return new

    def remove(self, name: str) -> bool:
        """Whether there was such a person."""
        people = dict(self.people())
        if people.pop(name, None) is None:
            return False
        self._write(people)
        return True

    def _write(self, people: dict[str, Person]) -> None:
        lines = [f"{p.name}:{','.join(p.roles)}:{p.stored}\n" for _, p in sorted(people.items())]
        try:
            write_whole(self.path, "".join(lines), 0o600)
        except OSError as exc:
            raise StaffError(f"{self.path}: cannot be written: {exc.strerror}") from None


def read(path: Path) -> dict[str, Person]:
    """The people of a file. Raises StaffError naming every bad line."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise StaffError(f"{path}: others may read it; expected mode 0600")
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
    except OSError as exc:
        raise StaffError(f"{path}: cannot be read: {exc.strerror}") from None
    if len(raw) > MAX_FILE:
        raise StaffError(f"{path}: larger than {MAX_FILE} bytes")
    return parsed(raw.decode("utf-8", "replace"), str(path))


def parsed(text: str, where: str = FILE) -> dict[str, Person]:
    """The people of a file's text. Raises StaffError."""
    people: dict[str, Person] = {}
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            person = _person(line.strip())
            if person.name in people:
                raise StaffError(f"{person.name} stands there twice")
            people[person.name] = person
        except StaffError as exc:
            problems.append(f"{where}:{number}: {exc}")
    if problems:
        raise StaffError("; ".join(problems[:20]))
    return people


def _person(line: str) -> Person:
    fields = line.split(":")
    if len(fields) != 3:
        raise StaffError("expected name:role[,role]:hash")
    name, roles, stored = fields
    _bounded(stored)
    return Person(named(name), sound_roles(tuple(roles.split(","))), stored)


def _bounded(stored: str) -> None:
    """Only argon2id, at a price that a sign-in may cost."""
    from argon2 import Type, extract_parameters
    from argon2.exceptions import InvalidHashError

    try:
        if len(stored) > 500 or not stored.isascii():
            raise InvalidHashError
        made = extract_parameters(stored)
    except (InvalidHashError, ValueError, KeyError):
        raise StaffError("the hash is not argon2's") from None
    sane = 1 <= made.time_cost <= MAX_TIME and 1 <= made.parallelism <= MAX_LANES
    if made.type is not Type.ID or not sane or not 8 <= made.memory_cost <= MAX_MEMORY_KIB:
        raise StaffError("expected argon2id of up to 1 GiB, 16 passes, 16 lanes")


def named(name: str) -> str:
    """The name, if it may be one. Raises StaffError."""
    if not _NAME.fullmatch(name):
        raise StaffError("a name is up to 40 of a-z, 0-9, dot, dash and underscore")
    if name in _NOBODIES:
        raise StaffError(f"{name} is no person's name here")
    return name


def sound_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    """The roles in order, each once. Raises StaffError."""
    if not roles or not set(roles) <= set(ROLES):
        raise StaffError(f"roles are {', '.join(ROLES)}; a person has one or more")
    return tuple(role for role in ROLES if role in roles)


def sound(password: str) -> bytes:
    """The octets that are hashed, if it may be a password. Raises StaffError."""
    if not LEAST_PASSWORD <= len(password) <= MOST_PASSWORD:
        raise StaffError(f"a password has {LEAST_PASSWORD} to {MOST_PASSWORD} characters")
    return _octets(password)


def _octets(password: str) -> bytes:
    # The same password typed on another keyboard (NIST SP 800-63B 5.1.1.2). What is too long is
    # never anybody's and must cost no more to refuse than one that could be.
    text = unicodedata.normalize("NFKC", password[: MOST_PASSWORD + 1])
    whole = text.encode("utf-8", "surrogatepass")
    return whole if len(password) <= MOST_PASSWORD else hashlib.sha256(whole).digest()
