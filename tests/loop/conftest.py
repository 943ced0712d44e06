"""The playbook of a test; closed (replayed and compared) when the test is over."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `playbook`, which is no test

from playbook import Playbook


@pytest.fixture
def play() -> Iterator[Callable[..., Playbook]]:
    """Makes playbooks and closes them."""
    made: list[Playbook] = []

    def make(*args: Any, **more: Any) -> Playbook:
        made.append(Playbook(*args, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def pb(play: Callable[..., Playbook]) -> Playbook:
    """One platform with a pool of four addresses and one list."""
    return play()
