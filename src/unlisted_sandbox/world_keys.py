"""The keys of a world's tables: the types they share, and what each means, from its annotation.

Every key carries its type, range, default and meaning; `docs/world.md` is checked against them.
Units are in the names: `_s` seconds, `_h` hours, `_rate` and `_share` 0-1; times of day are UTC.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0, le=1e9)]
Count = Annotated[int, Meta(ge=0, le=1_000_000)]
Some = Annotated[int, Meta(ge=1, le=1_000_000)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


def means(text: str) -> Meta:
    return Meta(description=text)


def meaning(annotated: Any) -> str:
    """What a key means, from its annotation."""
    metas = getattr(annotated, "__metadata__", ())
    said = next((m.description for m in metas if isinstance(m, Meta) and m.description), "")
    kind = getattr(annotated, "__origin__", None)
    if get_origin(kind) is Literal:
        said += ": " + ", ".join(f'"{choice}"' for choice in get_args(kind))
    return said


def keys(struct: type[Struct]) -> list[tuple[str, str, str]]:
    """Key, default and meaning of a table's keys, as `docs/world.md` shows them."""
    rows = []
    for field in msgspec.structs.fields(struct):
        default = "required" if field.required else _toml(field.default)
        rows.append((field.name, default, meaning(field.type)))
    return rows


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}"
