"""Values of the settings of whom to tell: whatever is written, a value or a refusal."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.config_telling import DAYS, Target, days, minute, secrets_of, target

GOOD = [
    ("https://hook.example/a?b=c", Target(True, "hook.example", 443, "/a?b=c"), "hook.example"),
    ("https://hook.example", Target(True, "hook.example", 443, "/"), "hook.example"),
    ("http://127.0.0.1:8080/", Target(False, "127.0.0.1", 8080, "/"), "127.0.0.1:8080"),
    ("https://[2001:db8::1]:8443/x", Target(True, "2001:db8::1", 8443, "/x"), "[2001:db8::1]:8443"),
    ("http://h:80/", Target(False, "h", 80, "/"), "h"),
]
BAD = [
    "", "hook.example", "ftp://h/", "https:///x", "https://u:p@h/", "https://h/#f", "https://h:0/",
    "https://h:65536/", "https://h/a b", "https://h/a\r\nX: y", "https://h\\@other/", "HTTPS://h/",
    "https://h/\u00e4", "https://" + "h" * 300 + "/", "https://h/" + "a" * 3000,
]  # fmt: skip


@pytest.mark.parametrize(("url", "found", "authority"), GOOD)
def test_an_address_to_call_is_taken_apart(url: str, found: Target, authority: str) -> None:
    assert target(url) == found and found.authority == authority


@pytest.mark.parametrize("url", BAD)
def test_what_is_no_address_to_call_is_refused(url: str) -> None:
    assert target(url) is None


@given(st.one_of(st.text(), st.from_regex(r"https?://[^ ]{0,40}", fullmatch=True)))
def test_any_text_is_an_address_without_surprises_or_none(text: str) -> None:
    found = target(text)
    if found is not None:
        assert 0 < found.port < 65536 and found.path.startswith("/")
        assert not set("@/?#\\ \r\n\t") & set(found.host)
        assert found.path.isascii() and found.path.isprintable() and " " not in found.path


@pytest.mark.parametrize(
    ("text", "found"),
    [("mon", (0,)), ("mon-fri", (0, 1, 2, 3, 4)), ("sat,sun", (5, 6)), ("fri-mon", (0, 4, 5, 6)),
     ("Mon - Tue", (0, 1)), ("mon-sun", tuple(range(7))), ("", None), ("mon-", (0,)),
     ("-fri", None), ("monday", None)],
)  # fmt: skip
def test_days_of_the_week(text: str, found: tuple[int, ...] | None) -> None:
    assert days(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [("00:00", 0), ("8:30", 510), ("24:00", 1440), ("24:01", None), ("8", None), ("08:60", None)],
)
def test_times_of_day(text: str, found: int | None) -> None:
    assert minute(text) == found


@given(st.text(), st.lists(st.sampled_from(DAYS)))
def test_any_text_of_days_times_and_secrets_is_a_value_or_a_refusal(
    text: str, names: list[str]
) -> None:
    for one in (text, ",".join(names), "-".join(names)):
        found = days(one)
        assert found is None or (set(found) <= set(range(7)) and list(found) == sorted(found))
    assert (minute(text) or 0) <= 1440
    with contextlib.suppress(ValueError):
        assert 1 <= len(secrets_of(text)) <= 2
