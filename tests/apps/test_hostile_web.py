"""What strangers send and write: both faces answer it in bounded time, shown and never obeyed."""

from __future__ import annotations

import json
import re
import socket
import time
import unicodedata
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.apps.conftest import POOL, T0, Faces, Handmade, figures, row

from unlisted.apps import web
from unlisted.edge.http import MAX_BODY
from unlisted.facts import (
    Bounce,
    Configured,
    EpisodeOpened,
    IncidentOpened,
    Posted,
    Reception,
    Recipient,
    Refusal,
    SenderHeld,
)
from unlisted.health import graph

EVIL = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> & ]]> <!-- --> "
    "\u202egnp.exe\u202c \u2066x\u2069 \u200f\u061c \u2028 \x00\x07\x1b[31mred\x1b[0m\x9b \x7f "
    "{{ 7*7 }} ${7*7} javascript:alert(3) \ufffe \U0001f600 %s %n \r\nSet-Cookie: a=b"
)
GRAPH = graph.ROOT
PUBLIC = (
    "/", "/incidents/MX1", "/incidents/MX1/posts/1", "/api/incidents.json", "/feed.atom",
    "/api/v2/summary.json", "/api/v2/incidents.json", "/openapi.json",
    f"{GRAPH}/issues", f"{GRAPH}/issues/MX1", f"{GRAPH}/healthOverviews?$expand=issues",
)  # fmt: skip


def evil(path: Path) -> Handmade:
    """One short story with EVIL in every text that comes from outside."""
    made = Handmade(path)
    made.add(Configured(at=T0, hostname="mail.example.org", pools=(POOL,)))
    message = f"m{made.journal.last + 1}"
    made.add(
        Reception(
            at=T0 + 1, id=message, sender="anna", tenant=f"t{EVIL}", origin="login",
            reverse_path="annas", recipients=(Recipient("bob", "example.net"),), size=9,
            digest="00", fingerprint="",
        ),
        personal={"anna": f"login:anna{EVIL}", "bob": f"bob{EVIL}@example.net"},
    )  # fmt: skip
    address = POOL.addresses[0]
    made.add(
        Bounce(
            at=T0 + 2, row=row(message), address=address, receiver=f"mx{EVIL}", code=554,
            text=EVIL, stage="mail",
        ),
        Refusal(
            at=T0 + 2, row=row(message), address=address, receiver=f"mx{EVIL}", code=554, text=EVIL,
            zone=f"list{EVIL}", retry="after_delisting", rule=EVIL,
        ),
        EpisodeOpened(
            at=T0 + 2, episode="e1", address=address, zone=f"list{EVIL}", receiver=None,
            basis=EVIL, since=T0 + 2, refusals=1, attempts=1,
        ),
        SenderHeld(
            at=T0 + 3, hold="h1", sender="anna", tenant=f"t{EVIL}", scope=EVIL, campaigns=("m7",),
            reason=EVIL, expires_at=T0 + 1e6, episode="e1",
        ),
        IncidentOpened(
            at=T0 + 4, incident="MX1", title=EVIL, classification="advisory", severity="medium",
            since=T0 + 2, episodes=("e1",),
        ),
        Posted(
            at=T0 + 5, incident="MX1", number=1, post="current", title=EVIL,
            status="serviceDegradation", sections=((EVIL, EVIL), ("Current status", EVIL)),
            figures=figures(T0 + 5, 1, 2), next_update_by=T0 + 2000, deadline=None,
            deadline_met=None,
        ),
    )  # fmt: skip
    return made


@pytest.fixture
def attacked(tmp_path: Path) -> Iterator[Faces]:
    made = evil(tmp_path / "journal.db")
    served = Faces(made.journal.path)
    yield served
    served.close()
    made.journal.close()


def obeyed(text: str) -> list[str]:
    """Characters that a screen or a reader would obey instead of show."""
    return sorted(
        {
            f"U+{ord(one):04X}"
            for one in text
            if (unicodedata.category(one) == "Cc" and one not in "\n")
            or unicodedata.bidirectional(one) in ("RLE", "LRE", "RLO", "LRO", "PDF", "RLI", "LRI", "FSI", "PDI")
            or one in "\u200e\u200f\u061c\u2028\u2029"
        }
    )  # fmt: skip


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from texts(one)


@pytest.mark.parametrize("path", PUBLIC)
def test_no_text_of_strangers_is_obeyed_on_the_public_face(attacked: Faces, path: str) -> None:
    found = attacked.get(path)
    assert found.status == 200, found.text
    assert "set-cookie" not in found.headers
    kind = found.headers["content-type"].partition(";")[0]
    if kind == "text/html":
        assert obeyed(found.text) == []
        assert "<script" not in found.text and not re.search(r"<[^>]*\bonerror=", found.text)
        assert "{{ 7*7 }}" in found.text and "&lt;script&gt;" in found.text
        assert "\ufffd" in found.text, "what was taken out leaves a mark"
    elif kind == "application/json":
        assert [one for text in texts(found.json()) for one in obeyed(text)] == []
    else:
        assert kind == "application/atom+xml"
        tree = ElementTree.fromstring(found.body)
        assert [mark for text in tree.itertext() for mark in obeyed(text)] == []
        assert any("<script>" in text for text in tree.itertext()), "as text it is whole"


def test_no_markup_reaches_a_post_s_body_for_graph(attacked: Faces) -> None:
    issue = attacked.get(f"{GRAPH}/issues/MX1").json()
    content = issue["posts"][0]["description"]["content"]
    assert issue["posts"][0]["description"]["contentType"] == "html"
    assert set(re.findall(r"<[^>]*>", content)) <= {"<br>"}


@pytest.mark.parametrize("path", ["/", "/message?id=m2", "/incidents/MX1/post"])
def test_no_text_of_strangers_is_obeyed_on_the_operator_s_pages(attacked: Faces, path: str) -> None:
    found = attacked.ask(attacked.operator, path, cookie=attacked.sign_in())
    assert found.status in (200, 404)
    assert obeyed(found.text) == [] and "<script" not in found.text


@given(st.text())
def test_a_tamed_text_holds_nothing_that_is_obeyed(text: str) -> None:
    assert obeyed(web.tamed({"a": [(text,)]})["a"][0][0]) == []


# ------------------------------------------------------------ bodies, heads, queries


def sent(at: tuple[str, int], head: str, chunk: bytes, count: int) -> tuple[bytes, int]:
    """What came back, and how much of the body the other side let in before."""
    taken = 0
    with socket.create_connection(at, timeout=20) as client:
        client.sendall(head.encode())
        try:
            for _ in range(count):
                client.sendall(chunk)
                taken += len(chunk)
        except OSError:
            pass  # it hung up, as it may
        client.settimeout(20)
        answer = b""
        try:
            while block := client.recv(65536):
                answer += block
        except OSError:
            pass
    return answer, taken


@pytest.mark.parametrize("face", ["public", "operator"])
@pytest.mark.parametrize("chunked", [False, True])
def test_ten_megabytes_are_413_and_not_taken_in(faces: Faces, face: str, chunked: bool) -> None:
    size = 10 << 20
    path = "/v1.0/admin/serviceAnnouncement/issues" if face == "public" else "/api/signin-links"
    how = "transfer-encoding: chunked" if chunked else f"content-length: {size}"
    head = (
        f"POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {Faces.TOKEN}\r\n{how}\r\n\r\n"
    )
    block = b"x" * 65536
    if chunked:
        block = b"%x\r\n%s\r\n" % (len(block), block)
    answer, _ = sent(getattr(faces, face), head, block, size // 65536)
    if answer:  # a client that goes on sending may lose the answer to the reset
        assert answer.split()[1] in (b"413", b"405", b"401"), answer[:200]
    assert faces.get("/").status == 200


def test_whoever_is_answered_before_the_body_was_read_is_hung_up_on(faces: Faces) -> None:
    head = "POST /v1.0/admin/serviceAnnouncement/issues HTTP/1.1\r\nhost: x\r\n"
    answer, _ = sent(faces.public, head + "transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 1)
    assert answer.split()[1] in (b"401", b"405")
    assert b"\r\nconnection: close\r\n" in answer.lower()


def test_a_body_over_the_bound_is_told_so_to_a_client_that_waits(faces: Faces) -> None:
    for face, path in (("public", "/"), ("operator", "/signin")):
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {10 << 20}\r\n\r\n"
        answer, _ = sent(getattr(faces, face), head, b"", 0)
        assert answer.split()[1] == b"413" and str(MAX_BODY).encode() in answer


@pytest.mark.parametrize(
    "text",
    [
        "(" * 4000, "not " * 1000 + "isResolved eq true", "((((" * 50 + "isResolved eq true" + "))))" * 50,
        " or ".join(["isResolved eq true"] * 210), "id in (" + ",".join(["'x'"] * 1300) + ")",
        "contains(title,'" + "a" * 5000 + "')", "'" * 4001, "title eq '" + "''" * 2040, "a" * 4096,
        "title eq '\u202e' or", "1 eq 1", "id eq 'x'; drop table fact", "title eq title", "$it eq 1",
        "isResolved eq true\x00", "startDateTime ge 9999-99-99T99:99:99Z", "contains(title)",
        "((isResolved eq true)", "isResolved eq true)", "any(x:x eq 1)", "\ud800".encode("utf-8", "replace").decode(),
    ],
)  # fmt: skip
def test_a_filter_that_is_none_is_400_in_bounded_time(faces: Faces, text: str) -> None:
    began = time.process_time()
    path = f"{GRAPH}/issues?" + urllib.parse.urlencode({"$filter": text})
    found = faces.get(path)
    assert time.process_time() - began < 1.0
    assert found.status == 400, found.text
    error = found.json()["error"]
    assert error["code"] == "BadRequest" and len(error["message"]) < 200
    assert obeyed(error["message"]) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{GRAPH}/issues?" + "&".join(f"a{n}=1" for n in range(1000)), 400),
        (f"{GRAPH}/issues?" + "&" * 8000, 200),
        (f"{GRAPH}/issues?$top=1&$top=2", 400),
        (f"{GRAPH}/issues?$top=1&%24top=2", 400),
        (f"{GRAPH}/issues?%2524top=1", 400),
        (f"{GRAPH}/issues?$top=%EF%BC%91", 400),
        (f"{GRAPH}/issues?$top=-1", 400),
        (f"{GRAPH}/issues?$top=1e3", 400),
        (f"{GRAPH}/issues?$skip=99999999999999999999", 400),
        (f"{GRAPH}/issues?$TOP=1", 400),
        (f"{GRAPH}/issues?$select=", 400),
        (f"{GRAPH}/issues?$expand=posts", 400),
        (f"{GRAPH}/issues?x=" + "y" * 9000, 400),
        (f"{GRAPH}/issues?x=" + "y" * 20000, 431),
        (f"{GRAPH}/issues/%00", 404),
        (f"{GRAPH}/issues/%ff%fe", 404),
        (f"{GRAPH}/issues/%c0%ae%c0%ae%c0%af", 404),
        (f"{GRAPH}/issues/..%2f..%2fetc%2fpasswd", 404),
        (f"{GRAPH}/healthOverviews/%25%35%33", 404),
        ("/incidents/%2e%2e/%2e%2e/etc/passwd", 404),
        ("/incidents/%3Cscript%3E", 404),
        ("/incidents/MX1/posts/99999999999999999999999", 404),
        ("/incidents/MX1/posts/-1", 404),
        ("/incidents/MX1/posts/%D9%A1", 404),
        ("/style.css/../../secret", 404),
        ("//example.org/", 404),
        ("/api/v2/incidents.json?limit=1", 400),
    ],
)
def test_a_strange_address_gets_a_plain_answer(faces: Faces, path: str, status: int) -> None:
    found = faces.get(path)
    assert found.status == status, found.text[:300]
    assert "Traceback" not in found.text and "<script" not in found.text
    if path.startswith(GRAPH) and status in (400, 404):
        assert set(found.json()["error"]) == {"code", "message", "innerError"}


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "X-Y"]
)
@pytest.mark.parametrize(
    "path",
    ["/", "/incidents/MX1", f"{GRAPH}/issues", f"{GRAPH}/x", "/api/v2/status.json", "/feed.atom"],
)
def test_other_methods_are_405_and_say_which_are_allowed(
    faces: Faces, path: str, method: str
) -> None:
    found = faces.ask(faces.public, path, method)
    assert found.status == 405 and set(found.headers["allow"].split(", ")) == {"GET", "HEAD"}
    if path.startswith("/v1.0/"):
        assert found.json()["error"]["code"] == "MethodNotAllowed"


@pytest.mark.parametrize("path", PUBLIC)
def test_head_is_the_head_of_get(faces: Faces, path: str) -> None:
    whole, head = faces.get(path), faces.ask(faces.public, path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("content-length", "content-type", "etag"):
        assert head.headers.get(name) == whole.headers.get(name)


def test_a_flood_of_header_fields_is_refused(faces: Faces) -> None:
    fields = "".join(f"x-{n}: {'y' * 50}\r\n" for n in range(2000))
    answer, _ = sent(faces.public, f"GET / HTTP/1.1\r\nhost: x\r\n{fields}\r\n", b"", 0)
    assert not answer or answer.split()[1] in (b"400", b"431")
    assert faces.get("/").status == 200


# ------------------------------------------------------------ sign-in links


def test_a_sign_in_link_cannot_be_replayed_forged_or_turned_elsewhere(faces: Faces) -> None:
    code = faces.link().rpartition("/")[2]
    for forged in (code[:-1], code + "x", code.swapcase(), "%00", "x" * 5000, code + "%2f.."):
        found = faces.ask(faces.operator, f"/signin/{forged}")
        assert "set-cookie" not in found.headers and found.status in (403, 404, 405)
    assert faces.ask(faces.operator, f"/signin/{code}").status == 303
    replayed = faces.ask(faces.operator, f"/signin/{code}")
    assert replayed.status == 403 and "set-cookie" not in replayed.headers
    for goal in (
        "//evil.example/",
        "https://evil.example",
        "/\r\nset-cookie: a=b",
        "/message?id=m1&x=//e",
        7,
    ):
        assert faces.post("/api/signin-links", {"actor": "ada", "path": goal}).status == 400


def test_an_error_for_a_program_is_json_whatever_was_asked(faces: Faces) -> None:
    for path in ("/api/%22%7D%2C", "/api/v2/%3Cx%3E.json"):
        found = faces.get(path)
        assert found.status == 404 and json.loads(found.body)["error"]["code"] == 404
