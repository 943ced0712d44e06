"""The opaque trace header on what leaves: a report with headers only still names the message.

Deterministic, so a retried message carries the same value and a replay writes the same bytes; nothing
in it can be read or counted without the key, and a forged or altered value opens to None. Refuses
numbers outside 0 .. 2**64 - 1.
"""

from unlisted.mail import sealed

TRACE_HEADER = "X-Trace"
_NUMBER = 8


def seal(key: bytes, n: int) -> str:
    """The header value for message number n: 32 characters, well under the 64 we promise."""
    if not 0 <= n < 1 << 64:
        raise ValueError("a message number is 0 .. 2**64 - 1")
    return sealed.seal(key, b"trace", n.to_bytes(_NUMBER, "big"))


def open_trace(key: bytes, text: str) -> int | None:
    """The number, or None for anything this key did not seal. Case and spaces do not matter."""
    value = sealed.opened(key, b"trace", text, _NUMBER)
    return int.from_bytes(value, "big") if value is not None else None
