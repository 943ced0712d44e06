"""Who submits what, when: the script of a world, the same for every platform.

Pure: a world (with its seed) gives every submission to the byte.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class Submission(Struct, frozen=True, kw_only=True):
    """One message handed to a platform. `kind` and `token` are known to the world only."""

    at: float  # seconds since the epoch
    id: str
    sender: str  # "login:alice@tenant.example" | "host:www.tenant.example"
    tenant: str  # the tenant's domain
    login: str | None  # None: no login, known by `client` alone
    password: str | None
    client: str  # 127/8 address to submit from
    reverse_path: str
    recipients: tuple[str, ...]
    data: bytes  # RFC 5322, CRLF, no dot-stuffing
    kind: Literal["honest", "spam"]
    token: str
    copy_of: str = ""  # id of the bounced original, when sent again by hand
