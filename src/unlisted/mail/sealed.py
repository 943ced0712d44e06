"""Short values sealed so that only their maker can read, count or alter them.

A small SIV (in the manner of RFC 5297) with HMAC-SHA256 as the only primitive: the tag over the value
is also the nonce that masks it. Deterministic. Refuses values over 32 octets.
"""

import base64
import binascii
import hashlib
import hmac

TAG = 12
MAX_VALUE = 32
MAX_TEXT = 256


def seal(key: bytes, use: bytes, value: bytes) -> str:
    """The value as text of base32 without padding, in lower case."""
    if len(value) > MAX_VALUE:
        raise ValueError(f"{MAX_VALUE} octets are sealed at most")
    tag = _tag(key, use, value)
    sealed = tag + _masked(key, use, tag, value)
    return base64.b32encode(sealed).decode("ascii").rstrip("=").lower()


def opened(key: bytes, use: bytes, text: str, size: int) -> bytes | None:
    """The value of `size` octets, or None for anything this key did not seal for this use. Case and
    spaces do not matter."""
    if len(text) > MAX_TEXT:
        return None
    compact = "".join(text.split()).upper()
    octets = TAG + size
    if len(compact) != -(-octets * 8 // 5) or not compact.isascii():
        return None
    try:
        raw = base64.b32decode(compact + "=" * (-len(compact) % 8))
    except (binascii.Error, ValueError):
        return None
    tag, value = raw[:TAG], _masked(key, use, raw[:TAG], raw[TAG:octets])
    return value if hmac.compare_digest(tag, _tag(key, use, value)) else None


def _tag(key: bytes, use: bytes, value: bytes) -> bytes:
    return hmac.digest(key, use + b"-tag\0" + value, hashlib.sha256)[:TAG]


def _masked(key: bytes, use: bytes, tag: bytes, value: bytes) -> bytes:
    mask = hmac.digest(key, use + b"-mask\0" + tag, hashlib.sha256)
    return bytes(a ^ b for a, b in zip(value, mask, strict=False))
