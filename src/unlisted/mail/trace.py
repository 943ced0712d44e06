"""The opaque trace header on what leaves: a report with headers only still names the message.

`seal` is a small SIV (in the manner of RFC 5297) with HMAC-SHA256 as the only primitive: the tag
over the number is also the nonce that masks it. Deterministic, so a retried message carries the
same value and a replay writes the same bytes; nothing in it can be read or counted without the
key, and a forged or altered value opens to None. Refuses numbers outside 0 .. 2**64 - 1.
"""

import base64
import binascii
import hashlib
import hmac

TRACE_HEADER = "X-Trace"
_TAG = 12
_NUMBER = 8
# 20 octets are 32 characters of base32 without padding: well under the 64 we promise.
_TOKEN = (_TAG + _NUMBER) * 8 // 5


def seal(key: bytes, n: int) -> str:
    """The header value for message number n."""
    if not 0 <= n < 1 << 64:
        raise ValueError("a message number is 0 .. 2**64 - 1")
    number = n.to_bytes(_NUMBER, "big")
    tag = _tag(key, number)
    mask = _mask(key, tag)
    masked = bytes(a ^ b for a, b in zip(number, mask, strict=True))
    return base64.b32encode(tag + masked).decode("ascii").lower()


def open_trace(key: bytes, text: str) -> int | None:
    """The number, or None for anything this key did not seal. Case and spaces do not matter."""
    if len(text) > 256:
        return None
    compact = "".join(text.split()).upper()
    if len(compact) != _TOKEN or not compact.isascii():
        return None
    try:
        raw = base64.b32decode(compact)
    except (binascii.Error, ValueError):
        return None
    tag, masked = raw[:_TAG], raw[_TAG:]
    number = bytes(a ^ b for a, b in zip(masked, _mask(key, tag), strict=True))
    if not hmac.compare_digest(tag, _tag(key, number)):
        return None
    return int.from_bytes(number, "big")


def _tag(key: bytes, number: bytes) -> bytes:
    return hmac.digest(key, b"trace-tag\0" + number, hashlib.sha256)[:_TAG]


def _mask(key: bytes, tag: bytes) -> bytes:
    return hmac.digest(key, b"trace-mask\0" + tag, hashlib.sha256)[:_NUMBER]
