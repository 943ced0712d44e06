"""The public face with the journal locked, or its disk full: up, with the last good copy, marked."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import json
import resource
import smtplib
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from tests.apps.test_serve import PASSWORD, Served
from tests.health import records

from unlisted.apps.public import Public
from unlisted.edge.readmodel import ReadModel

PATHS = (
    "/", "/incidents/MX100200", "/incidents/MX100200/posts/1", "/api/incidents.json", "/feed.atom",
    "/v1.0/admin/serviceAnnouncement/issues", "/api/v2/summary.json",
)  # fmt: skip
BANNER = "This is an old copy."


class Running(Served):
    """A service with an imported incident."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.configure('[routes]\n"*" = "127.0.0.1:9"\n')  # mail waits
        self.process = self.start()
        self.at = self.ready(self.process)
        token = (self.state / "operator.token").read_text().strip()
        page = base64.b64encode(records.text().encode()).decode()
        body = json.dumps({"page": page})
        headers = {"authorization": f"Bearer {token}"}
        assert self.ask("operator", "/api/records", "POST", body, headers)[0] == 201

    def ask(
        self,
        face: str,
        path: str,
        method: str = "GET",
        body: str | None = None,
        headers: Any = None,
    ) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection(self.at[face].removeprefix("http://"), timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            reply = connection.getresponse()
            fields = {name.lower(): value for name, value in reply.getheaders()}
            return reply.status, fields, reply.read().decode()

    def mail(self) -> int:
        """Hand in a message; the reply code to its data."""
        host, _, port = self.at["smtp"][0].rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=30) as client:
            client.login("anna", PASSWORD)
            try:
                client.sendmail(
                    "anna@school.example", ["bob@example.net"], "Subject: x\r\n\r\nx\r\n"
                )
            except smtplib.SMTPDataError as exc:
                return exc.smtp_code
        return 250

    def until(self, marked: bool) -> tuple[int, dict[str, str], str]:
        limit = time.monotonic() + 30
        while True:
            found = self.ask("public", "/incidents/MX100200")
            if ("x-stale-since" in found[1]) is marked:
                return found
            assert time.monotonic() < limit, found
            time.sleep(0.05)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    yield made
    made.process.kill()
    made.process.communicate()


@contextlib.contextmanager
def locked(running: Running) -> Iterator[None]:
    """Another program holds the journal's exclusive lock."""
    other = subprocess.Popen(
        ["python3", "-c",
         "import sqlite3, sys\n"
         "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
         "db.execute('begin exclusive'); print('locked', flush=True); sys.stdin.read()",
         str(running.state / "journal.db")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    try:
        yield
    finally:
        other.communicate("")


@contextlib.contextmanager
def full(running: Running) -> Iterator[None]:
    """No file of the service can grow or be written any more."""
    pid = running.process.pid
    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, most))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))


@pytest.mark.parametrize("trouble", [locked, full])
def test_with_the_journal_locked_or_the_disk_full_the_last_good_copy_is_shown_and_marked(
    running: Running, trouble: Callable[[Running], contextlib.AbstractContextManager[None]]
) -> None:
    before = {path: running.ask("public", path) for path in PATHS}
    assert all(
        (status, "x-stale-since" in headers) == (200, False)
        for status, headers, _ in before.values()
    )
    with trouble(running):
        # The promise to the client holds too: nothing is taken that could not be kept.
        assert running.mail() == 451
        for path in PATHS:
            began = time.monotonic()
            status, headers, body = running.ask("public", path)
            assert time.monotonic() - began < 2
            assert status == 200
            assert headers["x-stale-since"].startswith("20") and headers["warning"][:3] == "110"
            if headers["content-type"].startswith("text/html"):
                assert BANNER in body
                assert f'<time datetime="{headers["x-stale-since"]}">' in body
            elif path != "/api/v2/summary.json":  # which tells its own time
                assert body == before[path][2]
        assert running.process.poll() is None
    status, _, body = running.until(marked=False)
    assert (status, BANNER in body) == (200, False)
    assert running.mail() == 250


def test_a_lock_shows_before_any_mail_runs_into_it(running: Running) -> None:
    running.until(marked=False)
    with locked(running):
        _, _, body = running.until(marked=True)
        assert BANNER in body


def request(path: str) -> Request:
    return Request({"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"",
                    "path_params": {"id": "MX1"}})  # fmt: skip


def test_a_journal_that_cannot_be_read_leaves_what_was_read(handmade: Any) -> None:
    model = ReadModel(handmade.journal.path, live=True)
    made = Public(model, "mail.example.org", lambda: 1_795_500_000.0)

    async def ask(path: str) -> bytes:
        answer = await (made.index if path == "/" else made.incident)(request(path))
        return bytes(answer.body)

    assert BANNER.encode() not in asyncio.run(ask("/incidents/MX1"))
    kept, model.db = model.db, sqlite3.connect(":memory:")  # which has no such table
    for path in ("/", "/incidents/MX1"):
        found = asyncio.run(ask(path))
        assert BANNER.encode() in found and b"MX1" in found
    model.db = kept
    assert BANNER.encode() not in asyncio.run(ask("/incidents/MX1"))
    model.close()


def test_before_the_first_reading_there_is_no_page_that_says_all_is_well(handmade: Any) -> None:
    model = ReadModel(handmade.journal.path, live=True)
    model.db.close()
    model.db = sqlite3.connect(":memory:")
    made = Public(model, "mail.example.org", lambda: 0.0)
    with pytest.raises(Exception, match="cannot be read yet"):
        asyncio.run(made.index(request("/")))
    model.close()


def test_a_post_is_visible_with_the_next_request(faces: Any, handmade: Any) -> None:
    before = faces.get("/incidents/MX1")
    assert faces.get("/incidents/MX1", if_none_match=before.headers["etag"]).status == 304
    handmade.post_many(1)
    after = faces.get("/incidents/MX1", if_none_match=before.headers["etag"])
    assert after.status == 200 and 'id="post-4"' in after.text
    assert faces.get("/incidents/MX1/posts/4").status == 200


def test_a_promise_that_runs_out_is_shown_as_missed_though_nothing_was_committed(
    handmade: Any,
) -> None:
    model = ReadModel(handmade.journal.path, live=True)
    now = [0.0]
    made = Public(model, "mail.example.org", lambda: now[0])

    async def shown() -> bytes:
        return bytes((await made.incident(request("/incidents/MX1"))).body)

    asyncio.run(made.copies.catch_up())
    promised = model.incidents["MX1"].posts[-1].next_update_by
    now[0] = promised - 1
    assert b"missed</span>" not in asyncio.run(shown())
    now[0] = promised + 1
    assert b"missed</span>" in asyncio.run(shown())
    model.close()


def test_an_incident_with_30_posts_is_a_page_of_50_kb_at_most(faces: Any, handmade: Any) -> None:
    handmade.post_many(27)
    found = faces.get("/incidents/MX1")
    assert len(found.body) <= 50 * 1024
    assert all(f"/incidents/MX1/posts/{number}" in found.text for number in range(1, 31))
