"""Both faces in headless Chromium: nothing overflows, nothing is fetched from elsewhere."""

import contextlib
import http.server
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.browser import Chromium
from tests.health import records

from unlisted.facts import RecordImported
from unlisted.health.importer import read_record

pytestmark = pytest.mark.browser
WIDTHS = [360, 1400]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("face", ["public", "imported", "operator"])
def test_a_page_fits_its_window_in_light_and_dark(
    ended: Any, ended_faces: Any, browser: Chromium, face: str, scheme: str, width: int
) -> None:
    if face == "imported":
        record = msgspec.json.encode(read_record(records.text().encode())).decode()
        ended.add(RecordImported(at=1.0, id="MX100200", record=record, digest="", actor="ada"))
        host, port = ended_faces.public
        url = f"http://{host}:{port}/incidents/MX100200"
    elif face == "public":
        host, port = ended_faces.public
        url = f"http://{host}:{port}/incidents/MX1"
    else:
        url = ended_faces.link()
    with browser.page(width) as page:
        page.media(scheme)
        page.goto(url)
        assert page.overflow() == 0
        assert (page.ground() > 200) == (scheme == "light")
        site = url.split("/", 3)[2]
        assert page.requests and all(each.split("/", 3)[2] == site for each in page.requests)


@pytest.mark.parametrize("allowed", [True, False])
def test_a_page_has_no_script_to_run_and_lets_none_run(
    ended_faces: Any, browser: Chromium, allowed: bool
) -> None:
    host, port = ended_faces.public
    with browser.page() as page:
        page.script(allowed)
        page.goto(f"http://{host}:{port}/incidents/MX1")
        assert "Service restored" in page.text()
        assert "<script" not in page.html() and "javascript:" not in page.html()
    policy = ended_faces.get("/incidents/MX1").headers["content-security-policy"]
    assert "script-src" not in policy and policy.startswith("default-src 'none'")


@contextlib.contextmanager
def elsewhere(link: str) -> Iterator[str]:
    """A page of another site that leads on to the link."""

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'<meta http-equiv="refresh" content="0; url={link}">'.encode()
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(body if self.path == "/" else b"")

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.2", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.2:{server.server_address[1]}/"
        server.shutdown()


def test_a_sign_in_link_followed_from_another_site_signs_in(
    ended_faces: Any, browser: Chromium
) -> None:
    # A browser holds Strict cookies back along the redirect after such a click.
    link = ended_faces.post("/api/signin-links", {"path": "/message?id=m1"}).json()["url"]
    with elsewhere(link) as start, browser.page() as page:
        page.goto(start)
        page.until("document.body.innerText.includes('Message m1')")
        assert "Sign in" not in page.text()


OUT_OF_ITS_CARD = """[...document.querySelectorAll('article')].some(card =>
    [...card.querySelectorAll('time, p, td')].some(one =>
        one.getBoundingClientRect().right > card.getBoundingClientRect().right + 1))"""
LABELLED_TWICE = """[...document.querySelectorAll('table.stack td')].filter(
    cell => cell.childNodes.length > 1).map(cell => cell.innerHTML)"""


def test_on_a_phone_nothing_leaves_its_card_and_a_cell_is_one_beside_its_label(
    ended_faces: Any, browser: Chromium
) -> None:
    host, port = ended_faces.public
    with browser.page(360) as page:
        page.goto(f"http://{host}:{port}/incidents/MX1")
        assert page.look(OUT_OF_ITS_CARD) is False and page.look(LABELLED_TWICE) == []
        page.goto(ended_faces.link())
        host, port = ended_faces.operator
        page.goto(f"http://{host}:{port}/incidents/MX1/review")
        assert page.overflow() == 0 and page.look(LABELLED_TWICE) == []
        assert page.look("document.querySelector('.scrolled img').clientWidth") > 600


def test_in_print_every_figure_stands_with_its_query_and_colours_are_those_of_paper(
    ended_faces: Any, browser: Chromium
) -> None:
    host, port = ended_faces.public
    with browser.page(794) as page:
        page.media("dark", "print")
        page.goto(f"http://{host}:{port}/incidents/MX1")
        shown = "[...document.querySelectorAll('details td')].every(one => one.checkVisibility())"
        assert page.look("document.querySelectorAll('details:not([open])').length") > 0
        assert page.look(shown) and page.ground() > 200 and page.overflow() == 0


def test_text_that_runs_over_the_edge_would_be_seen(ended_faces: Any, browser: Chromium) -> None:
    host, port = ended_faces.public
    with browser.page(360) as page:
        page.goto(f"http://{host}:{port}/")
        page.look("void document.body.append('x'.repeat(400))")
        assert page.overflow() > 0
