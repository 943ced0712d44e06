"""Two monitors that cannot be run here, held by the fields they read of Graph (their own source).

m365-exporter (Go) dereferences what it reads, so nothing of it may be null, and knows eleven states;
check_o365health (Perl) asks for one service by name with a slash at the end and compares states by
their exact letters.
"""

from __future__ import annotations

import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from tests.health import records

from unlisted.apps.serve import imported
from unlisted.facts import Observed

ROOT = "/v1.0/admin/serviceAnnouncement"
EXPORTED = (
    "id",
    "isResolved",
    "service",
    "classification",
    "startDateTime",
    "title",
    "endDateTime",
)
STATES = {
    "serviceOperational", "investigating", "restoringService", "verifyingService", "serviceRestored",
    "postIncidentReviewPublished", "serviceDegradation", "serviceInterruption", "extendedRecovery",
    "falsePositive", "investigationSuspended",
}  # fmt: skip


@pytest.fixture
def asked(ended_faces: Any, ended: Any, tmp_path: Path) -> Any:
    """The public face with an incident of ours that ended, and an imported one."""
    fact, _ = imported(records.text().encode(), "ada", None, 1_795_500_000.0)
    assert isinstance(fact, Observed)
    ended.add(fact)
    return ended_faces


def test_the_exporter_finds_no_null_in_what_it_dereferences(asked: Any) -> None:
    issues = asked.get(f"{ROOT}/issues").json()["value"]
    assert sorted(one["id"] for one in issues) == ["MX1", "MX100200"]
    for one in issues:
        assert all(one[name] is not None for name in EXPORTED), one
        assert one["classification"] in ("advisory", "incident")
    for one in asked.get(f"{ROOT}/healthOverviews").json()["value"]:
        assert one["id"] and one["service"] and one["status"] in STATES


def test_the_nagios_check_finds_each_service_by_its_name_and_a_slash(asked: Any) -> None:
    overviews = asked.get(f"{ROOT}/healthOverviews").json()["value"]
    assert len(overviews) == 2
    for one in overviews:
        found = asked.get(f"{ROOT}/healthOverviews/{urllib.parse.quote(one['service'])}/").json()
        assert found["service"] == one["service"] and found["status"] == one["status"]
        assert found["status"] in STATES
