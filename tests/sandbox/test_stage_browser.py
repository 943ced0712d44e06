"""The stage page in headless Chromium: it fits its window, and its script exchanges its parts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from unlisted_sandbox import stage_page
from unlisted_sandbox.stage import StageServer
from unlisted_sandbox.stage_ask import Told
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


@pytest.fixture
def chromium(requires: Callable[[str], str], tmp_path: Path) -> Callable[..., str]:
    program = requires("chromium")

    def run(url: str, *more: str) -> str:
        command = [
            "nice", program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", *more, url,
        ]  # fmt: skip
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=100,
            env={**os.environ, "HOME": str(tmp_path), "NO_AT_BRIDGE": "1"},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run


@pytest.mark.parametrize("width", [360, 1400])
def test_the_page_is_no_wider_than_its_window(
    server: StageServer, chromium: Callable[..., str], tmp_path: Path, width: int
) -> None:
    # The page forbids frames and foreign script, so the measuring is done on a copy of it.
    assert server._stage is not None
    text = stage_page.page(server._stage, Told(), links=True).decode()
    style = stage_page.file("stage.css").decode()
    frame = tmp_path / "page.html"
    measure = "<script>document.title='wide '+document.documentElement.scrollWidth</script>"
    text = text.replace('<link rel="stylesheet" href="/stage.css">', f"<style>{style}</style>")
    frame.write_text(text.replace("</body>", measure + "</body>"))
    # Headless windows are 500 wide at least: a frame has the width that is asked for.
    outer = tmp_path / "outer.html"
    outer.write_text(
        f'<iframe src="page.html" style="width:{width}px;height:900px;border:0"></iframe>'
        "<script>onload=()=>{document.title=frames[0].document.title}</script>"
    )
    seen = chromium(
        outer.as_uri(), "--allow-file-access-from-files", f"--window-size={width + 100},1000"
    )
    assert f"<title>wide {width}</title>" in seen


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
    chromium: Callable[..., str],
) -> None:
    server = Changing()
    server.start()
    server.publish(stage())
    try:
        seen = chromium(server.url, "--virtual-time-budget=4000")
    finally:
        server.stop()
    assert server.pages == 1 and "<b>16</b> of 20" in seen
    assert '<p id="lost" class="banner" hidden="">' in seen
