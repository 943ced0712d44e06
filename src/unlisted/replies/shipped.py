"""Rules, families and engine as shipped, made of the data files at first use, and the bytes a start
can be spared by.

`serialised` makes the bytes, `fingerprint` says what they depend on; where they are kept is the
edge's matter. Refused: bytes that are damaged, of other data or of other code.
"""

import hashlib
from functools import lru_cache
from importlib import resources

import msgspec

from unlisted.replies import families, knowledge
from unlisted.replies.engine import Engine, Found, Read, asked_by
from unlisted.replies.families import Families, Family
from unlisted.replies.index import Asked
from unlisted.replies.knowledge import Rule
from unlisted.replies.patterns import compiled
from unlisted.replies.plans import Plans

# Patterns for any text at all: the code speaks, not the words. An empty text says nothing.
EVERYWHERE = ("^", ".", "")


_MAGIC = b"unlisted patterns 2\n"
MAX_SERIALISED = 16 * 1024 * 1024


class CacheError(ValueError):
    """These bytes cannot be used; the text says why."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    rules: tuple[Rule, ...]
    families: list[Family]
    asked: Asked


class Shipped:
    """Rules and families with the engine that was made of them."""

    def __init__(self, rules: tuple[Rule, ...], names: Families, asked: Asked) -> None:
        self.rules = rules
        self.families = names
        self.engine = Engine([rule.match for rule in rules], asked)
        self.plans = Plans(self.engine)

        @lru_cache(maxsize=1024)
        def holding(
            code: int, enhanced: str | None, stage: str | None, silent: bool
        ) -> frozenset[int]:
            return frozenset(
                index
                for index, rule in enumerate(rules)
                if _holds(rule, str(code or ""), enhanced or "", stage)
                and not (silent and rule.match in EVERYWHERE)
            )

        self._holding = holding

    def first(
        self,
        read: Read,
        code: int,
        enhanced: str | None,
        stage: str | None,
    ) -> Found | None:
        """The first rule in order that matches and of which all conditions hold."""
        return self.engine.first(read, self._holding(code, enhanced, stage, not read.text))


def current() -> Shipped:
    """What was installed; else made from the data files."""
    if not _installed:
        kept = _made()
        # In front: a thread may have installed one in the meantime.
        _installed.insert(0, Shipped(kept.rules, Families(kept.families), kept.asked))
    return _installed[-1]


_installed: list[Shipped] = []


def install(kept: bytes, wanted: str) -> None:
    """Use these bytes from now on. `wanted`: this program's `fingerprint()`."""
    head = _MAGIC + wanted.encode() + b"\n"
    if not kept.startswith(head):
        raise CacheError("made by another program or of other data")
    digest, body = kept[len(head) : len(head) + 32], kept[len(head) + 32 :]
    if hashlib.sha256(body).digest() != digest:
        raise CacheError("damaged")
    try:
        found = msgspec.msgpack.decode(body, type=_Kept)
        _installed[:] = [Shipped(found.rules, Families(found.families), found.asked)]
    except ValueError as exc:
        raise CacheError(str(exc)) from exc


def serialised(wanted: str) -> bytes:
    """Bytes for `install`."""
    body = msgspec.msgpack.encode(_made())
    return _MAGIC + wanted.encode() + b"\n" + hashlib.sha256(body).digest() + body


def _made() -> _Kept:
    rules = knowledge.shipped()
    rows = families.rows()
    sample = [rule.examples[0].lower() for rule in rules[::2]]
    patterns = [rule.match for rule in rules]
    return _Kept(rules, rows, asked_by(patterns, Families(rows).word_patterns, sample))


def fingerprint() -> str:
    """Of the data files and of the code that reads them."""
    digest = hashlib.sha256()
    room = resources.files("unlisted.replies")
    for folder in (room, room.joinpath("operators")):
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith((".py", ".toml")):
                body = entry.read_bytes()
                digest.update(f"{entry.name} {len(body)}\n".encode())
                digest.update(body)
    return digest.hexdigest()


def _holds(rule: Rule, code: str, enhanced: str, stage: str | None) -> bool:
    return (
        (rule.code is None or compiled(rule.code).fullmatch(code) is not None)
        and (rule.enhanced is None or compiled(rule.enhanced).fullmatch(enhanced) is not None)
        and (not rule.stage or rule.stage == stage)
    )
