"""A journal made by hand: facts as stations would derive them, without stations.

It tells one incident from its first refusal to its last post, with markup in every text that
comes from outside, so that each page test is also a test of escaping.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from unlisted.apps.operator import Operator
from unlisted.apps.public import Public
from unlisted.edge.http import HttpServer
from unlisted.edge.journal import Journal
from unlisted.edge.readmodel import ReadModel
from unlisted.edge.staff import Staff
from unlisted.facts import (
    Accepted,
    Bounce,
    CausesRanked,
    Configured,
    Delisted,
    DelistingAdvised,
    Delivery,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    Figure,
    IncidentClosed,
    IncidentOpened,
    Observed,
    PathRested,
    Pool,
    Posted,
    Queued,
    Reception,
    Recipient,
    Refusal,
    ReleasePredicted,
    Routed,
    Row,
    SenderHeld,
    Settled,
    Share,
    SourceStopped,
    TimerFired,
)

T0 = 1_795_392_000.0  # 2026-11-23 00:00 UTC
SECRET = bytes(range(32))
HOSTILE = '<script>alert("x")</script>'
A, B = "192.0.2.11", "192.0.2.12"
POOL = Pool(name="main-pool", addresses=(A, B), helo="out.example.org")


class Handmade:
    """Appends facts; observed ones first, derived ones under the last observed."""

    def __init__(self, path: Path) -> None:
        self.journal = Journal(path, SECRET, durable=False)

    def add(self, fact: Observed, *derived: Fact, personal: dict[str, str] | None = None) -> int:
        n = self.journal.last + 1
        numbered = [(n + 1 + i, one, n) for i, one in enumerate(derived)]
        self.journal.append(n, fact, numbered, personal=personal)
        self.journal.commit()
        return n

    def post_many(self, count: int) -> None:
        for i in range(count):
            post(self, 4 + i, T0 + 10_000 + 100 * i)

    def tick(self, at: float, *derived: Fact) -> int:
        return self.add(TimerFired(at=at, key="t"), *derived)


def row(message: str, index: int = 0, **more: object) -> Row:
    values: dict[str, object] = {
        "key": f"{message}.{index}",
        "message": message,
        "sender": "anna",
        "tenant": "school",
        "recipient": "bob",
        "domain": "example.net",
        "first_at": T0 + 60,
        "address": A,
        "drawn": A,
    }
    return Row(**{**values, **more})  # type: ignore[arg-type]


def figures(at: float, refused: int, tried: int) -> tuple[Figure, ...]:
    return (
        Figure(
            name="refused_share", value=refused / tried, unit="share", n=tried,
            query="refusals / attempts, all receivers", start=at - 3600, end=at,
            low=max(0.0, refused / tried - 0.06), high=refused / tried + 0.06,
        ),
        Figure(
            name="waiting", value=41.0, unit="messages", n=41,
            query="queue rows that wait for a receiver", start=at, end=at,
        ),
        Figure(
            name="recovered_share", value=None, unit="share", query="probes answered clean",
            start=at - 600, end=at,
        ),
    )  # fmt: skip


def build(path: Path, *, ended: bool = False, posts: int = 3) -> Handmade:
    """The story up to the hold and the posts; `ended`: to its end."""
    made = Handmade(path)
    made.add(Configured(at=T0, hostname="mail.example.org", pools=(POOL,), lookups=True))
    n = made.journal.last + 1
    message = f"m{n}"
    made.add(
        Reception(
            at=T0 + 60, id=message, sender="anna", tenant="school", origin="login",
            reverse_path="annas", recipients=(Recipient("bob", "example.net"),), size=1234,
            digest="00", fingerprint="",
        ),
        Accepted(at=T0 + 60, message=message, campaign=message, size=1),
        Routed(
            at=T0 + 60, key=f"{message}.0", message=message, sender="anna", domain="example.net",
            pool="main-pool", address=A, probability=0.5, epoch=1, among=2, why="draw",
        ),
        Queued(at=T0 + 60, row=row(message, state="out")),
        personal={
            "anna": f"login:anna{HOSTILE}", "bob": "bob@example.net", "eve": "login:eve",
            "zoe": "host:newsletter",
        },
    )  # fmt: skip
    text = f"Service unavailable; Client host [{A}] blocked using list.example {HOSTILE}"
    refused = row(message, state="wait", waits_for=f"path:{A}|mx.example.net", until=T0 + 432000)
    made.add(
        Bounce(
            at=T0 + 62, row=row(message, state="out"), address=A, receiver="mx.example.net",
            code=554, enhanced="5.7.1", text=text, stage="mail",
        ),
        Refusal(
            at=T0 + 62, row=row(message), address=A, receiver="mx.example.net",
            zone="list.example", retry="after_delisting", code=554, enhanced="5.7.1", text=text,
            rule="general/named-list",
        ),
        Queued(at=T0 + 62, row=refused, why="path rests"),
        PathRested(at=T0 + 62, address=A, receiver="mx.example.net", episode=None, why="refusal"),
    )  # fmt: skip
    shares = (
        Share(
            sender="eve", tenant="shop", share=0.91, low=0.8, high=0.97, guilty=True, messages=812,
            reasons=("14 % unknown users (own history 0.6 %)", f"a new campaign {HOSTILE}"),
            campaigns=("m7",),
        ),
        Share(
            sender="anna", tenant="school", share=0.06, low=0.0, high=0.15, messages=3,
            reasons=("long quiet history",),
        ),
        Share(sender="zoe", tenant="news", share=0.03, low=0.0, high=0.11, messages=4000),
    )  # fmt: skip
    made.tick(
        T0 + 70,
        EpisodeOpened(
            at=T0 + 70, episode="e1", address=A, zone="list.example", receiver=None,
            basis="reply+dns", since=T0 + 62, refusals=2, attempts=9, because=(n,),
        ),
        ReleasePredicted(
            at=T0 + 70, episode="e1", release_at=T0 + 86400, low=T0 + 80000, high=T0 + 90000,
            basis="24 h after the last evidence",
        ),
        CausesRanked(
            at=T0 + 70, episode="e1", verdict="guilty", named=("eve",), shares=shares,
            window_s=21600.0,
        ),
        SenderHeld(
            at=T0 + 71, hold="h1", sender="eve", tenant="shop",
            scope="the named campaigns, and mail to people it never wrote to", campaigns=("m7",),
            reason=f"14 % unknown users (own history 0.6 %); {HOSTILE}",
            expires_at=T0 + 7 * 86400, episode="e1",
        ),
        IncidentOpened(
            at=T0 + 80, incident="MX1", title="Some messages are delayed because other providers "
            "refuse one of our sending addresses", classification="advisory", severity="medium",
            since=T0 + 62, episodes=("e1",),
        ),
    )  # fmt: skip
    made.tick(
        T0 + 90,
        EpisodeOpened(
            at=T0 + 90, episode="e2", address=B, zone=None, receiver="mx.example.com",
            basis="shift", since=T0 + 85, refusals=4, attempts=6,
        ),
        CausesRanked(
            at=T0 + 95, episode="e2", verdict="not enough evidence", named=(), shares=shares[1:],
            window_s=21600.0, need="another 40 messages by this address, or a complaint",
        ),
    )  # fmt: skip
    for i in range(posts):
        post(made, i + 1, T0 + 90 + 1500 * i)
    for hour in range(30):
        for k in range(2 + (hour * 7) % 9):
            at = T0 + 100 + hour * 3600 + k
            made.add(
                Delivery(
                    at=at,
                    row=row(f"m{9000 + hour}", k, sender="zoe"),
                    address=B,
                    code=250,
                    receiver="mx.example.org",
                )
            )
    for hour in range(12, 16):
        for k in range(hour % 4 + 1):
            at = T0 + hour * 3600 + k
            made.tick(
                at,
                Refusal(
                    at=at,
                    row=row("m9001", k),
                    address=A,
                    receiver="mx.example.net",
                    code=554,
                    zone="list.example",
                    retry="after_delisting",
                ),
            )
    if ended:
        end(made, message, posts)
    return made


def post(made: Handmade, number: int, at: float, *, final: bool = False) -> None:
    made.tick(
        at,
        Posted(
            at=at, incident="MX1", number=number, post="final" if final else "current",
            title="Some messages are delayed",
            status="serviceRestored" if final else "serviceDegradation",
            sections=(
                ("Title", "Some messages are delayed"),
                ("User impact", "Some messages to some receivers are delayed. They are not lost."),
                ("Current status", "One of our sending addresses is on a blocklist. The cause was "
                 f"found and stopped; messages wait and go out by themselves. {HOSTILE}"),
                ("What you can do", "Nothing. Please do not send the same message again."),
                ("Start time", "Monday, 23 November 2026, 00:01 UTC"),
            ),
            figures=figures(at, 17, 140),
            next_update_by=None if final else at + 1800,
            deadline=None if number == 1 else at + 60,
            deadline_met=None if number == 1 else True,
        ),
    )  # fmt: skip


def end(made: Handmade, message: str, posts: int) -> None:
    at = T0 + 90000
    made.tick(
        at,
        SourceStopped(
            at=at, episodes=("e1",), senders=("eve",), since=T0 + 71,
            evidence="0 messages of 1 held senders' scope left in 25 h",
        ),
        DelistingAdvised(
            at=at, episode="e1", requests="never",
            advice="The list asks not to be asked; it lets go by itself.",
        ),
        Delisted(at=at, episode="e1", low=at - 900, high=at),
        EpisodeClosed(
            at=at + 10, episode="e1", how="delisted", evidence="0 refusals in 140 attempts"
        ),
        EpisodeClosed(at=at + 10, episode="e2", how="as found", evidence="accepted again"),
        Routed(
            at=at + 11, key=f"{message}.0", message=message, sender="anna", domain="example.net",
            pool="main-pool", address=A, probability=1.0, epoch=1, among=1, why="kept",
        ),
        Queued(at=at + 11, row=row(message, state="out")),
    )  # fmt: skip
    made.add(
        Delivery(
            at=at + 12, row=row(message, state="out"), address=A, receiver="mx.example.net",
            code=250, enhanced="2.0.0", text="Ok: queued",
        ),
        Settled(at=at + 12, key=f"{message}.0", message=message, how="delivered"),
    )  # fmt: skip
    post(made, posts + 1, at + 600, final=True)
    made.tick(at + 600, IncidentClosed(at=at + 600, incident="MX1", since=T0 + 62, until=at + 12))


@pytest.fixture
def handmade(tmp_path: Path) -> Iterator[Handmade]:
    """The open story."""
    made = build(tmp_path / "journal.db")
    yield made
    made.journal.close()


@pytest.fixture
def ended(tmp_path: Path) -> Iterator[Handmade]:
    """The whole story."""
    made = build(tmp_path / "journal.db", ended=True)
    yield made
    made.journal.close()


class Answer:
    """An HTTP answer, whole."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


class Faces:
    """Both faces on real sockets, in a thread of their own. `acts`: what was recorded; `letters`:
    what answers the links of reports; `writable`: whether the journal is."""

    TOKEN = "t" * 43

    def __init__(self, path: Path, letters: Any = None) -> None:
        self.path = path
        self.letters = letters
        self.writable = True
        self.acts: list[tuple[str, str, str, str]] = []
        self.signins: list[tuple[str, str, str]] = []
        self.audited: list[Observed] = []
        # Cheap hashes: what a password costs is not what these tests are about.
        self.staff = Staff(path.with_name("people"), PasswordHasher(1, 8, 1))
        self.fail = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        model = ReadModel(self.path, live=True)
        name = f"mail.example.org{HOSTILE}"
        self.operator_app = Operator(
            model, self.TOKEN, self._act, lambda: T0 + 110_000, name=name, staff=self.staff,
            audit=self._audit,
        )  # fmt: skip
        public = Public(
            model, name, lambda: T0 + 110_000, letters=self.letters, writable=lambda: self.writable
        )
        faces = [
            HttpServer(public.app, "127.0.0.1", 0),
            HttpServer(self.operator_app.app, "127.0.0.1", 0),
        ]
        self.public, self.operator = [await face.start() for face in faces]
        self.operator_app.base = f"http://127.0.0.1:{self.operator[1]}"
        self._ready.set()
        await self._stop.wait()
        for face in faces:
            await face.stop()
        await self.operator_app.signing.close()
        model.close()

    async def _act(self, actor: str, act: str, target: str, reason: str, role: str) -> None:
        if self.fail:
            raise OSError("disk full")
        if act in ("sign_in", "sign_out"):
            self.signins.append((actor, act, role))
        else:
            self.acts.append((actor, act, target, reason))

    async def _audit(self, fact: Observed) -> None:
        self.audited.append(fact)

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def ask(
        self,
        at: tuple[str, int],
        path: str,
        method: str = "GET",
        body: bytes | str | None = None,
        **headers: str,
    ) -> Answer:
        connection = http.client.HTTPConnection(*at, timeout=30)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            reply = connection.getresponse()
            fields = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, fields, reply.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        """From the public page."""
        return self.ask(self.public, path, **headers)

    def api(self, path: str, **headers: str) -> Answer:
        """From the operator's API, with the token."""
        return self.ask(self.operator, path, authorization=f"Bearer {self.TOKEN}", **headers)

    def post(self, path: str, value: object, **headers: str) -> Answer:
        headers.setdefault("authorization", f"Bearer {self.TOKEN}")
        return self.ask(self.operator, path, "POST", json.dumps(value), **headers)

    def form(self, path: str, fields: str, **headers: str) -> Answer:
        headers.setdefault("content_type", "application/x-www-form-urlencoded")
        return self.ask(self.operator, path, "POST", fields, **headers)

    def link(self) -> str:
        """A fresh sign-in link."""
        return str(self.post("/api/signin-links", {"actor": "ada"}).json()["url"])

    def sign_in(self) -> str:
        """A session's cookie."""
        answer = self.ask(self.operator, "/signin/" + self.link().rpartition("/")[2])
        assert answer.status == 303
        return answer.headers["set-cookie"].partition(";")[0]


@pytest.fixture
def faces(handmade: Handmade) -> Iterator[Faces]:
    """Both faces of the open story."""
    made = Faces(handmade.journal.path)
    yield made
    made.close()


@pytest.fixture
def ended_faces(ended: Handmade) -> Iterator[Faces]:
    """Both faces of the whole story."""
    made = Faces(ended.journal.path)
    yield made
    made.close()
