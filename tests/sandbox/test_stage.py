"""The stage page: a picture is data, words of others are escaped, and looking changes nothing."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlisted_sandbox.result import Options, Result
from unlisted_sandbox.run import run
from unlisted_sandbox.stage import StageServer
from unlisted_sandbox.stage_ask import Told
from unlisted_sandbox.stage_http import MAX_HEAD, Answer, parse
from unlisted_sandbox.stage_page import PARTS, page, parts, timeline
from unlisted_sandbox.stage_view import Address, Mark, Picture, Refusal, Span, Stage, Story, planned
from unlisted_sandbox.stage_words import STATIONS, steps

from .small_world import small

START = 1_772_409_600.0
HOSTILE = '</q><script>alert(1)</script><img src=x onerror="a()">\x00\x1b[2J“'
QUICK = Options(platforms=("unlisted",), stall_limit_s=60.0)


def picture(**changes: object) -> Picture:
    plain = Picture(
        accepted=10,
        honest_submitted=20,
        honest_delivered=15,
        honest_bounced=2,
        honest_waiting=3,
        spam_submitted=9,
        spam_delivered=4,
        refusals=1,
        resent=1,
        pool=(Address("127.20.0.1", "bl.example", START + 7200), Address("127.20.0.2")),
        listings=(Span("127.20.0.1", START + 600, START + 7200),),
        refused_hourly=(0, 1),
        last_refusals=(Refusal(START + 3700, "mx.example", "127.20.0.1", "554 5.7.1 blocked"),),
        marks=(),
        caption="1 of 2 addresses listed.",
    )
    return msgspec.structs.replace(plain, **changes)


def stage(**changes: object) -> Stage:
    plain = Stage(
        number=1,
        world="small",
        seed=1,
        start=START,
        now=START + 3800,
        end=START + 4 * 86400,
        until=START + 7 * 86400,
        over=False,
        speed=900.0,
        real_s=12.0,
        left_s=300.0,
        platforms={"bare": picture(), "unlisted": picture()},
        secrets=(Mark(START + 60, "hijack", "ann@oak.example is hijacked"),),
        next_hijack=None,
        stories=(Story("m17", START + 700, "mx.example", "554 5.7.1 blocked", START + 7300),),
    )
    return msgspec.structs.replace(plain, **changes)


class Elements(HTMLParser):
    """What a browser would see as elements, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text += data


# --- as data --------------------------------------------------------------------------------------


def test_a_picture_survives_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(stage()), type=Stage) == stage()


def test_the_page_shows_clock_figures_squares_refusals_and_links() -> None:
    seen = Elements(page(stage(), Told(), links=True).decode())
    for words in (
        "Mon 02 Mar 01:03 UTC", "15 of 20", "554 5.7.1 blocked", "1 of 2 egress addresses listed",
        "Message m17", "ann@oak.example is hijacked", "at most 900 simulated seconds a second",
    ):  # fmt: skip
        assert words in seen.text, words
    assert {"/public", "/operator", "/story/m17", "/stage.js", "/stage.css"} <= set(seen.links)
    assert all(link.startswith("/") for link in seen.links)


def test_the_page_holds_without_script_until_the_run_is_over() -> None:
    text = page(stage(), Told(), links=True).decode()
    assert '<noscript><meta http-equiv="refresh"' in text
    assert "refresh" not in page(stage(over=True), Told(), links=True).decode()
    assert set(parts(stage(), Told())) == set(PARTS)
    assert all(html in text for html in parts(stage(), Told()).values())


def test_hostile_words_are_text_wherever_they_come_from() -> None:
    row: dict[str, Any] = dict.fromkeys(
        ("address", "list", "receiver", "how", "verdict", "need", "sender", "scope", "state"),
        HOSTILE,
    )
    row |= {"named": [HOSTILE], "posts": [{"status": HOSTILE}], "shares": [{"sender": HOSTILE}]}
    row |= {"matched": HOSTILE, "opened_at": HOSTILE, "refusals": HOSTILE}
    told = Told((row,), (row,), (row,), (row,), (row,), HOSTILE)
    hostile = picture(
        caption=HOSTILE,
        marks=(Mark(START, "held", HOSTILE),),
        pool=(Address(HOSTILE, HOSTILE, START + 1),),
        last_refusals=(Refusal(START, HOSTILE, HOSTILE, HOSTILE),),
    )
    made = stage(
        world=HOSTILE,
        platforms={"usual": hostile, "unlisted": hostile},
        secrets=(Mark(START, "bulk", HOSTILE),),
        stories=(Story("m1", START, HOSTILE, HOSTILE),),
        faults=(HOSTILE,),
    )
    seen = Elements(page(made, told, links=True).decode())
    plain = Elements(page(stage(), Told(), links=True).decode())
    assert seen.names.count("script") == plain.names.count("script") == 1
    assert "img" not in seen.names and not any(a.startswith("on") for a in seen.attributes)
    assert seen.text.count("<script>alert(1)</script>") > 10


VALUE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9)
JSON = (
    VALUE
    | st.just("2026-03-02T01:00:00Z")
    | st.lists(
        VALUE | st.dictionaries(st.sampled_from(["sender", "share", "at"]), VALUE), max_size=2
    )
)
KEYS = st.sampled_from(
    ["list", "closed_at", "opened_at", "refusals", "named", "shares", "posts", "at", "matched",
     "release_predicted_at", "delisted_at", "source_stopped_at", "next_update_by", "how", "verdict"]
)  # fmt: skip
ROWS = st.lists(st.dictionaries(KEYS, JSON, max_size=6), max_size=3).map(tuple)


@settings(max_examples=60, deadline=None)
@given(st.tuples(ROWS, ROWS, ROWS, ROWS, ROWS))
def test_whatever_an_api_says_ten_captions_and_a_time_line_come_of_it(rows: Any) -> None:
    told = Told(*rows)
    said = steps(told, picture(), (), START + 3800)
    assert tuple(one.name for one in said) == STATIONS
    assert all(one.text and len(one.text) < 2000 for one in said)
    assert timeline(stage(), told).bands


def test_the_loop_is_told_from_the_rows_of_the_api() -> None:
    told = Told(
        episodes=(
            {"id": "e1", "address": "127.20.0.1", "list": "bl.example", "refusals": 2,
             "opened_at": "2026-03-02T01:00:00Z", "closed_at": None, "delisted_at": None,
             "release_predicted_at": "2026-03-03T01:00:00Z", "source_stopped_at": None},
        ),
        causes=(
            {"at": "2026-03-02T01:00:09Z", "verdict": "guilty", "named": ["login:eve@oak.example"],
             "shares": [{"sender": "login:eve@oak.example", "share": 0.5, "low": 0.2, "high": 0.9}]},
        ),
        holds=(
            {"sender": "login:eve@oak.example", "scope": "all mail", "released_at": None,
             "at": "2026-03-02T01:00:09Z"},
        ),
        incidents=(
            {"opened_at": "2026-03-02T01:00:00Z", "closed_at": None, "posts": [
                {"status": "serviceDegradation", "at": "2026-03-02T01:00:01Z",
                 "next_update_by": "2026-03-02T01:30:00Z"}]},
        ),
    )  # fmt: skip
    said = {one.name: one.text for one in steps(told, picture(), stage().stories, START + 3800)}
    assert "127.20.0.1 at bl.example after 2 refusals" in said["sense"]
    assert "eve@oak.example: guilty" in said["explain"] and "50% (20% to 90%)" in said["explain"]
    assert "Mail held of eve@oak.example" in said["contain"]
    assert "No request before the source stops" in said["delist"]
    assert "Tue 01:00 UTC" in said["delist"]
    assert "service degradation. Next by Mon 01:30 UTC" in said["tell"]


def test_what_only_the_world_knows_names_every_hijack_and_large_mailing() -> None:
    world = small()
    marks = planned(world)
    assert [m.kind for m in marks] == ["hijack"]
    assert marks[0].at == world.start + 5 * 3600 and "60 mails an hour" in marks[0].text


# --- over HTTP ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 405),
        ("GET / HTTP/1.1\r\nHost: rebound.example\r\n\r\n", 403),
        ("GET / HTTP/1.1\r\n\r\n", 403),
        ("GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n", 403),
        ("GET http://elsewhere.example/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
        ("hello\r\n\r\n", 400),
        ("GET /%ff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ],
)
def test_a_request_that_is_no_person_s_look_is_refused(head: str, status: int) -> None:
    refused = parse(head.encode())
    assert isinstance(refused, Answer) and refused.status == status


@pytest.mark.parametrize("host", ["127.0.0.1:8", "localhost:8", "[::1]:8", "[::1]", "127.9.9.9"])
def test_a_host_on_loopback_is_served(host: str) -> None:
    assert parse(f"GET /?a=b HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()) == ("/", True)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_path_or_a_refusal(raw: bytes) -> None:
    found = parse(raw + b"\r\n\r\n")
    assert isinstance(found, Answer) or found[0].startswith("/")


@pytest.fixture
def server() -> Iterator[StageServer]:
    made = StageServer()
    made.start()
    yield made
    made.stop()


def get(url: str, path: str, *, raw: bytes | None = None) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_the_page_is_there_before_the_world_and_after_it(server: StageServer) -> None:
    status, headers, body = get(server.url, "/")
    assert status == 200 and b"made ready" in body and b"refresh" in body
    assert "script-src 'self'" in headers["content-security-policy"]
    server.publish(stage())
    assert b"15</b> of 20" in get(server.url, "/")[2]
    first = msgspec.json.decode(get(server.url, "/parts.json")[2])
    server.publish(stage(number=2, platforms={"bare": picture(honest_delivered=16)}))
    second = msgspec.json.decode(get(server.url, "/parts.json")[2])
    assert second["number"] != first["number"] and "16</b> of 20" in second["parts"]["columns"]
    assert second["parts"]["timeline"] != first["parts"]["timeline"]
    assert get(server.url, "/nothing")[0] == 404
    assert b"not running yet" in get(server.url, "/operator")[2]
    assert get(server.url, "/" + "x" * MAX_HEAD)[0] == 431


class Looker(threading.Thread):
    """A person with a quick finger: reads every page of the stage and follows its links."""

    def __init__(self, server: StageServer) -> None:
        super().__init__(daemon=True)
        self.server = server
        self.over = threading.Event()
        self.stages: list[Stage] = []
        self.parts: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.stories: dict[str, bytes] = {}
        self.pages: set[tuple[str, int]] = set()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                self.look()
            except Exception as problem:
                self.problems.append(repr(problem))
            time.sleep(0.3)

    def look(self) -> None:
        url = self.server.url
        status, _, _ = get(url, "/")
        assert status == 200
        self.parts.append(msgspec.json.decode(get(url, "/parts.json")[2]))
        raw = get(url, "/stage.json")[2]
        if b'"platforms"' not in raw:
            return
        seen = msgspec.json.decode(raw, type=Stage)
        self.stages.append(seen)
        for story in seen.stories:
            if story.delivered_at is not None and story.id not in self.stories:
                body = self.follow(f"/story/{story.id}")
                if (f"/story/{story.id}", 200) in self.pages:
                    self.stories[story.id] = body
        if len(self.stages) % 10 == 1:
            for path in ("/operator", "/public"):
                self.follow(path)

    def follow(self, path: str) -> bytes:
        """As a browser would: the redirects, with the cookie."""
        url, at, cookie = self.server.url, path, ""
        for _ in range(4):
            host = url.split("/")[2]
            connection = http.client.HTTPConnection(host, timeout=20)
            connection.request("GET", at, headers={"Cookie": cookie} if cookie else {})
            answer = connection.getresponse()
            body, where = answer.read(), answer.getheader("location")
            cookie = (answer.getheader("set-cookie") or cookie).partition(";")[0]
            connection.close()
            if where is None:
                self.pages.add((path, answer.status))
                return body
            if where.startswith("http"):
                url, at = where, "/" + where.split("/", 3)[3]
            else:
                at = where
        raise AssertionError(f"{path} goes in circles")


@pytest.fixture(scope="module")
def watched() -> tuple[Result, Looker]:
    server = StageServer()
    server.start()
    looker = Looker(server)
    looker.start()
    try:
        result = run(small(), msgspec.structs.replace(QUICK, stage=server))
        looker.over.set()
        looker.join(30)
        looker.parts.append(msgspec.json.decode(get(server.url, "/parts.json")[2]))
    finally:
        looker.over.set()
        server.stop()
    return result, looker


def test_a_run_that_is_watched_all_the_time_gives_the_same_to_the_byte(
    watched: tuple[Result, Looker],
) -> None:
    result, _ = watched
    alone = run(small(), QUICK)
    assert result.faults == () and result.late == 0
    assert result.json() == alone.json()
    assert result.logs == alone.logs


def test_what_was_shown_grows_to_what_the_scoreboard_says(watched: tuple[Result, Looker]) -> None:
    result, looker = watched
    assert len(looker.stages) > 3
    shown = [s.platforms["unlisted"] for s in looker.stages]
    for field in ("honest_submitted", "honest_delivered", "spam_delivered", "refusals"):
        values = [getattr(p, field) for p in shown]
        assert values == sorted(values), field
    assert any(p.listed for p in shown), "nobody saw an address listed"
    assert {len(p.pool) for p in shown} == {4}
    last = looker.parts[-1]
    score = result.platforms["unlisted"]
    assert last["over"] and "scoreboard" in last["parts"]["score"]
    line = f"<b>{score.honest_delivered}</b> of {score.honest_submitted}"
    assert line in last["parts"]["columns"]
    assert f"<b>{score.spam_delivered}</b> of {score.spam_submitted}" in last["parts"]["columns"]


def test_a_refused_mail_can_be_followed_from_its_refusal_to_its_delivery(
    watched: tuple[Result, Looker],
) -> None:
    _, looker = watched
    # While the run ends the product is gone already, and that is said with a 502.
    assert {("/operator", 200), ("/public", 200)} <= looker.pages
    assert {status for _, status in looker.pages} <= {200, 502}
    assert looker.stories, "no refused mail was shown"
    for name, body in looker.stories.items():
        assert f"Message {name}".encode() in body and b"Delivered" in body, name
    gone = ("ConnectionRefused", "RemoteDisconnected", "ConnectionReset")
    assert not [p for p in looker.problems if not p.startswith(gone)]
