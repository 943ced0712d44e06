"""Tokens: sixteen letters in each body by which the world, and nobody else, recognises its own.

A token is a keyed hash that hides where the message came from (which stream of the script): without
the seed all tokens look alike, with it they can be read back, so the world needs no memory of what
it has sent and three platforms cannot meet in one table. Refuses what it did not mint.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from unlisted_sandbox.chance import digest

Stream = Literal["person", "newsletter", "letter", "ticket", "webform", "hijack"]
STREAMS: tuple[Stream, ...] = ("person", "newsletter", "letter", "ticket", "webform", "hijack")

_SHAPE = re.compile(rb"(?<![a-z2-7])[a-z2-7]{16}(?![a-z2-7])")


class Origin(Struct, frozen=True):
    """Which stream of the script a message belongs to; `number` counts that table's rows."""

    stream: Stream
    number: int

    @property
    def kind(self) -> Literal["honest", "spam"]:
        return "spam" if self.stream == "hijack" else "honest"


def mint(seed: int, origin: Origin, message_id: str) -> str:
    """The token of one message; the same for each copy of it."""
    # Six bytes name the message, four carry the origin and a check under a mask of those six.
    name = digest(seed, "token", message_id, size=6)
    plain = bytes((STREAMS.index(origin.stream), origin.number & 255)) + digest(
        seed, "token check", name.hex(), size=2
    )
    mask = digest(seed, "token mask", name.hex(), size=4)
    hidden = bytes(a ^ b for a, b in zip(plain, mask, strict=True))
    return base64.b32encode(name + hidden).decode().lower()


@lru_cache(maxsize=4096)  # each is asked for several times within its message's minutes
def read(seed: int, token: str) -> Origin | None:
    """The origin of a token, None when this world did not mint it."""
    if _SHAPE.fullmatch(token.encode()) is None:
        return None
    raw = base64.b32decode(token.upper())
    name = raw[:6]
    mask = digest(seed, "token mask", name.hex(), size=4)
    plain = bytes(a ^ b for a, b in zip(raw[6:], mask, strict=True))
    if plain[2:] != digest(seed, "token check", name.hex(), size=2) or plain[0] >= len(STREAMS):
        return None
    return Origin(STREAMS[plain[0]], plain[1])


def find(seed: int, data: bytes) -> str | None:
    """The first token of this world in a message's bytes (a bounce may enclose one, too)."""
    return next(_found(seed, data), None)


def _found(seed: int, data: bytes) -> Iterator[str]:
    for shape in _SHAPE.finditer(data):
        token = shape[0].decode()
        if read(seed, token) is not None:
            yield token
