"""Revisions, merges and splits of incidents: by page, API and command; what the public sees of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.apps.conftest import HOSTILE, T0, Handmade
from tests.apps.test_access import cookie_of, csrf, people, sign_in
from tests.apps.test_posting import ID, Site

from unlisted.apps import cli
from unlisted.facts import (
    IncidentClosed,
    IncidentMerged,
    IncidentOpened,
    IncidentRevised,
    IncidentSplit,
)

WHERE = f"/api/incidents/{ID}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "journal.db")
    people(made)
    yield made
    made.close()


def issue(site: Site) -> dict[str, object]:
    found = site.get(f"/v1.0/admin/serviceAnnouncement/issues/{ID}").json()
    return dict(found)


def test_a_revision_by_the_api_shows_everywhere_with_what_was_before(site: Site) -> None:
    was = site.get("/api/incidents.json").json()[0]
    given = {
        "title": "Letters to schools are late",
        "impact": "Letters to schools come late & are <b>not</b> lost.",
        "scope": "Letters that we send to schools.",
        "start": (datetime.fromisoformat(was["since"]) - timedelta(hours=1)).isoformat(),
        "classification": "incident",
        "origin": "third party",
        "why": "a school <i>called</i>",
        "actor": "zdenka",
    }
    made = site.post(f"{WHERE}/revisions", given)
    assert made.status == 201, made.text
    assert {one["by"] for one in made.json()["revisions"]} == {"zdenka"}
    now = site.get("/api/incidents.json").json()[0]
    assert now["title"] == given["title"] and now["classification"] == "incident"
    assert {one["by"] for one in now["revisions"]} == {"communicator"}
    assert "zdenka" not in json.dumps(now)
    page = site.get(f"/incidents/{ID}").text
    assert "Title revised from" in page and was["title"] in page and "by a communicator" in page
    assert "<b>not" not in page and "&lt;i&gt;called" in page and "zdenka" not in page
    told = issue(site)
    assert told["title"] == given["title"] and told["origin"] == "thirdParty"
    assert told["classification"] == "incident" and told["impactDescription"] == given["impact"]
    assert {"name": "Scope", "value": given["scope"]} in told["details"]
    (status,) = site.get("/api/v2/incidents.json").json()["incidents"]
    assert status["name"] == given["title"] and status["started_at"] == told["startDateTime"]
    named = site.api(f"{WHERE}/revisions").json()
    assert {one["by"] for one in named} == {"zdenka"}


ODD = [
    ({}, 400), ({"why": "x"}, 400), ({"title": 7, "why": "x"}, 400), ({"title": "x"}, 422),
    ({"title": "x", "why": 3}, 400), ({"title": "41 messages", "why": "x"}, 422),
    ({"start": "2999-01-01T00:00Z", "why": "x"}, 422), ({"title": "x" * 5000, "why": "x"}, 400),
    ({"title": "x", "why": "x", "actor": "policy"}, 400),
]  # fmt: skip


@pytest.mark.parametrize(("given", "status"), ODD, ids=[str(g)[:40] for g, _ in ODD])
def test_what_is_no_revision_changes_nothing(site: Site, given: object, status: int) -> None:
    before = site.get("/api/incidents.json").json()
    assert site.post(f"{WHERE}/revisions", given).status == status
    assert site.get("/api/incidents.json").json() == before
    assert site.post("/api/incidents/UL9/revisions", given).status == 404


def test_by_the_page_only_what_was_changed_is_revised(site: Site) -> None:
    ada = cookie_of(sign_in(site, "comm"))
    page = site.ask(site.operator, f"/incidents/{ID}", cookie=ada).text
    assert "Revise" in page and "Split off" not in page  # that is an approver's
    now = site.get("/api/incidents.json").json()[0]
    fields = {"title": now["title"], "scope": now["scope"], "severity": "low", "why": "looks smaller",
              "classification": now["classification"], "impact": "", "csrf": csrf(site, ada)}  # fmt: skip
    fields["severity"] = "low" if now["severity"] != "low" else "medium"
    done = site.form(f"/incidents/{ID}/revise", urlencode(fields), cookie=ada)
    assert done.status == 303 and done.headers["location"] == f"/incidents/{ID}?done=revised"
    (revision,) = site.api(f"{WHERE}/revisions").json()
    assert (revision["field"], revision["by"]) == ("severity", "comm")
    wrong = {**fields, "title": "41 messages are late <b>"}
    answer = site.form(f"/incidents/{ID}/revise", urlencode(wrong), cookie=ada)
    assert answer.status == 422 and "is typed" in answer.text
    assert 'value="41 messages are late &lt;b&gt;"' in answer.text  # nothing typed is lost
    assert "looks smaller" in answer.text
    view = cookie_of(sign_in(site, "view"))
    seen = site.ask(site.operator, f"/incidents/{ID}", cookie=view).text
    assert "by comm" in seen or "comm</span>" in seen
    assert "<button>Revise" not in seen
    for path in ("revise", "merge", "split"):
        answer = site.form(
            f"/incidents/{ID}/{path}", urlencode({"csrf": csrf(site, view)}), cookie=view
        )
        assert answer.status == 403


def test_by_command(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    state = ["--state", str(site.path.parent)]
    words = ["health", "revise", ID, *state]
    assert cli.main([*words, "--title", "Letters are late", "--why", "clearer"]) == cli.OK
    assert "→ Letters are late" in " ".join(capsys.readouterr().out.split())
    assert cli.main([*words, "--start", "soon", "--why", "x"]) == cli.FOUND
    assert cli.main([*words, "--why", "x"]) == cli.USAGE
    assert (
        cli.main(["health", "revise", "UL9", "--title", "x", "--why", "x", *state]) == cli.NO_SUCH
    )
    merge = ["health", "merge", ID, "--into", "UL000009", "--why", "same", *state]
    assert cli.main(merge) == cli.FOUND
    assert "no incident UL000009" in " ".join(capsys.readouterr().out.split())
    split = ["health", "split", ID, "--episode", "e1", "--why", "other", *state]
    assert cli.main(split) == cli.FOUND


@pytest.mark.parametrize("given", [{}, {"into": 3}, {"into": "UL9", "why": 3}])
def test_a_request_that_is_no_merge_is_400(site: Site, given: object) -> None:
    assert site.post(f"{WHERE}/merge", given).status == 400


@pytest.mark.parametrize(
    "given", [{}, {"episodes": 3}, {"episodes": [3]}, {"episodes": ["e"] * 1001}]
)
def test_a_request_that_is_no_split_is_400(site: Site, given: object) -> None:
    assert site.post(f"{WHERE}/split", given).status == 400


def rejoined(made: Handmade) -> None:
    """MX1 is merged into MX2, of which MX3 was split off."""
    for name in ("MX2", "MX3"):
        made.tick(
            T0 + 95_000,
            IncidentOpened(
                at=T0 + 95_000, incident=name, title=f"Some mail is late {HOSTILE}", severity="low",
                classification="advisory", since=T0 + 94_000, episodes=("e1",),
            ),
            IncidentClosed(at=T0 + 95_000, incident=name, since=T0 + 94_000, until=T0 + 95_000),
        )  # fmt: skip
    made.tick(
        T0 + 96_000,
        IncidentMerged(at=T0 + 96_000, incident="MX1", into="MX2", author="bob", why=HOSTILE),
        IncidentRevised(
            at=T0 + 96_000, incident="MX2", field="start", old="2026-11-24T02:06:40Z",
            new="2026-11-23T00:01:02Z", author="policy", why="MX1 was merged into it",
        ),
        IncidentSplit(
            at=T0 + 96_000, incident="MX2", part="MX3", episodes=("e1",), author="bob", why=HOSTILE
        ),
    )  # fmt: skip


def test_merged_and_split_incidents_link_to_each_other_and_keep_their_posts(
    ended: Handmade, ended_faces: Site
) -> None:
    rejoined(ended)
    faces = ended_faces
    first, second, third = (faces.get(f"/incidents/MX{i}").text for i in (1, 2, 3))
    assert "Merged" in first and 'href="/incidents/MX2"' in first and 'id="post-1"' in first
    assert 'href="/incidents/MX1"' in second and 'href="/incidents/MX3"' in second
    assert "Split off" in third and 'href="/incidents/MX2"' in third
    assert faces.get("/incidents/MX1/posts/1").status == 200
    assert "Start revised from" in second and "by the service" in second
    for text in (first, second, third):
        assert "<script" not in text and "bob" not in text
    found = {one["id"]: one for one in faces.get("/api/incidents.json").json()}
    assert found["MX1"]["merged_into"] == "MX2" and found["MX2"]["parts"] == ["MX3"]
    assert found["MX3"]["split_from"] == "MX2"
    root = "/v1.0/admin/serviceAnnouncement/issues/"
    assert {"name": "MergedInto", "value": "MX2"} in faces.get(root + "MX1").json()["details"]
    assert faces.get(root + "MX3").json()["status"] == "serviceRestored"
    cookie = faces.sign_in()
    for name in ("MX1", "MX2", "MX3"):
        page = faces.ask(faces.operator, f"/incidents/{name}", cookie=cookie)
        assert page.status == 200 and "<script" not in page.text
    assert faces.ask(faces.operator, "/incidents/none", cookie=cookie).status == 404
