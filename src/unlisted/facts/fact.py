"""What every fact has: its time, and whether the edge saw it or a station derived it."""

from __future__ import annotations

from typing import ClassVar

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """A dated record. `at`: simulated or real seconds since the Unix epoch, UTC."""

    observed: ClassVar[bool] = False
    at: float


class Observed(Fact, frozen=True, kw_only=True):
    """What the edge saw. `done`: idempotency key of the command whose outcome this is."""

    observed: ClassVar[bool] = True
    done: str | None = None
