"""Somebody who looks at the product's two faces: its operator's API and its public page.

One `GET` at a time, each held by the clock from its first byte to its last. The viewer looks a
second after refusals (at most once a second), every five minutes while anything is open and for
an hour after a refusal, and once at the end. A time the product states is believed unless the viewer had looked since and seen
nothing there: then it is the time of the look. Refuses answers over 16 MiB.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import datetime
from html.parser import HTMLParser
from typing import Any, cast

import msgspec
from msgspec import Struct

from unlisted_sandbox.eventlog import Event
from unlisted_sandbox.lanes import Lane
from unlisted_sandbox.smtp_client import bound_socket
from unlisted_sandbox.submitter import Tasks

MAX_ANSWER = 16 << 20
AFTER_REFUSAL_S = 1.0
EVERY_S = 300.0
LINGER_S = 3600.0
VIEWER = "127.20.2.1"


class HttpError(Exception):
    """No answer, or one that cannot be read."""


# The body of a 200 answer: (lane, address of the face, path, token). Raises HttpError.
Get = Callable[[Lane, tuple[str, int], str, str], Awaitable[bytes]]


async def fetch(lane: Lane, at: tuple[str, int], path: str, token: str = "") -> bytes:
    """The body of a 200 answer."""
    sock, label = bound_socket(VIEWER)
    with lane.clock.hold(label):
        stamp = lane.clock.now()
        writer = None
        try:
            await asyncio.get_running_loop().sock_connect(sock, at)
            reader, writer = await asyncio.open_connection(sock=sock, limit=MAX_ANSWER)
            lines = [f"GET {path} HTTP/1.1", f"Host: {at[0]}:{at[1]}", "Connection: close"]
            if token:
                lines.append(f"Authorization: Bearer {token}")
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            raw = await reader.read(MAX_ANSWER)
            while more := await reader.read(MAX_ANSWER):
                raw += more
                if len(raw) > MAX_ANSWER:
                    raise HttpError(f"{path}: over {MAX_ANSWER} bytes")
        except OSError as error:
            raise HttpError(f"{path}: {error.strerror}") from None
        finally:
            if writer is not None:
                writer.close()
            else:
                sock.close()
        lane.clock.check(stamp, f"GET {path}")
    head, _, body = raw.partition(b"\r\n\r\n")
    status, _, fields = head.partition(b"\r\n")
    if b" 200" not in status[:13]:
        raise HttpError(f"{path}: {status[:60].decode('ascii', 'replace')}")
    if b"transfer-encoding: chunked" in fields.lower():
        body = _dechunked(body)
    return body


def _dechunked(body: bytes) -> bytes:
    parts: list[bytes] = []
    while True:
        size, _, rest = body.partition(b"\r\n")
        try:
            length = int(size.split(b";")[0], 16)
        except ValueError:
            raise HttpError("a chunk without a size") from None
        if not length:
            return b"".join(parts)
        parts.append(rest[:length])
        body = rest[length + 2 :]


def moment(text: object) -> float | None:
    """Seconds since the epoch of an ISO 8601 time with its zone."""
    if isinstance(text, int | float):
        return float(text)
    if not isinstance(text, str) or not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.timestamp() if at.tzinfo is not None else None


class Seen(Struct):
    """One thing the product shows, and since when it can be believed to have shown it."""

    id: str
    at: float
    row: dict[str, Any] = {}


class Post(Struct, frozen=True):
    at: float
    kind: str
    next_update_by: float | None


class Times(HTMLParser):
    """The `<time datetime>` values of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[float] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        at = moment(dict(attrs).get("datetime")) if tag == "time" else None
        if at is not None:
            self.found.append(at)


class Viewer:
    """Looks at one platform."""

    def __init__(
        self,
        lane: Lane,
        public: tuple[str, int],
        operator: tuple[str, int],
        token: str,
        get: Get = fetch,
    ) -> None:
        self.lane = lane
        self.public = public
        self.operator = operator
        self.token = token
        self._get = get
        self.episodes: dict[str, Seen] = {}
        self.holds: dict[str, Seen] = {}
        self.posts: dict[tuple[str, int], Seen] = {}
        self.incidents: list[dict[str, Any]] = []
        self.causes: list[dict[str, Any]] = []  # every change of a verdict, once the world ends
        self.last_look = lane.clock.now()
        self.last_refusal = -math.inf
        self.open_incident = False
        self.problems: list[str] = []
        self.deaths: Callable[[], int] = lambda: 0  # of the platform's process, by our hand
        self._answers: dict[str, tuple[bytes, list[dict[str, Any]]]] = {}
        self._planned = False
        self._looking = False
        self._tasks = Tasks(lane.faults)

    def refused(self, event: Event) -> None:
        """The world has just seen a refusal."""
        self.last_refusal = event.at
        self.plan(event.at - self.lane.clock.now() + AFTER_REFUSAL_S)

    def plan(self, in_s: float) -> None:
        if not self._planned:
            self._planned = True
            clock = self.lane.clock
            clock.call_at(clock.now() + in_s, self._due)

    def _due(self) -> None:
        self._planned = False
        self._tasks.start(self._regular())

    async def _regular(self) -> None:
        await self.look()
        busy = self.lane.clock.now() < self.last_refusal + LINGER_S
        still = any(not e.row.get("closed_at") for e in self.episodes.values())
        if busy or still or self.open_incident:
            self.plan(EVERY_S)

    async def look(self) -> None:
        """Everything once."""
        if self._looking:
            return
        self._looking = True
        deaths = self.deaths()
        try:
            episodes = await self._rows("/api/episodes")
            self._merge(self.episodes, episodes, "opened_at")
            self._merge(self.holds, await self._rows("/api/holds"), "at")
            self._take_incidents(await self._public("/api/incidents.json"))
            self.last_look = self.lane.clock.now()
        except HttpError as error:
            if self.deaths() != deaths:
                self.plan(AFTER_REFUSAL_S)  # it was killed meanwhile: nobody's fault, look again
            elif str(error) not in self.problems:
                self.problems.append(str(error))
        finally:
            self._looking = False

    async def look_back(self) -> None:
        """What the platform said of the causes, over the whole run."""
        try:
            self.causes = await self._rows("/api/causes")
        except HttpError as error:
            self.problems.append(str(error))

    async def check_page(self) -> None:
        """The pages themselves must show the times of their data: the incident's, or the post's own
        where an incident has more posts than a page holds."""
        try:
            for incident in self.incidents:
                path = f"/incidents/{incident.get('id')}"
                shown = await self._times(path)
                for post in incident.get("posts", []):
                    at = moment(post.get("at"))
                    if at is None or _among(at, shown):
                        continue
                    if not _among(at, await self._times(f"{path}/posts/{post.get('number')}")):
                        self.problems.append(f"{path} lacks a post's time")
        except HttpError as error:
            self.problems.append(str(error))

    async def _times(self, path: str) -> list[float]:
        page = await self._get(self.lane, self.public, path, "")
        times = Times()
        times.feed(page.decode("utf-8", "replace"))
        return times.found

    async def _rows(self, path: str) -> list[dict[str, Any]]:
        return self._read(await self._get(self.lane, self.operator, path, self.token), path)

    async def _public(self, path: str) -> list[dict[str, Any]]:
        return self._read(await self._get(self.lane, self.public, path, ""), path)

    def _read(self, body: bytes, path: str) -> list[dict[str, Any]]:
        before = self._answers.get(path)
        if before is None or before[0] != body:  # mostly it is the very same answer again
            before = self._answers[path] = body, _list(body, path)
        return before[1]

    def _merge(self, known: dict[str, Seen], rows: list[dict[str, Any]], key: str) -> None:
        now = self.lane.clock.now()
        for n, row in enumerate(rows):
            name = str(row.get("id", n))
            if name in known:
                known[name].row = row
                continue
            stated = moment(row.get(key))
            known[name] = Seen(name, self._believed(stated, now), row)

    def _believed(self, stated: float | None, now: float) -> float:
        # A look at the very instant may come before or after; a millisecond is below rounding.
        if stated is None or stated > now or stated < self.last_look - 0.0015:
            return now
        return stated

    def _take_incidents(self, rows: list[dict[str, Any]]) -> None:
        self.incidents = rows
        now = self.lane.clock.now()
        self.open_incident = any(not row.get("closed_at") for row in rows)
        for row in rows:
            for n, post in enumerate(row.get("posts", [])):
                key = (str(row.get("id")), n)
                if key not in self.posts:
                    at = self._believed(moment(post.get("at")), now)
                    self.posts[key] = Seen(f"{key[0]}/{n}", at, post)

    def posts_of(self) -> dict[str, list[Post]]:
        """Posts by incident, in order."""
        found: dict[str, list[Post]] = {}
        for (incident, _n), seen in sorted(self.posts.items()):
            post = Post(seen.at, str(seen.row.get("kind")), moment(seen.row.get("next_update_by")))
            found.setdefault(incident, []).append(post)
        return {k: sorted(v, key=lambda p: p.at) for k, v in sorted(found.items())}


def _list(body: bytes, path: str) -> list[dict[str, Any]]:
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise HttpError(f"{path}: {error}") from None
    if isinstance(value, dict):
        value = next((v for v in value.values() if isinstance(v, list)), [])
    if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
        raise HttpError(f"{path}: not a list of objects")
    return cast(list[dict[str, Any]], value)


def _among(at: float, times: list[float]) -> bool:
    """Whether a page that prints minutes shows this moment."""
    return any(abs(at - one) < 60 for one in times)
