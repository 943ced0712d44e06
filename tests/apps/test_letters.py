"""The link in a report about a block: what its page says, who may press its button, and how often."""

from __future__ import annotations

import asyncio
import http.client
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.edge.scripted import SECRET, journaled, letter, receiving, relay, until

from unlisted.apps.letters import Letters
from unlisted.apps.public import Public
from unlisted.edge.http import HttpServer
from unlisted.edge.intake import Submitter
from unlisted.edge.journal import FILE
from unlisted.edge.people import derived
from unlisted.edge.readmodel import ReadModel
from unlisted.facts import Configured, Delivery, Policy, Pool, ResendOrdered, Resent
from unlisted.mail.link import seal_link

DOUBTFUL = "550 5.7.1 Message rejected due to policy restrictions"
KEY = derived(SECRET, "link")
Ask = Callable[..., Awaitable[tuple[int, str]]]


class Site:
    """A relay whose letter to `bob` bounced, and its public page."""

    def __init__(self, service: Any, there: Any, port: int) -> None:
        self.service = service
        self.there = there
        self.port = port

    async def ask(
        self, path: str, form: dict[str, str] | None = None, **more: str
    ) -> tuple[int, str]:
        return await asyncio.to_thread(self._ask, path, form, more)

    def _ask(self, path: str, form: dict[str, str] | None, more: dict[str, str]) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            kind = {"content-type": "application/x-www-form-urlencoded"} if form is not None else {}
            headers = {**kind, **{name.replace("_", "-"): value for name, value in more.items()}}
            body = urlencode(form) if form is not None else None
            connection.request("GET" if form is None else "POST", path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def facts(self, *kinds: Any) -> list[Any]:
        return journaled(self.service.runner, *kinds)


def with_site(tmp_path: Path, work: Callable[[Site, str], Awaitable[None]]) -> None:
    """Runs `work` with the site and the link in the report that the sender got."""

    async def run() -> None:
        async with receiving(rcpt=DOUBTFUL) as there, receiving() as home:
            routes = {"there.example": there.port, "ours.example": home.port}
            base = "https://status.ours.example/"
            async with relay(tmp_path, routes, link=base) as (service, _):
                runner = service.runner
                pool = Pool(name="main", addresses=("127.0.3.1",), helo="out.ours.example")
                policy = Policy(suspicion_wait_s=0.05)
                at = service.clock.now()
                await runner.record(
                    Configured(at=at, hostname="ours.example", pools=(pool,), policy=policy)
                )
                who = Submitter(service.people.host("client"), "books", "host", "client")
                content = letter("the minutes", Subject="minutes")
                said = await service.intake.take(
                    who, "ann@ours.example", ["bob@there.example"], content
                )
                assert said.startswith("250")
                (report,) = await until(lambda: home.messages)
                found = re.search(rb"https://status\.ours\.example(/mail/[a-z2-7]{48})", report)
                assert found is not None, report.decode()
                model = ReadModel(tmp_path / FILE, live=True)
                letters = Letters(runner, service.clock, KEY)
                public = Public(model, "ours.example", service.clock.now, letters=letters)
                server = HttpServer(public.app, "127.0.0.1", 0)
                _, port = await server.start()
                try:
                    await work(Site(service, there, port), found[1].decode())
                finally:
                    await server.stop()
                    model.close()

    asyncio.run(run())


def confirm_of(page: str) -> str:
    found = re.search(r'name="confirm" value="([0-9a-f]+)"', page)
    assert found is not None, page
    return found[1]


def test_the_senders_click_sends_it_again_once_and_a_replay_changes_nothing(tmp_path: Path) -> None:
    async def work(site: Site, link: str) -> None:
        status, page = await site.ask(link)
        assert status == 200 and "have it sent now" in page and "there.example" in page
        assert "bob" not in page and "ann@" not in page and "127.0.3.1" not in page
        site.there.scripts["rcpt"] = "250 ok"
        form = {"confirm": confirm_of(page)}
        status, _ = await site.ask(link, form)
        assert status == 303
        await until(lambda: site.there.messages)
        await until(lambda: site.facts(Delivery))
        for _ in range(3):
            status, page = await site.ask(link, form)
            assert status == 409 and "done already" in page
        status, page = await site.ask(link)
        assert status == 200 and "took it" in page and "<form" not in page
        assert len(site.there.messages) == 1
        assert len(site.facts(Resent)) == len(site.facts(ResendOrdered)) == 1
        assert site.facts(Resent)[0].by == "sender"

    with_site(tmp_path, work)


def test_forged_and_expired_links_get_a_clean_page_and_change_nothing(tmp_path: Path) -> None:
    async def work(site: Site, link: str) -> None:
        token = link.rpartition("/")[2]
        now = site.service.clock.now()
        flipped = token[:-1] + ("a" if token[-1] != "a" else "b")
        cases = {
            flipped: 404, token[:-1]: 404, token + "a": 404, "x": 404, "%00%ff": 404, "a" * 3000: 404,
            seal_link(b"another key", "m2.0", now + 60): 404,
            seal_link(KEY, "m999999.0", now + 60): 404,
            seal_link(KEY, "m2.77", now + 60): 404,
            seal_link(KEY, "m18446744073709551615.0", now + 60): 404,
            seal_link(KEY, "m2.0", now - 1): 410,
        }  # fmt: skip
        for one, expected in cases.items():
            for form in (None, {"confirm": "0" * 32}):
                status, page = await site.ask(f"/mail/{one}", form)
                assert status == expected, (one, status)
                assert "Traceback" not in page and "<form" not in page
        assert not site.facts(ResendOrdered) and not site.there.messages

    with_site(tmp_path, work)


@pytest.mark.parametrize(
    "headers",
    [{"sec_fetch_site": "cross-site"}, {"sec_fetch_site": "same-site"}, {"origin": "https://evil.example"}],
)  # fmt: skip
def test_a_form_of_another_site_is_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    async def work(site: Site, link: str) -> None:
        _, page = await site.ask(link)
        status, _ = await site.ask(link, {"confirm": confirm_of(page)}, **headers)
        assert status == 403
        for form in ({}, {"confirm": ""}, {"confirm": "f" * 32}, {"other": "x" * 5000}):
            status, _ = await site.ask(link, form)
            assert status == 409
        assert not site.facts(ResendOrdered)

    with_site(tmp_path, work)
