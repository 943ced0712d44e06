"""Who may do what on the operator's face: every route by every role, sign-in, and its limits."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.apps.conftest import Answer, Faces

from unlisted.apps import access, cli
from unlisted.apps.attempts import LIMITS, MOST, Attempts
from unlisted.edge.journal import Journal
from unlisted.edge.staff import ROLES
from unlisted.edge.users import Users, parse_user
from unlisted.facts import SignInsRefused

PASSWORD = "correct horse battery"
VALUES = {"{id}": "MX1", "{code}": "x", "{name}": "nobody", "{number}": "1", "{number:int}": "1"}


def people(faces: Faces) -> None:
    for role in ROLES:
        faces.staff.put(role[:4], (role,), PASSWORD)


def sign_in(faces: Faces, name: str, password: str = PASSWORD) -> Answer:
    return faces.form("/signin", urlencode({"name": name, "password": password}))


def cookie_of(answer: Answer) -> str:
    assert answer.status == 303, answer.text
    return answer.headers["set-cookie"].partition(";")[0]


def csrf(faces: Faces, cookie: str) -> str:
    return str(faces.ask(faces.operator, "/api/session", cookie=cookie).json()["csrf"])


def routes(faces: Faces) -> list[tuple[str, str]]:
    return [
        (method, route.path)
        for route in faces.operator_app.app.routes
        for method in sorted(route.methods - {"HEAD"})  # type: ignore[attr-defined]
    ]


def asked(faces: Faces, method: str, path: str, cookie: str, token: str) -> Answer:
    for name, value in VALUES.items():
        path = path.replace(name, value)
    if method == "GET":
        return faces.ask(faces.operator, path, cookie=cookie)
    if path.startswith("/api/"):
        headers = {"cookie": cookie, "x_csrf_token": token}
        return faces.ask(faces.operator, path, method, "{}", **headers)
    return faces.form(path, urlencode({"csrf": token}), cookie=cookie)


def test_each_route_is_for_its_role_and_for_nobody_else(faces: Faces) -> None:
    people(faces)
    table = routes(faces)
    assert len(table) > 25
    acts = {one for one in table if one[0] != "GET"}
    assert acts <= set(access.NEEDS), "an act without a stated role"
    assert set(access.NEEDS) <= set(table), "a stated role without its route"
    assert {access.needed(*one) for one in table} == {*access.EVERY, access.ANYBODY}
    for role in ROLES:
        for method, path in table:
            cookie = cookie_of(sign_in(faces, role[:4]))  # anew: one of the routes signs out
            need = access.needed(method, path)
            before = (list(faces.acts), faces.staff.people())
            answer = asked(faces, method, path, cookie, csrf(faces, cookie))
            may = need in (access.ANYBODY, access.VIEWER, role)
            assert (answer.status == 403) == (not may) or path.startswith("/signin"), (
                role, method, path, answer.status,
            )  # fmt: skip
            if not may:
                assert need in answer.text and "Nothing was changed" in answer.text
                assert (faces.acts, faces.staff.people()) == before
    for method, path in table:
        need = access.needed(method, path)
        answer = asked(faces, method, path, "", "")
        assert (answer.status == 401) == (need != access.ANYBODY or path == "/"), (method, path)


def test_a_person_signs_in_acts_by_role_and_signs_out(faces: Faces) -> None:
    people(faces)
    cookie = cookie_of(sign_in(faces, "oper"))
    token = csrf(faces, cookie)
    assert faces.signins[-1] == ("oper", "sign_in", "operator")
    page = faces.ask(faces.operator, "/", cookie=cookie).text
    assert "oper" in page and "Sign out" in page and "Release" in page
    headers = {"cookie": cookie, "authorization": ""}
    body = {"reason": "checked", "actor": "somebody else"}
    assert faces.post("/api/holds/h1/release", body, **headers).status == 401
    assert faces.post("/api/holds/h1/release", body, x_csrf_token="no", **headers).status == 401
    assert faces.post("/api/holds/h1/release", body, x_csrf_token=token, **headers).status == 200
    assert faces.acts == [("oper", "release_hold", "h1", "checked")]
    assert faces.form("/signout", "csrf=no", cookie=cookie).status == 403
    assert faces.form("/signout", f"csrf={token}", cookie=cookie).status == 303
    assert faces.ask(faces.operator, "/", cookie=cookie).status == 401
    assert faces.signins[-1] == ("oper", "sign_out", "operator")


def test_a_viewer_sees_no_button_that_would_be_refused(faces: Faces) -> None:
    people(faces)
    page = faces.ask(faces.operator, "/", cookie=cookie_of(sign_in(faces, "view"))).text
    assert "/release" not in page and "Write a post" not in page and "Holds" in page


def test_who_is_removed_or_gets_another_password_is_signed_out_and_new_roles_count(
    faces: Faces,
) -> None:
    people(faces)
    cookie = cookie_of(sign_in(faces, "view"))
    assert faces.ask(faces.operator, "/", cookie=cookie).status == 200
    faces.staff.put("view", ("viewer",), PASSWORD + "2")
    assert faces.ask(faces.operator, "/", cookie=cookie).status == 401
    cookie = cookie_of(sign_in(faces, "view", PASSWORD + "2"))
    faces.staff.remove("view")
    assert faces.ask(faces.operator, "/", cookie=cookie).status == 401
    cookie = cookie_of(sign_in(faces, "appr"))
    faces.staff.path.chmod(0o644)
    faces.staff.path.write_text("broken")
    assert faces.ask(faces.operator, "/", cookie=cookie).status == 401
    assert sign_in(faces, "appr").status == 503
    assert faces.sign_in()  # the token needs no file


def test_refused_sign_ins_are_limited_and_counted_not_told_apart(faces: Faces) -> None:
    people(faces)
    answers = [sign_in(faces, "oper", "wrong password") for _ in range(8)]
    assert [one.status for one in answers] == [403] * 5 + [429] * 3
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert sign_in(faces, "oper").status == 429  # the right one waits as well
    said = {re.sub(r"\d+", "N", one.text) for one in answers[:5]}
    assert said == {re.sub(r"\d+", "N", sign_in(faces, "who-is-that", "wrong password").text)}
    assert sum(one.status == 403 for one in (sign_in(faces, f"n{i}") for i in range(20))) <= 5
    assert faces.sign_in()  # a link made on the machine is not held up
    faces.close()
    facts = [one for one in faces.audited if isinstance(one, SignInsRefused)]
    assert len(facts) == 2 and sum(one.count for one in facts) == 30
    assert facts[-1].names == ("oper",)  # a name that is nobody's may be a password


def test_a_sign_in_from_another_site_s_page_is_refused(faces: Faces) -> None:
    people(faces)
    fields = urlencode({"name": "oper", "password": PASSWORD})
    assert faces.form("/signin", fields, sec_fetch_site="cross-site").status == 403
    assert faces.form("/signin", fields, sec_fetch_site="same-origin").status == 303


def test_a_sign_in_that_cannot_be_recorded_lets_nobody_in(faces: Faces) -> None:
    people(faces)
    faces.fail = True
    answer = sign_in(faces, "oper")
    assert answer.status == 503 and "set-cookie" not in answer.headers


@pytest.mark.parametrize("fields", ["name=", "name=%00&password=%ff", f"name={'x' * 9000}",
                                    f"name=oper&password={'x' * 50_000}", "name=oper"])  # fmt: skip
def test_hostile_fields_are_only_wrong(faces: Faces, fields: str) -> None:
    people(faces)
    assert faces.form("/signin", fields).status == 403


@pytest.mark.parametrize(
    "body",
    [{}, {"name": 1}, {"name": "Eve", "roles": ["viewer"], "password": PASSWORD},
     {"name": "eve", "roles": "viewer", "password": PASSWORD},
     {"name": "eve", "roles": ["root"], "password": PASSWORD},
     {"name": "eve", "roles": ["viewer"], "password": "short"},
     {"name": "eve", "roles": ["viewer"], "password": PASSWORD, "actor": "policy"}],
)  # fmt: skip
def test_a_person_that_is_none_is_not_added(faces: Faces, body: dict[str, Any]) -> None:
    assert faces.post("/api/people", body).status == 400
    assert faces.acts == [] and not faces.staff.path.exists()


def test_people_are_added_changed_and_removed_by_the_token_and_recorded(faces: Faces) -> None:
    body = {"name": "eve", "roles": ["approver", "viewer"], "password": PASSWORD, "actor": "root"}
    assert faces.post("/api/people", body).status == 201
    assert faces.post("/api/people", body).status == 200
    assert faces.api("/api/people").json() == [{"name": "eve", "roles": ["viewer", "approver"]}]
    assert faces.post("/api/people/eve/remove", {"actor": "root"}).status == 200
    assert faces.post("/api/people/eve/remove", {}).status == 404
    assert [one[1:3] for one in faces.acts] == [
        ("add_person", "eve"), ("change_person", "eve"), ("remove_person", "eve"),
    ]  # fmt: skip


def test_the_buckets_refill_and_stay_bounded() -> None:
    attempts = Attempts()
    key = ("name", "ada")
    most, refill = LIMITS["name"]
    assert [attempts.wait((key,), 0.0) for _ in range(int(most))] == [0.0] * int(most)
    assert attempts.wait((key,), 0.0) == refill
    assert attempts.wait((key,), refill / 2) == refill / 2
    assert attempts.wait((key,), refill) == 0.0
    attempts.give_back((key,), refill)
    assert attempts.wait((key,), refill) == 0.0
    for i in range(3 * MOST):
        attempts.wait((("name", str(i)),), 100.0)
    assert len(attempts) <= MOST


def test_people_by_command_without_a_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ["--state", str(tmp_path / "var")]

    def typed(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(text))

    typed(PASSWORD + "\n")
    assert cli.main(["people", "add", "ada", "--role", "approver", *state]) == cli.OK
    typed("short\n")
    assert cli.main(["people", "add", "bob", "--role", "viewer", *state]) == cli.USAGE
    assert "12 to 1024" in capsys.readouterr().err
    assert cli.main(["people", "list", "--json", *state]) == cli.OK
    assert json.loads(capsys.readouterr().out) == [{"name": "ada", "roles": ["approver"]}]
    assert cli.main(["people", "remove", "bob", *state]) == cli.NO_SUCH
    assert cli.main(["people", "remove", "ada", *state]) == cli.OK
    assert cli.main(["people", "list", *state]) == cli.OK
    assert "nobody" in capsys.readouterr().out
    secret = bytes.fromhex((tmp_path / "var" / "secret").read_text())
    journal = Journal(tmp_path / "var" / "journal.db", secret)
    told = [line.body for line in journal.lines() if line.kind == "Acted"]
    journal.close()
    assert len(told) == 2 and all("token" in str(one) and PASSWORD not in str(one) for one in told)


def test_a_login_is_made_by_command_and_read_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def typed(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
        code = cli.main(["users", "line", *words])
        return code, *capsys.readouterr()

    code, line, _ = typed("ann", "--tenant", "example")
    user = parse_user(line)
    assert (code, user.login, user.tenant) == (cli.OK, "ann", "example")
    assert Users({"ann": user}).verify("ann", PASSWORD.encode()) is not None
    for name, tenant in (("a b", "example"), ("ann:x", "example"), ("ann", "a:b")):
        code, out, err = typed(name, "--tenant", tenant)
        assert (code, out) == (cli.USAGE, "")
        assert "expected" in err or "without colons" in err
