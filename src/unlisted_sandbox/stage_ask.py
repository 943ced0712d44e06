"""Asks the product what any operator may ask: reads its API and makes sign-in links (RFC 9112).

For a person at the stage page, in real time: no timer, no hold, nothing of the simulated clock. A
GET makes the product busy and idle again and moves nothing (docs/clock.md). Refuses answers over
4 MiB and those that take more than 5 real seconds.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

MAX_ANSWER = 4 << 20
PATIENCE_REAL_S = 5.0
ACTOR = "stage page"
Rows = tuple[dict[str, Any], ...]


class AskError(Exception):
    """No answer, or one that cannot be read; the text says which."""


class Faces(Struct, frozen=True):
    """Where the product's two pages answer, and its operator's token."""

    public: tuple[str, int]
    operator: tuple[str, int]
    token: str

    @property
    def public_url(self) -> str:
        return f"http://{self.public[0]}:{self.public[1]}/"


class Told(Struct, frozen=True):
    """What the operator's API said, newest first; empty before the first answer."""

    episodes: Rows = ()
    causes: Rows = ()
    holds: Rows = ()
    rules: Rows = ()
    incidents: Rows = ()
    problem: str = ""


async def read_all(faces: Faces, before: Told) -> Told:
    """Everything once; what could not be read stays as it was, with the problem named."""
    rows: dict[str, Rows] = {}
    problem = ""
    for name in ("episodes", "causes", "holds", "rules", "incidents"):
        try:
            rows[name] = _rows(await ask(faces.operator, f"/api/{name}", faces.token))
        except AskError as error:
            rows[name] = getattr(before, name)
            problem = problem or str(error)
    return Told(**rows, problem=problem)


async def sign_in_link(faces: Faces, path: str = "/") -> str:
    """A link that signs a browser in once and goes on to `path` of the operator's page."""
    body = msgspec.json.encode({"actor": ACTOR, "path": path})
    raw = await ask(faces.operator, "/api/signin-links", faces.token, body)
    try:
        url = msgspec.json.decode(raw, type=dict[str, Any]).get("url")
    except msgspec.MsgspecError:
        url = None
    # A redirect follows: it goes to the product's own page and nowhere else.
    if not isinstance(url, str) or any(c <= " " or c > "~" for c in url):
        raise AskError("the operator's page gave no sign-in link")
    if urlsplit(url).netloc != f"{faces.operator[0]}:{faces.operator[1]}":
        raise AskError("the operator's page gave a link to somewhere else")
    return url


async def ask(at: tuple[str, int], path: str, token: str, body: bytes | None = None) -> bytes:
    """The body of a 2xx answer; a POST when there is a body to send."""
    try:
        return await asyncio.wait_for(_ask(at, path, token, body), PATIENCE_REAL_S)
    except TimeoutError:
        raise AskError(f"{path}: no answer within {PATIENCE_REAL_S:.0f} s") from None
    except OSError as error:
        raise AskError(f"{path}: {error.strerror or 'the connection was lost'}") from None


async def _ask(at: tuple[str, int], path: str, token: str, body: bytes | None) -> bytes:
    reader, writer = await asyncio.open_connection(*at)
    try:
        lines = [
            f"{'GET' if body is None else 'POST'} {path} HTTP/1.1",
            f"Host: {at[0]}:{at[1]}",
            "Connection: close",
            f"Authorization: Bearer {token}",
        ]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b""))
        raw = bytearray()
        while more := await reader.read(65536):
            raw += more
            if len(raw) > MAX_ANSWER:
                raise AskError(f"{path}: over {MAX_ANSWER} bytes")
    finally:
        writer.close()
    head, _, rest = bytes(raw).partition(b"\r\n\r\n")
    status = head.split(b"\r\n", 1)[0]
    if not status.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
        raise AskError(f"{path}: {status[:40].decode('ascii', 'replace') or 'no answer'}")
    return rest


def _rows(body: bytes) -> Rows:
    try:
        rows = msgspec.json.decode(body, type=list[dict[str, Any]])
    except msgspec.MsgspecError:
        raise AskError("not a list of objects") from None
    return tuple(rows)
