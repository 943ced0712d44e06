"""Posts that wait for an approver: by page, API and command line, each by its role."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.apps.conftest import Answer
from tests.apps.test_access import PASSWORD, cookie_of, csrf, people, sign_in
from tests.apps.test_posting import GOOD, ID, Site

from unlisted.apps import cli
from unlisted.facts import Policy


class Approving(Site):
    POLICY = Policy(approve_posts=True)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Approving]:
    made = Approving(tmp_path / "journal.db")
    people(made)
    yield made
    made.close()


def drafts(site: Site) -> tuple[list[int], list[int]]:
    found = site.api(f"/api/incidents/{ID}/drafts").json()
    return [d["draft"] for d in found["waiting"]], [d["draft"] for d in found["returned"]]


def act(site: Site, cookie: str, number: int, **fields: str) -> Answer:
    form = urlencode({"csrf": csrf(site, cookie), **fields})
    return site.form(f"/incidents/{ID}/drafts/{number}", form, cookie=cookie)


def test_one_writes_another_approves_by_the_page(site: Site) -> None:
    ada, bob = cookie_of(sign_in(site, "comm")), cookie_of(sign_in(site, "appr"))
    assert site.posts() == []
    form = urlencode({"csrf": csrf(site, ada), "text": GOOD, "do": "publish"})
    handed = site.form(f"/incidents/{ID}/post", form, cookie=ada)
    assert handed.headers["location"] == "/?done=waits#incidents"
    assert drafts(site) == ([1, 2], []) and site.posts() == []
    overview = site.ask(site.operator, "/", cookie=bob).text
    assert f"/incidents/{ID}/drafts/2" in overview and "waits for an approver" in overview
    page = site.ask(site.operator, f"/incidents/{ID}/drafts/2", cookie=bob).text
    assert "comm" in page and "Approve and publish" in page and "messages" in page
    assert "Approve" not in site.ask(site.operator, f"/incidents/{ID}/drafts/2", cookie=ada).text
    assert act(site, ada, 2, do="approve").status == 403 and site.posts() == []
    assert act(site, bob, 2, do="reject").status == 422  # no reason
    assert act(site, bob, 2, do="approve").headers["location"] == "/?done=posted#incidents"
    (post,) = site.posts()
    assert post["number"] == 1 and "author" not in post  # the page is public
    assert site.get(f"/incidents/{ID}").status == 200
    assert act(site, bob, 2, do="approve").status in (404, 422)


def test_what_goes_back_shows_its_reason_and_can_be_written_anew(site: Site) -> None:
    ada, bob = cookie_of(sign_in(site, "comm")), cookie_of(sign_in(site, "appr"))
    form = urlencode({"csrf": csrf(site, ada), "text": "We look <b>closely</b>.", "do": "publish"})
    site.form(f"/incidents/{ID}/post", form, cookie=ada)
    done = act(site, bob, 2, do="reject", reason="say who is <i>affected</i>")
    assert done.headers["location"] == "/?done=returned#incidents"
    assert drafts(site) == ([1], [2])
    overview = site.ask(site.operator, "/", cookie=ada).text
    assert "went back to comm" in overview and "&lt;i&gt;affected" in overview
    page = site.ask(site.operator, f"/incidents/{ID}/drafts/2", cookie=ada).text
    assert "Went back" in page and f"/incidents/{ID}/post?draft=2" in page
    again = site.ask(site.operator, f"/incidents/{ID}/post?draft=2", cookie=ada).text
    assert "We look &lt;b&gt;closely" in again and "Hand in for approval" in again
    for number in ("0", "99", "999999999999999999999"):
        path = f"/incidents/{ID}/drafts/{number}"
        assert site.ask(site.operator, path, cookie=ada).status == 404


def test_by_the_api(site: Site) -> None:
    where = f"/api/incidents/{ID}"
    assert site.post(f"{where}/posts", {"text": GOOD, "dry_run": True}).status == 200
    made = site.post(f"{where}/posts", {"text": GOOD, "actor": "ada"})
    assert made.status == 202 and made.json()["draft"] == 2
    late = site.post(f"{where}/posts", {"text": "Some more words.", "actor": "ada"}).json()
    refused = site.post(f"{where}/drafts/2/approve", {"actor": "ada"})
    assert refused.status == 422 and "another person" in refused.text
    done = site.post(f"{where}/drafts/2/approve", {"actor": "bob"})
    assert (done.status, done.json()["author"], done.json()["approver"]) == (201, "ada", "bob")
    stale = site.post(f"{where}/drafts/{late['draft']}/approve", {"actor": "bob"})
    assert stale.status == 409 and "published since" in stale.json()["error"]["message"]
    assert site.post(f"{where}/drafts/1/reject", {"actor": "bob"}).status == 422
    assert site.post(f"{where}/drafts/1/reject", {"reason": 7}).status == 400
    assert site.post(f"{where}/drafts/1/reject", {"reason": "x", "actor": "policy"}).status == 400
    assert site.post(f"{where}/drafts/1/reject", {"reason": "\ud800 x"}).status in (200, 400, 422)
    assert site.post("/api/incidents/UL9/drafts/1/approve", {}).status == 404
    assert site.api("/api/incidents/UL9/drafts").status == 404
    assert len(site.posts()) == 1


def test_by_command(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    state = ["--state", str(site.path.parent)]
    file = site.path.parent / "post.txt"
    file.write_text(GOOD)
    assert cli.main(["health", "post", ID, "--file", str(file), *state]) == cli.OK
    assert "draft 2 waits" in capsys.readouterr().out
    assert cli.main(["health", "approve", ID, "2", *state]) == cli.FOUND  # the same user wrote it
    assert "another person" in " ".join(capsys.readouterr().out.split())
    assert cli.main(["health", "reject", ID, "2", "--reason", "no", *state]) == cli.OK
    assert cli.main(["health", "approve", ID, "2", *state]) == cli.FOUND
    capsys.readouterr()
    assert cli.main(["health", "approve", ID, "1", "--json", *state]) == cli.OK  # the policy's
    assert json.loads(capsys.readouterr().out)["author"] == "policy"
    assert cli.main(["health", "approve", "UL9", "1", *state]) == cli.NO_SUCH
    assert len(site.posts()) == 1


def test_a_person_of_both_roles_does_not_approve_their_own(site: Site) -> None:
    site.staff.put("both", ("communicator", "approver"), PASSWORD)
    eve = cookie_of(sign_in(site, "both"))
    form = urlencode({"csrf": csrf(site, eve), "text": GOOD, "do": "publish"})
    site.form(f"/incidents/{ID}/post", form, cookie=eve)
    answer = act(site, eve, 2, do="approve")
    assert answer.status == 422 and "another person" in answer.text and site.posts() == []
