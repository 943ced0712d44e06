"""Every page that can be reached by links, in Chromium: axe, widths, print, and what it fetches."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, get_args
from urllib.parse import urljoin, urlsplit

import msgspec
import pytest
from tests.apps.conftest import T0, Faces, Handmade
from tests.apps.test_access import people
from tests.apps.test_approving import Approving
from tests.apps.test_operator_resend import Site as Resends
from tests.apps.test_posting import ID
from tests.browser import Chromium, Page
from tests.health import records

from unlisted.apps import letters
from unlisted.facts import RecordImported, ReviewWritten
from unlisted.health.importer import read_record

pytestmark = pytest.mark.browser
AXE = Path(__file__).parent.parent / "axe" / "node_modules" / "axe-core" / "axe.min.js"
MOST = 40  # pages of one face: a crawl that finds no end is a fault of its own
RUN = """axe.run(document, {resultTypes: ['violations']}).then(found => found.violations.map(
  each => each.impact + ' ' + each.id + ': ' + each.nodes.map(node => node.html).join(' | ')))"""


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        pytest.skip("needs axe-core: npm ci --prefix tests/axe --ignore-scripts")
    return AXE.read_text()


def serious(page: Page, axe: str) -> list[str]:
    page.look(axe + "; true")
    return [each for each in page.look(RUN) if each.split()[0] in ("serious", "critical")]


def pages_of(page: Page, start: str) -> list[str]:
    """The start page's address and all that its links lead to on the same host."""
    waiting, seen = [start], dict[str, None]()
    while waiting:
        url = waiting.pop(0)
        if url in seen:
            continue
        seen[url] = None
        assert len(seen) <= MOST, list(seen)
        page.goto(url)
        links = page.look("[...document.querySelectorAll('a[href]')].map(a => a.href)")
        for link in links:
            whole = urljoin(url, link).partition("#")[0]
            is_page = not urlsplit(whole).path.endswith((".json", ".atom", ".csv"))
            if is_page and urlsplit(whole)[:2] == urlsplit(start)[:2]:
                waiting.append(whole)
    return list(seen)


def test_no_page_of_drafts_and_revisions_stumbles(
    tmp_path: Path, browser: Chromium, axe: str
) -> None:
    site = Approving(tmp_path / "journal.db")
    people(site)
    where = f"/api/incidents/{ID}"
    try:
        with browser.page() as page:
            host, port = site.operator
            start = f"http://{host}:{port}/"
            assert look_over(page, start, axe) == []  # the sign-in
            site.post(f"{where}/revisions", {"title": "Letters are late", "why": "clearer"})
            site.post(f"{where}/drafts/2/approve", {"actor": "bob"})
            site.post(f"{where}/posts", {"text": "We look at it.", "actor": "eve"})
            site.post(f"{where}/posts", {"text": "We look at more.", "actor": "eve"})
            site.post(f"{where}/drafts/4/reject", {"actor": "bob", "reason": "say who"})
            site.post(f"{where}/revisions", {"severity": "low", "why": "smaller", "actor": "eve"})
            page.goto(site.link())
            found = pages_of(page, start)
            wanted = [f"/incidents/{ID}{end}" for end in ("", "/post", "/drafts/3", "/drafts/5")]
            assert {urljoin(start, path) for path in wanted} <= set(found)
            faults = [f"{url}: {told}" for url in found for told in look_over(page, url, axe)]
            assert not faults, "\n".join(faults)
            host, port = site.public
            assert look_over(page, f"http://{host}:{port}/incidents/{ID}", axe) == []
    finally:
        site.close()


@pytest.mark.parametrize("face", ["public", "operator"])
def test_no_page_stumbles(
    ended: Any, ended_faces: Any, browser: Chromium, axe: str, face: str
) -> None:
    record = msgspec.json.encode(read_record(records.text().encode())).decode()
    ended.add(RecordImported(at=1.0, id="MX100200", record=record, digest="", actor="ada"))
    ended.add(ReviewWritten(at=2e9, incident="MX1", author="ada", publish=True))
    host, port = ended_faces.public
    with browser.page() as page:
        start = f"http://{host}:{port}/"
        if face == "operator":
            page.goto(ended_faces.link())
            start = urljoin(page.look("location.href"), "/")
        found = pages_of(page, start)
        if face == "operator":
            found += [urljoin(start, "/message?id=m1"), urljoin(start, "/incidents/MX1/post")]
            found.append(urljoin(start, "/incidents/MX1/review"))
            wanted = ("/episode?id=", "/sender?id=", "/incidents/MX1")
        else:
            wanted = ("/incidents/MX1", "/posts/1", "MX1/review", "MX100200", "MX100200/review")
        assert all(any(part in url for url in found) for part in wanted), found
        assert len(found) > 2
        faults = [f"{url}: {told}" for url in found for told in look_over(page, url, axe)]
        assert not faults, "\n".join(faults)
        strangers = {url for url in page.requests if urlsplit(url)[:2] != urlsplit(start)[:2]}
        strangers = {url for url in strangers if not url.startswith("data:")}
        assert strangers == set()


def look_over(page: Page, url: str, axe: str) -> list[str]:
    """Faults in light and dark, on a phone, a wide screen and paper, with and without script."""
    faults, said = [], set()
    for scheme, medium, width, script in (
        ("light", "screen", 1400, True),
        ("dark", "screen", 360, True),
        ("dark", "screen", 1400, False),
        ("light", "screen", 360, False),
        ("light", "print", 700, False),
    ):
        page.script(script)
        page.media(scheme, medium)
        page.size(width, 900)
        page.goto(url)
        if over := page.overflow():
            faults.append(f"{over} pixels too wide at {width} ({medium})")
        if medium == "screen":
            dark = page.ground() < 128
            faults += [] if dark is (scheme == "dark") else [f"not {scheme}"]
            said.add(re.sub(r"\d+", "#", page.look("document.body.textContent")))  # clocks run
        if script:
            faults += [f"{scheme}: {each}" for each in serious(page, axe)]
    page.script(True)
    return faults if len(said) == 1 else [*faults, "says something else without script"]


class Links:
    """What the links of reports lead to: a token is the state of its letter, or a refusal."""

    REFUSED: ClassVar = {"expired": letters.EXPIRED, "forged": letters.FORGED, "gone": letters.GONE}

    def shown(self, token: str) -> letters.Letter | letters.Refused:
        if token in self.REFUSED:
            return self.REFUSED[token]
        again = token in ("waits", "sent")
        return letters.Letter(
            accepted_at=T0, domain="a-long-name-of-a-receiver.students.example.net",
            receiver="mx.example.net", refused_at=T0 + 60, cause="It refused our mail servers.",
            state=token, words=letters._WORDS[token], until=T0 + 259_200,  # type: ignore[arg-type,index]
            again_at=T0 + 9000 if again else None, confirm="ab12" if token == "click" else "",
        )  # fmt: skip


@pytest.fixture
def old_copies(handmade: Handmade) -> Iterator[Faces]:
    """The open story with a report's links, on a journal that can no longer be written."""
    made = Faces(handmade.journal.path, letters=Links())
    made.writable = False
    yield made
    made.close()


def test_no_old_copy_and_no_reports_link_stumbles(
    old_copies: Faces, browser: Chromium, axe: str
) -> None:
    host, port = old_copies.public
    start = f"http://{host}:{port}/"
    with browser.page() as page:
        found = pages_of(page, start)
        page.goto(start)
        assert "This is an old copy" in page.text() and "open incident" in page.text()
        found += [start + f"mail/{one}" for one in (*get_args(letters.State), *Links.REFUSED)]
        found += [start + "no-such-page", start + "incidents/MX9"]
        faults = [f"{url}: {told}" for url in found for told in look_over(page, url, axe)]
        assert not faults, "\n".join(faults)
        assert {urlsplit(url)[1] for url in page.requests} == {urlsplit(start)[1]}


def test_the_switch_of_a_resend_does_not_stumble(
    tmp_path: Path, browser: Chromium, axe: str
) -> None:
    site = Resends(tmp_path / "journal.db")
    try:
        with browser.page() as page:
            page.goto(site.link())
            start = urljoin(page.look("location.href"), "/")
            found = pages_of(page, start)
            assert any("/episode?id=" in url for url in found)
            page.goto(start)
            assert "Sending again" in page.text()
            faults = [f"{url}: {told}" for url in found for told in look_over(page, url, axe)]
            assert not faults, "\n".join(faults)
    finally:
        site.close()
