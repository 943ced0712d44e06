"""Rules, families and engine as shipped, ready for use, and the bytes a start can be spared by.

Until `install` is given such bytes, candidates come by `Literals`: right at once, a few times
slower. `serialised` makes the bytes (a second or two of compiling), `fingerprint` says what they
depend on; where they are kept is the edge's matter. Refused: bytes that are damaged, of other
data, other code or another processor.
"""

import hashlib
import re
from functools import lru_cache
from importlib import resources

import msgspec

from unlisted.replies import engine, families, knowledge
from unlisted.replies.engine import EVERYWHERE, Candidates, Engine
from unlisted.replies.families import Families, Family
from unlisted.replies.knowledge import Rule
from unlisted.replies.patterns import compiled

_MAGIC = b"unlisted patterns 1\n"
MAX_SERIALISED = 64 * 1024 * 1024


class CacheError(ValueError):
    """These bytes cannot be used; the text says why."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    rules: tuple[Rule, ...]
    families: list[Family]
    database: bytes
    always: tuple[int, ...]
    words: bytes


class Shipped:
    """Rules and families with the engines that were made of them. words(text): indices of the
    families' words that may occur."""

    def __init__(
        self, rules: tuple[Rule, ...], names: Families, candidates: Candidates, words: Candidates
    ) -> None:
        self.rules = rules
        self.families = names
        self.words = words
        self.engine = Engine([rule.match for rule in rules], candidates)
        self._conditioned = frozenset(
            index
            for index, rule in enumerate(rules)
            if rule.code is not None or rule.enhanced is not None or rule.stage
        )
        everywhere = [i for i, rule in enumerate(rules) if rule.match in EVERYWHERE]

        @lru_cache(maxsize=8192)
        def holds(index: int, code: int, enhanced: str | None, stage: str | None) -> bool:
            return _holds(rules[index], str(code or ""), enhanced or "", stage)

        @lru_cache(maxsize=1024)
        def at_all(code: int, enhanced: str | None, stage: str | None) -> list[int]:
            return [index for index in everywhere if holds(index, code, enhanced, stage)]

        self._holds = holds
        self._everywhere = at_all

    def first(
        self, text: str, code: int, enhanced: str | None, stage: str | None
    ) -> tuple[int, re.Match[str]] | None:
        """The first rule in order that matches and of which all conditions hold."""
        ids = self.engine.candidates(text)
        conditioned = self._conditioned
        if not conditioned.isdisjoint(ids):
            holds = self._holds
            ids = [i for i in ids if i not in conditioned or holds(i, code, enhanced, stage)]
        found = self.engine.first(text, ids)
        everywhere = self._everywhere(code, enhanced, stage)
        if everywhere and text and (found is None or everywhere[0] < found[0]):
            return self.engine.first(text, everywhere)
        return found


def _holds(rule: Rule, code: str, enhanced: str, stage: str | None) -> bool:
    return (
        (rule.code is None or compiled(rule.code).fullmatch(code) is not None)
        and (rule.enhanced is None or compiled(rule.enhanced).fullmatch(enhanced) is not None)
        and (not rule.stage or rule.stage == stage)
    )


def current() -> Shipped:
    """What was installed; else made from the data files, with candidates by `Literals`."""
    if not _installed:
        rules = knowledge.shipped()
        names = families.shipped()
        candidates = engine.Literals([rule.match for rule in rules])
        # In front: a thread may have installed better in the meantime.
        _installed.insert(0, Shipped(rules, names, candidates, names.occurring))
    return _installed[-1]


_installed: list[Shipped] = []


def install(kept: bytes, wanted: str) -> None:
    """Use these bytes from now on. `wanted`: this program's `fingerprint()`."""
    head = _MAGIC + wanted.encode() + b"\n"
    if not kept.startswith(head):
        raise CacheError("made by another program, of other data or on another processor")
    digest, body = kept[len(head) : len(head) + 32], kept[len(head) + 32 :]
    if hashlib.sha256(body).digest() != digest:
        raise CacheError("damaged")
    try:
        found = msgspec.msgpack.decode(body, type=_Kept)
        names = Families(found.families)
        patterns = [rule.match for rule in found.rules]
        candidates = engine.scanner(found.database, patterns, found.always)
        words = engine.scanner(found.words, names.word_patterns)
        _installed[:] = [Shipped(found.rules, names, candidates, words)]
    except ValueError as exc:
        raise CacheError(str(exc)) from exc


def serialised(wanted: str) -> bytes:
    """Bytes for `install`."""
    rules = knowledge.shipped()
    names = families.shipped()
    database, always = engine.scan_database([rule.match for rule in rules])
    words, _ = engine.scan_database(names.word_patterns)
    body = msgspec.msgpack.encode(_Kept(rules, families.rows(), database, always, words))
    return _MAGIC + wanted.encode() + b"\n" + hashlib.sha256(body).digest() + body


def fingerprint() -> str:
    """Of the data files, of the code that reads them, and of hyperscan on this processor."""
    digest = hashlib.sha256(engine.scan_platform().encode())
    room = resources.files("unlisted.replies")
    for folder in (room, room.joinpath("operators")):
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
            if entry.name.endswith((".py", ".toml")):
                body = entry.read_bytes()
                digest.update(f"{entry.name} {len(body)}\n".encode())
                digest.update(body)
    return digest.hexdigest()
