"""Stamps that no log has: refused, so that nothing later meets a year it cannot write."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from unlisted.logs.stamp import BEFORE, Calendar, rfc3339


@pytest.mark.parametrize(
    "text",
    [
        "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "1969-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59",
    ],
)  # fmt: skip
def test_a_year_that_no_log_was_written_in_is_no_stamp(text: str) -> None:
    assert rfc3339(text) is None
    with pytest.raises(ValueError):
        Calendar(UTC, 0.0).local(int(text[:4]), 1, 1, 0, 0, 0)


def test_the_first_and_the_last_year_are_read() -> None:
    assert rfc3339("1970-01-01T00:00:00Z") == 0.0
    last = rfc3339("2099-12-31T23:59:59Z")
    assert last is not None and last < BEFORE
    assert datetime.fromtimestamp(last, UTC).year == 2099
