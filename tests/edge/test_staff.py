"""The file of people: what is read, what is refused, and that nothing is half written."""

from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from unlisted.edge import staff
from unlisted.edge.staff import Staff, StaffError, parsed

CHEAP = PasswordHasher(1, 8, 1)
PASSWORD = "correct horse battery"
HASH = CHEAP.hash("nobody's")


@pytest.fixture
def people(tmp_path: Path) -> Staff:
    return Staff(tmp_path / "people", CHEAP)


def test_who_was_added_signs_in_with_their_password_alone(people: Staff) -> None:
    assert people.verify("ada", PASSWORD) is None
    assert people.put("ada", ("approver", "viewer"), PASSWORD)
    found = people.verify("ada", PASSWORD)
    assert found is not None and found.roles == ("viewer", "approver")
    for name, password in (("ada", PASSWORD + "x"), ("ada", ""), ("bob", PASSWORD), ("", "")):
        assert people.verify(name, password) is None
    assert people.verify("ada", "\ud800" * 5000) is None
    assert oct(people.path.stat().st_mode & 0o777) == "0o600"
    assert PASSWORD not in people.path.read_text()


def test_a_change_of_the_file_counts_at_once(people: Staff) -> None:
    people.put("ada", ("viewer",), PASSWORD)
    other = Staff(people.path, CHEAP)
    assert other.verify("ada", PASSWORD)
    assert not people.put("ada", ("operator",), "another password")
    assert other.verify("ada", PASSWORD) is None
    assert other.people()["ada"].roles == ("operator",)
    assert people.remove("ada") and not people.remove("ada")
    assert other.people() == {}


def test_the_same_password_from_another_keyboard_is_the_same(people: Staff) -> None:
    people.put("ada", ("viewer",), "gru\u0308\u00dfe aus Ko\u0308ln")
    assert people.verify("ada", "gr\u00fc\u00dfe aus K\u00f6ln")


@pytest.mark.parametrize("name", ["", "Ada", "a b", "a:b", "policy", "token", "x" * 41, "-a", "ä"])
def test_a_name_that_is_none_is_refused(people: Staff, name: str) -> None:
    with pytest.raises(StaffError):
        people.put(name, ("viewer",), PASSWORD)


@pytest.mark.parametrize("roles", [(), ("root",), ("viewer", "x"), ("",)])
def test_a_role_that_is_none_is_refused(people: Staff, roles: tuple[str, ...]) -> None:
    with pytest.raises(StaffError):
        people.put("ada", roles, PASSWORD)


@pytest.mark.parametrize("password", ["", "short", "x" * 1025])
def test_a_password_too_short_or_too_long_is_refused(people: Staff, password: str) -> None:
    with pytest.raises(StaffError):
        people.put("ada", ("viewer",), password)
    assert not people.path.exists()


DEAR = [
    HASH.replace("m=8", "m=4194304"),
    HASH.replace("t=1", "t=999999"),
    HASH.replace("p=1", "p=200"),
    HASH.replace("argon2id", "argon2i"),
    "plain",
    "$argon2id$",
    "x" * 600,
]


LINES = [*(f"ada:viewer:{one}" for one in DEAR), "ada", f"ada:{HASH}", f"ada::{HASH}",
         f"ADA:viewer:{HASH}"]  # fmt: skip


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))  # a salt is another each time
def test_a_bad_line_refuses_the_file_and_is_named(line: str) -> None:
    with pytest.raises(StaffError, match="people:2:"):
        parsed(f"bob:viewer:{HASH}\n{line}\n")


def test_a_file_that_others_may_read_is_refused(people: Staff) -> None:
    people.put("ada", ("viewer",), PASSWORD)
    people.path.chmod(0o640)
    with pytest.raises(StaffError, match="0600"):
        staff.read(people.path)


@given(st.text(max_size=200))
def test_any_text_is_people_or_a_named_error(text: str) -> None:
    try:
        found = parsed(text)
    except StaffError:
        return
    assert all(name == one.name for name, one in found.items())
