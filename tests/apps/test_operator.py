"""The operator's face: who gets in, what the API says, and that every act is recorded."""

import re
from typing import Any

import pytest
from tests.apps.conftest import HOSTILE, T0, post

from unlisted.facts import (
    Configured,
    DeadlineMissed,
    DutyCalled,
    NoticeLost,
    Pool,
    PostDrafted,
    ReceiverDropped,
    WebhookEnded,
    WebhookLost,
)

LISTS = ["episodes", "causes", "holds", "messages", "pools", "incidents", "untold"]
TIMES = {"episodes": "opened_at", "incidents": "opened_at"}


# ---------------------------------------------------------------- who gets in


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "Bearer ", "Basic dDp0", "Bearer ttt\u00e9", "t" * 43]
)
def test_the_api_wants_the_token(faces: Any, name: str, header: str | None) -> None:
    headers = {} if header is None else {"authorization": header}
    answer = faces.ask(faces.operator, f"/api/{name}", **headers)
    assert answer.status == 401
    assert set(answer.json()["error"]) == {"code", "message"}


def test_a_sign_in_link_works_once_and_a_look_by_a_program_does_not_use_it_up(faces: Any) -> None:
    path = "/signin/" + faces.link().rpartition("/")[2]
    assert faces.ask(faces.operator, path, "HEAD").status == 204
    first = faces.ask(faces.operator, path)
    assert (first.status, first.headers["location"]) == (303, "/")
    cookie = first.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=lax" in cookie
    second = faces.ask(faces.operator, path)
    assert second.status == 403 and "used already" in second.text
    assert "set-cookie" not in second.headers


def test_a_sign_in_link_may_lead_on_to_one_message(faces: Any) -> None:
    made = faces.post("/api/signin-links", {"path": "/message?id=m17"}).json()["url"]
    followed = faces.ask(faces.operator, "/signin/" + made.rpartition("/")[2])
    assert (followed.status, followed.headers["location"]) == (303, "/message?id=m17")


def test_a_session_opens_the_page_and_reads_the_api(faces: Any) -> None:
    cookie = faces.sign_in()
    assert faces.ask(faces.operator, "/", cookie=cookie).status == 200
    assert faces.ask(faces.operator, "/api/holds", cookie=cookie).status == 200


@pytest.mark.parametrize(
    "cookie",
    ["unlisted_session=", "unlisted_session=forged", "unlisted_session=" + "x" * 4000, "a=b;;=", "\x80"],
)  # fmt: skip
def test_a_forged_cookie_gets_the_sign_in_page(faces: Any, cookie: str) -> None:
    answer = faces.ask(faces.operator, "/", cookie=cookie)
    assert answer.status == 401 and "Sign in" in answer.text and "login:eve" not in answer.text


def test_the_token_signs_in_by_form_and_a_wrong_one_does_not(faces: Any) -> None:
    assert faces.form("/signin", f"token={faces.TOKEN}").status == 303
    assert faces.form("/signin", "token=wrong").status == 403
    assert faces.form("/signin", "").status == 403
    assert faces.form("/signin", "token=%ff%fe").status == 403


# ---------------------------------------------------------------- what the API says


@pytest.mark.parametrize("name", LISTS)
def test_each_item_of_each_list_has_its_time_in_utc(faces: Any, name: str) -> None:
    for one in faces.api(f"/api/{name}").json():
        assert re.fullmatch(r"2026-11-2\dT[\d:]{8}\.\d{6}Z", one[TIMES.get(name, "at")])


def test_episodes_tell_address_list_basis_prediction_and_end(faces: Any) -> None:
    newest, named = faces.api("/api/episodes").json()
    assert (newest["id"], newest["list"], newest["receiver"]) == ("e2", None, "mx.example.com")
    assert named["address"] == "192.0.2.11" and named["list"] == "list.example"
    assert named["since"] == "2026-11-23T00:01:02.000000Z"
    assert named["release_predicted_at"] == "2026-11-24T00:00:00.000000Z"
    assert named["refusals"] == 12 and named["attempts"] == 9
    assert named["closed_at"] is None and named["delisted_at"] is None


def test_an_ended_episode_says_how(ended_faces: Any) -> None:
    other, named = ended_faces.api("/api/episodes").json()
    assert (named["how"], other["how"]) == ("delisted", "as found")
    assert named["delisted_at"] == "2026-11-24T01:00:00.000000Z"
    assert named["source_stopped_at"] and named["advice"]


def test_causes_name_senders_readably_with_their_intervals(faces: Any) -> None:
    unsure, guilty = faces.api("/api/causes").json()
    assert (unsure["verdict"], unsure["named"]) == ("not enough evidence", [])
    assert unsure["need"].startswith("another 40 messages")
    assert guilty["named"] == ["login:eve"]
    first = guilty["shares"][0]
    assert (first["sender"], first["share"], first["low"], first["high"]) == (
        "login:eve",
        0.91,
        0.8,
        0.97,
    )


def test_holds_tell_scope_reason_expiry_and_episode(faces: Any) -> None:
    (hold,) = faces.api("/api/holds").json()
    assert (hold["id"], hold["sender"], hold["episode"]) == ("h1", "login:eve", "e1")
    assert hold["released_at"] is None and hold["expires_at"] == "2026-11-30T00:00:00.000000Z"


def test_messages_are_queue_rows_by_sender_and_state(faces: Any) -> None:
    (row,) = faces.api("/api/messages").json()
    assert row["waiting_for"] == "until mx.example.net takes mail from 192.0.2.11 again"
    assert row["sender"].startswith("login:anna")
    assert faces.api("/api/messages?sender=anna&state=wait").json() == [row]
    assert faces.api("/api/messages?sender=login:eve").json() == []
    assert faces.api("/api/messages?state=held").json() == []
    for query in ("limit=0", "limit=x", "limit=99999", "state=lost"):
        assert faces.api(f"/api/messages?{query}").status == 400


def test_pools_tell_lists_rests_and_mail_of_today(faces: Any) -> None:
    (pool,) = faces.api("/api/pools").json()
    first, second = pool["addresses"]
    assert first["listed"] == ["list.example"]
    assert first["receivers"][0]["receiver"] == "mx.example.net"
    assert second["listed"] == [] and second["mail_today"] == 36


def test_a_message_s_story_is_told_by_page_and_api(faces: Any) -> None:
    told = faces.api("/api/messages/m2").json()
    texts = " ".join(line["text"] for line in told["lines"])
    for words in ("Accepted from", "blames our address", "Episode e1", "Cause of e1: login:eve"):
        assert words in texts
    cookie = faces.sign_in()
    page = faces.ask(faces.operator, "/message?id=m2.0", cookie=cookie)
    assert page.status == 200 and "Episode e1" in page.text
    for name in ("m999999", "x", "", "../etc", "m" + "9" * 38):
        assert faces.ask(faces.operator, f"/message?id={name}", cookie=cookie).status == 404


# ---------------------------------------------------------------- acts


def test_a_release_by_the_api_is_recorded_with_actor_and_reason(faces: Any) -> None:
    answer = faces.post("/api/holds/h1/release", {"actor": "ada", "reason": "password changed"})
    assert answer.status == 200
    assert faces.acts == [("ada", "release_hold", "h1", "password changed")]


@pytest.mark.parametrize(
    ("path", "value", "status"),
    [
        ("/api/holds/none/release", {"reason": "x"}, 404),
        ("/api/holds/h1/release", {}, 400),
        ("/api/holds/h1/release", {"reason": "x" * 501}, 400),
        ("/api/holds/h1/release", {"reason": "x", "actor": "a\nb"}, 400),
        ("/api/holds/h1/release", {"reason": 7}, 400),
        ("/api/holds/h1/release", ["x"], 400),
        ("/api/signin-links", {"actor": ["x"]}, 400),
        ("/api/signin-links", {"path": "//elsewhere.example/"}, 400),
        ("/api/signin-links", {"path": "/message?id=m1\r\nset-cookie: a=b"}, 400),
        ("/api/signin-links", {"path": ["/"]}, 400),
    ],
)
def test_an_act_that_is_not_right_changes_nothing(
    faces: Any, path: str, value: object, status: int
) -> None:
    answer = faces.post(path, value)
    assert answer.status == status and answer.json()["error"]["code"] == status
    assert faces.acts == []


def test_a_cookie_alone_cannot_act_by_the_api(faces: Any) -> None:
    headers = {"authorization": "", "cookie": faces.sign_in()}
    assert faces.post("/api/holds/h1/release", {"reason": "x"}, **headers).status == 401
    assert faces.post("/api/signin-links", {}, **headers).status == 401
    assert faces.acts == []


def test_the_page_s_button_wants_the_session_s_csrf_token(faces: Any) -> None:
    cookie = faces.sign_in()
    page = faces.ask(faces.operator, "/", cookie=cookie).text
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    csrf = found[1]
    path = "/holds/h1/release"
    assert faces.form(path, f"csrf={csrf}&reason=ok").status == 401  # no session
    assert faces.form(path, "csrf=forged&reason=ok", cookie=cookie).status == 403
    assert faces.form(path, "reason=ok", cookie=cookie).status == 403
    other = faces.sign_in()
    assert faces.form(path, f"csrf={csrf}&reason=ok", cookie=other).status == 403
    multipart = faces.form(
        path, f"csrf={csrf}", cookie=cookie, content_type="multipart/form-data; boundary=x"
    )
    assert multipart.status == 415
    assert faces.acts == []
    done = faces.form(path, f"csrf={csrf}&reason=password+changed", cookie=cookie)
    assert (done.status, done.headers["location"]) == (303, "/?done=released#holds")
    assert faces.acts == [("ada", "release_hold", "h1", "password changed")]


def test_an_act_that_cannot_be_recorded_says_that_nothing_changed(faces: Any) -> None:
    faces.fail = True
    answer = faces.post("/api/holds/h1/release", {"reason": "x"})
    assert answer.status == 503 and "Nothing was changed" in answer.json()["error"]["message"]


def test_the_page_shows_all_parts_escaped_and_without_script(faces: Any) -> None:
    page = faces.ask(faces.operator, "/", cookie=faces.sign_in()).text
    assert "<script" not in page and "&lt;script&gt;" in page
    for part in ("Episodes", "Causes", "Holds", "Pools", "Queue", "Refusals per hour", "Release"):
        assert part in page
    assert 'aria-label="91 %, 90 % interval 80 to 97 %"' in page


def test_the_page_follows_the_journal_and_a_restart_shows_the_same(
    handmade: Any, faces: Any
) -> None:
    before = faces.api("/api/episodes").json()
    handmade.post_many(1)
    assert len(faces.api("/api/incidents").json()[0]["posts"]) == 4
    again = type(faces)(handmade.journal.path)
    try:
        assert again.api("/api/episodes").json() == before
        for name in LISTS:
            assert again.api(f"/api/{name}").body == faces.api(f"/api/{name}").body
    finally:
        again.close()


@pytest.mark.parametrize("body", [b'{"actor":"\xff"}', b'{"actor":"\\ud800"}', b"[" * 60_000])
@pytest.mark.parametrize("path", ["/api/signin-links", "/api/holds/h1/release"])
def test_a_body_that_is_no_json_object_is_400(faces: Any, path: str, body: bytes) -> None:
    answer = faces.ask(faces.operator, path, "POST", body, authorization=f"Bearer {faces.TOKEN}")
    assert answer.status == 400 and faces.acts == []


def test_what_a_receiver_answered_cannot_turn_a_page_round() -> None:
    from unlisted.apps import web

    shown = web._environment().from_string("{{ a }}{{ b|upper }}").render(a="x\u202ey", b="\u2066<")
    assert shown == "x\ufffdy\ufffd&lt;"


def test_whoever_is_on_duty_sees_the_draft_and_the_call_until_somebody_posts(
    handmade: Any, faces: Any
) -> None:
    by = T0 + 5000
    draft = PostDrafted(at=T0, incident="MX1", deadline=by, sections=(("Current status", "x"),))
    handmade.tick(T0 + 4900, draft, DutyCalled(at=T0, incident="MX1", deadline=by))
    cookie = faces.sign_in()
    page = faces.ask(faces.operator, "/", cookie=cookie).text
    assert "Whoever is on duty:" in page and "Edit the draft" in page
    post(handmade, 4, T0 + 4990)
    page = faces.ask(faces.operator, "/", cookie=cookie).text
    assert "Whoever is on duty:" not in page and "Write a post" in page


def test_an_episode_tells_which_receivers_dropped_its_list(faces: Any, handmade: Any) -> None:
    episode = next(one for one in faces.api("/api/episodes").json() if one["list"])
    assert episode["dropped_by"] == []
    handmade.tick(
        T0 + 4900,
        ReceiverDropped(
            at=T0 + 4900,
            episode=episode["id"],
            address=episode["address"],
            receiver="mx.one.example",
            zone=episode["list"],
            since=T0 + 4000,
            taken=5,
            refused_at=None,
            listed_at=T0 + 4500,
            controls=(("mx.two.example", T0 + 4600),),
        ),
    )
    found = {one["id"]: one for one in faces.api("/api/episodes").json()}[episode["id"]]
    assert [one["receiver"] for one in found["dropped_by"]] == ["mx.one.example"]
    assert found["dropped_by"][0]["at"].endswith("Z") and found["closed_at"] is None


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/api/people", "GET, HEAD, POST"), ("/api/holds", "GET, HEAD"), ("/signout", "POST")],
)
def test_a_method_that_is_not_served_is_answered_with_all_that_are(
    faces: Any, path: str, methods: str
) -> None:
    answer = faces.ask(faces.operator, path, "DELETE")
    assert (answer.status, answer.headers["allow"]) == (405, methods)


# ---------------------------------------------------------------- what was not told

NOW = T0 + 110_000  # of the face


def untold(handmade: Any, at: float, **more: str) -> None:
    """A promise that passed, a webhook lost, one ended, a notice lost; a minute apart."""
    why = more.get("why", "the address does not answer")
    handmade.tick(
        at,
        DeadlineMissed(at=at, incident="MX1", deadline=at - 1),
        WebhookLost(at=at + 60, hook="3f9a01", delivery="msg_1", event="post.published", attempts=8, why=why),
        WebhookEnded(at=at + 120, hook="77c0de"),
        NoticeLost(at=at + 180, notice="n9", what="duty", attempts=1, why=f"no service took it {HOSTILE}"),
    )  # fmt: skip


def test_what_was_not_told_stands_where_the_person_on_duty_looks_first(
    handmade: Any, faces: Any
) -> None:
    cookie = faces.sign_in()
    assert "Not told" not in faces.ask(faces.operator, "/", cookie=cookie).text
    untold(handmade, NOW - 3600)
    page = faces.ask(faces.operator, "/", cookie=cookie).text
    first = page.index("Deadline missed:")
    assert first < page.index("Not told: 4 in the last day.") < page.index('class="charts"')
    assert "MX1 promised an update by" in page and '<a href="/incidents/MX1/post">Write it' in page
    for said in (
        "post.published to webhook 3f9a01</td>", "the address does not answer, after 8 tries",
        "webhook 77c0de</td>", "it answered 410", "the notice “duty” to the operator&#39;s people",
        "after 1 try<", "2026-11-24 05:36:20 UTC",
    ):  # fmt: skip
        assert said in page, said
    assert "<script" not in page
    rows = faces.api("/api/untold").json()
    assert [one["kind"] for one in rows] == [
        "NoticeLost", "WebhookEnded", "WebhookLost", "DeadlineMissed"
    ]  # fmt: skip
    assert rows[-1]["why"] == "nobody has posted it" and all(one["what"] for one in rows)


def test_a_late_update_ends_the_call_and_the_record_says_how_late(
    handmade: Any, faces: Any
) -> None:
    untold(handmade, NOW - 3600)
    post(handmade, 4, NOW - 1801)
    page = faces.ask(faces.operator, "/", cookie=faces.sign_in()).text
    assert "Deadline missed:" not in page and "posted 30 min late, as post 4" in page


def test_what_was_not_told_long_ago_is_no_banner_and_then_only_in_the_api(
    handmade: Any, faces: Any
) -> None:
    cookie = faces.sign_in()
    untold(handmade, NOW - 2 * 86_400)
    page = faces.ask(faces.operator, "/", cookie=cookie).text
    assert "Not told:" not in page and 'id="untold"' in page
    for i in range(80):
        untold(handmade, T0 - 30 * 86_400 + i)
    assert len(faces.api("/api/untold").json()) == 200


@pytest.mark.parametrize(("lookups", "says"), [(True, "none known"), (False, "not asked")])
def test_an_address_is_not_called_free_of_lists_that_nobody_asked(
    handmade: Any, faces: Any, lookups: bool, says: str
) -> None:
    pool = Pool(name="p", addresses=("192.0.2.77",), helo="out.example.org")
    handmade.add(Configured(at=T0 + 90_000, hostname="m.example", pools=(pool,), lookups=lookups))
    page = faces.ask(faces.operator, "/", cookie=faces.sign_in()).text
    row = page[page.index("192.0.2.77") :]
    assert says in row[: row.index("</tr>")]
