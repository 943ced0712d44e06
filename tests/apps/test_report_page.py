"""The report's page in headless Chromium: on a phone and on a desk, in light and in dark."""

from pathlib import Path
from typing import Any

import pytest
from tests.apps.test_browser import WIDTHS
from tests.browser import Chromium
from tests.report.maillog import DAY, HOUR, SPAMCOP, START, UNKNOWN, MailLog

from unlisted.apps import cli

pytestmark = pytest.mark.browser
LONG = "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Path:
    """A report with names as long as they come, a suspect, letters and two addresses."""
    monkeypatch.chdir(tmp_path)
    log = MailLog()
    for number in range(300):
        to = f"stranger{number}@site.example"
        log.mail(
            START + 4 * DAY + number * 20,
            to,
            "anna.maria.von.und.zu.hohenstaufen-waldburg@students.university.example",
            UNKNOWN.format(to=to) if number % 6 == 0 else None,
            relay_ip="2001:db8:1::1",
        )
    for number in range(240):
        at = START + number * HOUR / 2
        bad = at >= START + 4 * DAY + 2 * HOUR
        ip = LONG if number % 2 else "192.0.2.10"
        reply = SPAMCOP.format(ip=ip) + "/" + "x" * 150 if bad else None
        relay = "2001:db8:1::1" if number % 2 else "198.51.100.25"
        log.mail(at, f"f{number % 9}@example.com", f"u{number % 7}", reply, relay_ip=relay)
    name = "a-mail-log-with-a-name-that-is-longer-than-any-phone-is-wide.2026-11-23.log"
    log.write(Path(name))
    code = cli.main(["report", name, "--ours", "192.0.2.0/24", "--ours", LONG, "--html", "r.html"])
    assert code == cli.FOUND
    capsys.readouterr()
    return tmp_path / "r.html"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_report_fits_its_window_in_light_and_dark(
    page: Path, browser: Chromium, scheme: str, width: int
) -> None:
    with browser.page(width) as shown:
        shown.media(scheme)
        shown.goto(page.as_uri())
        assert shown.overflow() == 0
        assert (shown.ground() > 200) == (scheme == "light")
        assert shown.requests == [page.as_uri()]
