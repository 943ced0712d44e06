"""The signature of Standard Webhooks: HMAC-SHA256 over "id.timestamp.body", in base64, as `v1,…`.

`verify` is what a receiver does: it refuses what was altered, what another key signed, and what is
older or newer than the tolerance, so that a recorded call cannot be played again.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence

TOLERANCE_S = 300.0
MOST_SIGNATURES = 20


class Forged(Exception):
    """What is wrong with a call."""


def headers(keys: Sequence[bytes], delivery: str, at: float, body: bytes) -> dict[str, str]:
    """The three fields of one try. Each key signs: while one is replaced, both hold."""
    stamp = str(int(at))
    signed = " ".join("v1," + b64encode(_mac(key, delivery, stamp, body)).decode() for key in keys)
    return {
        "webhook-id": delivery,
        "webhook-timestamp": stamp,
        "webhook-signature": signed,
    }


def verify(keys: Sequence[bytes], fields: Mapping[str, str], body: bytes, now: float) -> None:
    """Raises Forged. `fields`: names in lower case."""
    try:
        delivery, stamp = fields["webhook-id"], fields["webhook-timestamp"]
        given = fields["webhook-signature"].split()
    except KeyError as exc:
        raise Forged(f"no field {exc.args[0]}") from None
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) < 12):
        raise Forged("the timestamp is no number of seconds")
    if abs(now - int(stamp)) > TOLERANCE_S:
        raise Forged("the timestamp is too far from now")
    wanted = [_mac(key, delivery, stamp, body) for key in keys]
    for text in given[:MOST_SIGNATURES]:
        version, _, value = text.partition(",")
        try:
            mac = b64decode(value, validate=True)
        except ValueError:
            continue
        if version == "v1" and any(hmac.compare_digest(mac, one) for one in wanted):
            return
    raise Forged("no signature holds")


def _mac(key: bytes, delivery: str, stamp: str, body: bytes) -> bytes:
    # A dot inside the id or the stamp would let one call read as another; neither has one.
    content = f"{delivery}.{stamp}.".encode("utf-8", "replace") + body
    return hmac.digest(key, content, "sha256")
