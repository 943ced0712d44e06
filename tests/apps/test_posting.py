"""A post with a figure that is not in the journal: by API, by command line and by page."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.apps.conftest import Answer, Faces

from unlisted.apps import cli
from unlisted.apps.operator import Operator
from unlisted.apps.posting import Posting
from unlisted.apps.public import Public
from unlisted.edge.clock_wall import WallClock
from unlisted.edge.http import HttpServer
from unlisted.edge.journal import Journal
from unlisted.edge.readmodel import ReadModel
from unlisted.edge.runner import Runner
from unlisted.facts import (
    Bounce,
    Configured,
    Policy,
    Pool,
    ProbeAnswered,
    Reception,
    Recipient,
    Row,
)

A = "127.0.9.1"
ID = "UL000001"
GOOD = "We found the source.\nWhat you should do: You need not re-send: of your mail waits {{ waiting }}."
BAD = {
    "a figure that is not there": ("{{ lost_mail }} are lost.", "no figure lost_mail"),
    "a typed percentage": ("97% are through.", "'97%' is typed"),
    "a typed count": ("We freed 12,000 messages.", "'12,000 messages' is typed"),
    "a template": ("{{ ''.__class__ }}", "is no figure"),
}


class Site(Faces):
    """Both faces over a runner with an open incident, the state folder ready for commands."""

    POLICY = Policy()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        runner = Runner(Journal(self.path, bytes(32), durable=False), bytes(32))
        clock = WallClock()
        await self._open(runner, clock.now(), policy=self.POLICY)
        model = ReadModel(self.path, live=True)
        poster = Posting(runner, clock)
        operator = Operator(
            model, self.TOKEN, self._act, clock.now, name="mail.example.org", poster=poster,
            staff=self.staff,
        )  # fmt: skip
        faces = [
            HttpServer(Public(model, "mail.example.org", clock.now).app, "127.0.0.1", 0),
            HttpServer(operator.app, "127.0.0.1", 0),
        ]
        self.public, self.operator = [await face.start() for face in faces]
        operator.base = f"http://127.0.0.1:{self.operator[1]}"
        folder = self.path.parent
        (folder / "ready.json").write_text(json.dumps({"operator": operator.base}))
        (folder / "operator.token").write_text(self.TOKEN)
        self._ready.set()
        await self._stop.wait()
        for face in faces:
            await face.stop()
        model.close()
        runner.journal.close()

    @staticmethod
    async def _open(runner: Runner, now: float, **more: Any) -> None:
        pool = Pool(name="main", addresses=(A, "127.0.9.2"), helo="out.example.org")
        await runner.record(
            Configured(at=now, hostname="mx.example.org", pools=(pool,), lookups=True, **more)
        )
        n = runner.upcoming
        text = f"Service unavailable; Client host [{A}] blocked using bl.list.example"
        people = (Recipient("bob", "example.net"),)
        await runner.record(
            Reception(
                at=now, id=f"m{n}", sender="anna", tenant="t", origin="login", reverse_path="a",
                recipients=people, size=9, digest="00", fingerprint="",
            )
        )  # fmt: skip
        row = Row(
            key=f"m{n}.0", message=f"m{n}", sender="anna", tenant="t", recipient="bob",
            domain="example.net", first_at=now, state="out", address=A, drawn=A, attempts=1,
        )  # fmt: skip
        await runner.record(
            Bounce(at=now, row=row, address=A, receiver="mx.example.net", code=554,
                   enhanced="5.7.1", text=text, stage="mail")
        )  # fmt: skip
        await runner.record(
            ProbeAnswered(at=now, zone="bl.list.example", address=A, state="listed")
        )

    def page(self, cookie: str, **fields: str) -> Answer:
        return self.form(f"/incidents/{ID}/post", urlencode(fields), cookie=cookie)

    def csrf(self, cookie: str) -> str:
        text = self.ask(self.operator, f"/incidents/{ID}/post", cookie=cookie).text
        return text.partition('name="csrf" value="')[2].partition('"')[0]

    def posts(self) -> list[dict[str, Any]]:
        (incident,) = self.get("/api/incidents.json").json()
        found: list[dict[str, Any]] = incident["posts"]
        return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "journal.db")
    yield made
    made.close()


def test_a_post_by_the_api_is_published_with_its_figures(site: Site) -> None:
    answer = site.post(f"/api/incidents/{ID}/posts", {"text": GOOD, "actor": "ada"})
    assert answer.status == 201 and answer.json()["number"] == 2
    post = site.posts()[-1]
    told = {one["label"]: one["text"] for one in post["sections"]}
    assert told["What you should do"] == "You need not re-send: of your mail waits 1 message."
    assert {one["name"] for one in post["figures"]} >= {"waiting", "refused_share", "resent"}
    sections = [{"label": "Current status", "text": "More of it is through."}]
    assert site.post(f"/api/incidents/{ID}/posts", {"sections": sections}).status == 201


def by_api(site: Site, text: str, **_: Any) -> str:
    answer = site.post(f"/api/incidents/{ID}/posts", {"text": text})
    assert answer.status == 422
    error = answer.json()["error"]
    assert error["message"] == "; ".join(error["reasons"])
    return str(error["message"])


def by_page(site: Site, text: str, **_: Any) -> str:
    import html

    cookie = site.sign_in()
    answer = site.page(cookie, csrf=site.csrf(cookie), text=text, do="publish")
    assert answer.status == 422 and "Not published" in answer.text
    shown = html.unescape(answer.text)
    assert text.splitlines()[0] in shown  # nothing typed is lost
    return shown


def by_command(site: Site, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    file = site.path.parent / "post.txt"
    file.write_text(text)
    words = ["health", "post", ID, "--file", str(file), "--state", str(site.path.parent)]
    assert cli.main(words) == cli.FOUND
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("way", [by_api, by_page, by_command])
@pytest.mark.parametrize(("text", "why"), BAD.values(), ids=BAD)
def test_a_figure_that_is_not_in_the_journal_cannot_be_published(
    site: Site, way: Any, text: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = site.posts()
    assert why in way(site, text, capsys=capsys)
    assert site.posts() == before


def test_the_page_tries_publishes_and_wants_its_csrf_token(site: Site) -> None:
    cookie = site.sign_in()
    csrf = site.csrf(cookie)
    draft = site.ask(site.operator, f"/incidents/{ID}/post", cookie=cookie).text
    assert "goes out by itself ({{ waiting }})" in draft and "<script" not in draft
    assert site.page(cookie, csrf="x", text=GOOD, do="publish").status == 403
    assert site.page("unlisted_session=x", csrf=csrf, text=GOOD, do="publish").status == 401
    tried = site.page(cookie, csrf=csrf, text=GOOD, do="try")
    assert tried.status == 200 and "This would be published" in tried.text
    assert len(site.posts()) == 1
    done = site.page(cookie, csrf=csrf, text=GOOD, do="publish")
    assert done.status == 303 and len(site.posts()) == 2
    assert site.page(cookie, csrf=csrf, text=GOOD, do="publish", corrects="x").status == 422
    fixed = site.page(cookie, csrf=csrf, text="Better words.", do="publish", corrects="2")
    assert fixed.status == 303 and site.posts()[-1]["corrects"] == 2
    overview = site.ask(site.operator, "/", cookie=cookie).text
    assert f"/incidents/{ID}/post" in overview


def test_the_command_posts_tries_and_corrects(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(site.path.parent)
    file = site.path.parent / "post.txt"
    file.write_text(GOOD)
    words = ["health", "post", ID, "--file", str(file), "--state", folder]
    assert cli.main([*words, "--dry-run"]) == cli.OK and len(site.posts()) == 1
    assert "would be published" in capsys.readouterr().out
    assert cli.main(words) == cli.OK and len(site.posts()) == 2
    assert cli.main([*words, "--corrects", "9"]) == cli.FOUND
    assert cli.main([*words, "--next-update-by", "soon"]) == cli.USAGE
    assert cli.main([*words[:2], "UL9", *words[3:]]) == cli.NO_SUCH
    capsys.readouterr()
    assert cli.main(["health", "lint", ID, "--state", folder, "--json"]) in (cli.OK, cli.FOUND)
    assert isinstance(json.loads(capsys.readouterr().out), list)
    assert cli.main(["health", "lint", "UL000009", "--state", folder]) == cli.NO_SUCH


ODD = [
    {}, {"text": 7}, {"text": "x", "sections": []}, {"sections": [["Title", "x"]]}, {"sections": "x"},
    {"text": "x", "corrects": "1"}, {"text": "x", "corrects": True}, {"text": "x", "dry_run": 1},
    {"text": "x", "next_update_by": "2026-11-23T14:00"}, {"text": "x", "next_update_by": 3},
    {"text": "x", "next_update_by": "9999-99-99T00:00Z"}, {"text": "x", "actor": "\n"},
    {"text": "x" * 30_000},
]  # fmt: skip


@pytest.mark.parametrize("given", ODD, ids=lambda given: str(given)[:40])
def test_a_request_that_is_no_post_is_400(site: Site, given: Any) -> None:
    assert site.post(f"/api/incidents/{ID}/posts", given).status == 400


def test_hostile_posts_are_refused_or_shown_as_text(site: Site) -> None:
    where = f"/api/incidents/{ID}/posts"
    assert site.post(where, {"text": "x"}, authorization="Bearer x").status == 401
    assert site.post("/api/incidents/%2e%2e/posts", {"text": "x"}).status == 404
    assert site.post(where, {"text": "a\u202eb"}).status == 422
    surrogate = '{"text": "a \\ud800 b"}'
    answer = site.ask(site.operator, where, "POST", surrogate, authorization=f"Bearer {site.TOKEN}")
    assert answer.status in (201, 400, 422)
    evil = '<script>alert(x)</script> & "quotes" ]]>'
    assert site.post(where, {"text": evil}).status == 201
    page = site.get(f"/incidents/{ID}").text
    assert "<script" not in page and "&lt;script&gt;" in page
    assert site.get("/feed.atom").status == 200


def test_many_at_once_get_each_its_own_outcome(site: Site) -> None:
    answers: list[int] = []

    def one(number: int) -> None:
        text = f"Word{chr(65 + number)} came from a partner." if number % 2 else "{{ nothing }}"
        answers.append(site.post(f"/api/incidents/{ID}/posts", {"text": text}).status)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(set(answers)) <= [201, 422] and answers.count(422) >= 4
