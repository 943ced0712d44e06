"""10. Incidents and posts with measured figures and kept deadlines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from unlisted.facts import Fact

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import Out, States


class State:
    """What this station keeps; written by it, read by all."""


def step(states: States, fact: Fact, n: int) -> Iterator[Out]:
    """Nothing yet."""
    yield from ()
