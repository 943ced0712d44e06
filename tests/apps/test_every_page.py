"""Every page that can be reached by links, in Chromium: axe, widths, print, and what it fetches."""

from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec
import pytest
from tests.apps.test_access import people
from tests.apps.test_approving import Approving
from tests.apps.test_posting import ID
from tests.browser import Chromium, Page
from tests.health import records

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
        assert len(found) > 2
        faults = [f"{url}: {told}" for url in found for told in look_over(page, url, axe)]
        assert not faults, "\n".join(faults)
        strangers = {url for url in page.requests if urlsplit(url)[:2] != urlsplit(start)[:2]}
        strangers = {url for url in strangers if not url.startswith("data:")}
        assert strangers == set()


def look_over(page: Page, url: str, axe: str) -> list[str]:
    faults = []
    for scheme, medium, width in (
        ("light", "screen", 1400),
        ("dark", "screen", 360),
        ("light", "print", 700),
    ):
        page.media(scheme, medium)
        page.size(width, 900)
        page.goto(url)
        if over := page.overflow():
            faults.append(f"{over} pixels too wide at {width} ({medium})")
        if medium == "screen":
            faults += [f"{scheme}: {each}" for each in serious(page, axe)]
    return faults
