"""The stage page in headless Chromium: it fits its window, and its script exchanges its parts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.browser import Chromium

from unlisted_sandbox.stage import StageServer
from unlisted_sandbox.stage_http import Answer
from unlisted_sandbox.stage_view import Address

from .test_stage import picture, stage

pytestmark = pytest.mark.browser
LONG = "a-site-with-a-name-that-does-not-end.and-goes-on.and-on.example " + "x" * 300


@pytest.fixture
def server() -> Iterator[StageServer]:
    made = StageServer()
    made.start()
    pool = tuple(Address(f"127.20.0.{n}", "bl.example", 1_772_500_000.0) for n in range(8))
    wide = picture(pool=pool, caption=LONG, honest_delivered=1_234_567, honest_submitted=1_234_568)
    made.publish(stage(platforms={"bare": wide, "usual": wide, "unlisted": wide}))
    yield made
    made.stop()


@pytest.mark.parametrize("width", [360, 1400])
def test_the_page_is_no_wider_than_its_window(
    server: StageServer, browser: Chromium, width: int
) -> None:
    with browser.page(width) as page:
        page.goto(server.url)
        assert page.overflow() == 0


class Changing(StageServer):
    """The figures change once the page was read, and the page is not read again."""

    pages = 0

    async def give(self, path: str) -> Answer:
        answer = await super().give(path)
        if path == "/":
            self.pages += 1
            self.publish(stage(number=2, platforms={"bare": picture(honest_delivered=16)}))
        return answer


def test_the_script_shows_what_has_changed_without_loading_the_page_again(
    browser: Chromium,
) -> None:
    server = Changing()
    server.start()
    server.publish(stage())
    try:
        with browser.page() as page:
            page.goto(server.url)
            page.until("document.body.innerText.includes('16 of 20')")
            assert page.look("document.getElementById('lost').hidden")
    finally:
        server.stop()
    assert server.pages == 1
