"""A memory of answers whose size is known: so many of them, none for a long text.

`functools.lru_cache` bounds the answers and not what they are of: eight thousand lines of 64 KB
would be half a gigabyte. Texts of strangers are remembered by this one.
"""

from collections.abc import Callable, Sized
from functools import lru_cache, update_wrapper
from typing import TypeVar

T = TypeVar("T", bound=Sized)
R = TypeVar("R")


def remembered(most: int, longest: int) -> Callable[[Callable[[T], R]], Callable[[T], R]]:
    """most: answers kept. longest: of a text (characters or bytes) whose answer is kept."""

    def decorate(work_out: Callable[[T], R]) -> Callable[[T], R]:
        known = lru_cache(maxsize=most)(work_out)

        def asked(text: T) -> R:
            return known(text) if len(text) <= longest else work_out(text)  # type: ignore[arg-type]

        return update_wrapper(asked, work_out)

    return decorate
