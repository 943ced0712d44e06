"""What failed, in words that are the same each time, so that they may stand in a fact."""

from __future__ import annotations

import os


def failure_words(exc: BaseException) -> str:
    """The system's words: asyncio puts addresses and ports into its own."""
    number = getattr(exc, "errno", None)
    return os.strerror(number) if number else str(exc) or type(exc).__name__
