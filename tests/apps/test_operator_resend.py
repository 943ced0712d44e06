"""The operator's switch for a re-send: by the API, by the page, by the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.apps.conftest import Faces

from unlisted.apps import cli
from unlisted.apps.operator import Operator
from unlisted.apps.resending import Resending
from unlisted.edge.clock_wall import WallClock
from unlisted.edge.http import HttpServer
from unlisted.edge.journal import Journal
from unlisted.edge.readmodel import ReadModel
from unlisted.edge.runner import Runner
from unlisted.facts import (
    Bounce,
    Configured,
    Due,
    EpisodeOpened,
    Policy,
    Pool,
    ProbeAnswered,
    Queued,
    Reception,
    Recipient,
    ResendOrdered,
    decode,
)

A = "127.0.9.1"
LETTERS = 3


class Site(Faces):
    """The operator's face over a runner in whose books letters stand, their path resting."""

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        runner = Runner(Journal(self.path, bytes(32), durable=False), bytes(32))
        clock = WallClock()
        self._book(runner, clock.now() - 7300.0)
        model = ReadModel(self.path, live=True)
        operator = Operator(
            model, self.TOKEN, self._act, clock.now, name="mail", resends=Resending(runner, clock)
        )
        face = HttpServer(operator.app, "127.0.0.1", 0)
        self.operator = await face.start()
        operator.base = f"http://127.0.0.1:{self.operator[1]}"
        folder = self.path.parent
        (folder / "ready.json").write_text(json.dumps({"operator": operator.base}))
        (folder / "operator.token").write_text(self.TOKEN)
        self._ready.set()
        await self._stop.wait()
        await face.stop()
        model.close()
        runner.journal.close()

    def _book(self, runner: Runner, at: float) -> None:
        pool = Pool(name="main", addresses=(A,), helo="out.example.org")
        policy = Policy(resend_by="person")
        made = Configured(at=at, hostname="mx", pools=(pool,), lookups=True, policy=policy)
        runner.record_now(made)
        text = "Message rejected due to policy restrictions"
        for n in range(LETTERS):
            reception = Reception(
                at=at, id=f"m{runner.upcoming}", sender=f"s{n}", tenant="t", origin="login",
                reverse_path="a", recipients=(Recipient(f"p{n}", "example.net"),), size=9,
                digest=f"0{n}", fingerprint="",
            )  # fmt: skip
            (command,) = runner.record_now(reception).commands
            bounce = Bounce(
                at=at, done=command.key, row=command.row, address=A, receiver="mx.example.net",
                code=550, enhanced="5.7.1", text=text, stage="eod",
            )  # fmt: skip
            found = runner.record_now(bounce).facts
            (row,) = [one.row for _, one, _ in found if isinstance(one, Queued)]
            runner.record_now(Due(at=at + 7200.0, row=row, why="until"))
        listed = ProbeAnswered(at=at + 7200.0, zone="bl.example", address=A, state="listed")
        found = runner.record_now(listed).facts
        (self.episode,) = [one.episode for _, one, _ in found if isinstance(one, EpisodeOpened)]

    def orders(self) -> list[Any]:
        model = ReadModel(self.path, live=True)
        rows = model.db.execute("select kind, body from fact where kind='ResendOrdered'").fetchall()
        model.close()
        return [decode(*row) for row in rows]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "journal.db")
    yield made
    made.close()


def test_a_preview_changes_nothing_and_the_switch_is_a_fact(site: Site) -> None:
    given = {"episode": site.episode, "reason": "it is over", "actor": "ada"}
    dry = site.post("/api/resend", {**given, "dry_run": True})
    assert dry.status == 200 and dry.json()["recipients"] == LETTERS and not site.orders()
    assert {one["state"] for one in dry.json()["letters"]} == {"nobody switched it on"}
    done = site.post("/api/resend", {**given, "unknown_outcome": True})
    assert done.status == 202
    assert {one["state"] for one in done.json()["letters"]} == {"its path rests"}
    (order,) = site.orders()
    assert isinstance(order, ResendOrdered)
    said = (order.actor, order.reason, order.episode, order.unknown_outcome)
    assert said == ("ada", "it is over", site.episode, True)
    (plan,) = site.api("/api/resend").json()
    assert plan["episode"] == site.episode and plan["letters"] == []


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"reason": "x"}, 400),
        ({"episode": "e0", "reason": "x"}, 404),
        ({"episode": 7, "reason": "x"}, 400),
        ({"episode": "e1"}, 400),
        ({"episode": "e1", "reason": "x" * 501}, 400),
        ({"episode": "e1", "reason": "x", "unknown_outcome": "yes"}, 400),
        ({"episode": "e1", "reason": "x", "dry_run": 1}, 400),
    ],
)
def test_what_is_no_order_is_refused_in_words(site: Site, given: Any, status: int) -> None:
    answer = site.post("/api/resend", given)
    assert answer.status == status and answer.json()["error"]["message"]
    assert not site.orders()


def test_nobody_orders_without_the_token_or_the_forms_word(site: Site) -> None:
    given = {"episode": site.episode, "reason": "x"}
    assert site.post("/api/resend", given, authorization="Bearer no").status == 401
    assert site.ask(site.operator, "/api/resend").status == 401
    cookie = site.sign_in()
    assert site.form("/resend", urlencode({**given, "csrf": "no"}), cookie=cookie).status == 403
    assert not site.orders()


def test_the_page_shows_the_plan_and_its_form_switches_it_on(site: Site) -> None:
    cookie = site.sign_in()
    page = site.ask(site.operator, "/", cookie=cookie).text
    assert "Sending again" in page and f"what {site.episode} bounced" in page
    csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
    fields = {"csrf": csrf, "episode": site.episode, "reason": "over"}
    assert site.form("/resend", urlencode(fields), cookie=cookie).status == 303
    (order,) = site.orders()
    assert not order.unknown_outcome and order.reason == "over"


def test_the_command_line_speaks_to_the_running_service(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ("--state", str(site.path.parent))
    assert cli.main(["resend", "plan", *state]) == 0
    assert site.episode in capsys.readouterr().out
    assert cli.main(["resend", "run", site.episode, "--dry-run", *state]) == 0
    assert "nothing was switched on" in capsys.readouterr().out and not site.orders()
    assert cli.main(["resend", "run", site.episode, "--reason", "over", *state]) == 0
    said = capsys.readouterr().out
    assert f"{LETTERS} to mx.example.net by {A}; its path rests" in said
    assert all(len(line) <= 80 for line in said.splitlines()) and len(site.orders()) == 1
    assert cli.main(["resend", "run", "e0", *state]) == 3
