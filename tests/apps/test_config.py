"""Settings: what is refused, with which line and words; the documentation holds every setting.

docs/settings.md is written from the table: UNLISTED_WRITE_DOCS=1 ./dev test tests/apps
"""

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted import config, config_help
from unlisted.apps import settings
from unlisted.config_file import ConfigError, parse
from unlisted.toml_lines import key_lines

DOCS = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
WHOLE = """\
state = "var"
hostname = "mail.example.org"
clock = "unix:/run/clock"
secret = "000102030405060708090a0b0c0d0e0f"

[smtp]
listen = ["127.0.0.1:2525", "[::1]:2525"]
users = "users.txt"
abuse = ["abuse@example.org"]
local_domains = ["example.org"]
size_limit = 26214400

[[smtp.relay_hosts]]
address = "127.0.7.1"
name = "webform"
tenant = "shop"

[[pools]]
name = "main"
addresses = ["127.0.3.1", "127.0.3.2"]
helo = "out.example.org"
epoch_s = 3600

[routes]
"example.net" = "127.0.4.1:25"
"*" = "127.0.4.2:25"

[dns]
resolver = "127.0.0.1:5353"
lists = true
mx = false

[[lists]]
zone = "list.example"
term_s = 86400
requests = "never"

[history]
import = "history.jsonl"

[http]
public = "127.0.0.1:8080"
operator = "127.0.0.1:8081"
public_url = "https://status.example.org/mail"

[policy]
hold_s = 86400
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return str(caught.value).splitlines()


def test_a_whole_file_is_read_and_a_missing_one_means_loopback_and_nothing_asked() -> None:
    made, _ = parse(WHOLE)
    assert made.smtp.relay_hosts[0].name == "webform"
    assert made.policy.hold_s == 86400.0
    assert made.history.import_ == "history.jsonl"
    empty, _ = parse("")
    listeners = [*empty.smtp.listen, empty.http.public, empty.http.operator]
    assert all(one.startswith("127.0.0.1:") for one in listeners)
    assert (empty.dns.resolver, empty.dns.mx, empty.dns.lists) == (None, False, False)
    assert any("mail is taken and waits" in one for one in config.remarks(empty))


@pytest.mark.parametrize(
    ("text", "line", "setting", "words"),
    [
        ('hostnam = "x"', 1, "hostnam", "did you mean hostname?"),
        ('\n\n[smpt]\nlisten = ["x"]', 3, "smpt", "did you mean smtp?"),
        ("[policy]\nhold = 3", 2, "policy.hold", "did you mean hold_s?"),
        ("[zzz]", 1, "zzz", "known: state, hostname"),
        ('[smtp]\nlisten = ["localhost:25"]', 2, "smtp.listen[1]", 'right would be "127.0.0.1:2525"'),
        ('[smtp]\nlisten = "127.0.0.1:25"', 2, "smtp.listen", "expected a list, got text"),
        ('[smtp]\nlisten = [\n # one\n "127.0.0.1:25",\n "::1:25",\n]', 5, "smtp.listen[2]", "not ip:port"),
        ('[http]\npublic = "127.0.0.1:99999"', 2, "http.public", "not ip:port"),
        ("[smtp]\nsize_limit = 'big'", 2, "smtp.size_limit", "expected int, got text"),
        ("[smtp]\nsize_limit = 3", 2, "smtp.size_limit", ">= 1024"),
        ('[[pools]]\nname = "a"\naddresses = ["127.0.0.1"]', 1, "pools[1].helo", "is missing"),
        (
            '[[pools]]\nname="a"\naddresses=["10.0.0.300"]\nhelo="x"',
            3,
            "pools[1].addresses",
            "not an IP address",
        ),
        ('[routes]\n"example.org" = "nowhere"', 2, "routes.example.org", "not host:port"),
        ('[routes]\n"example.org" = "mx.example:25"', 2, "routes.example.org", "set dns.resolver"),
        ("[dns]\nlists = true", 2, "dns.lists", "needs a resolver"),
        ("[dns]\nmx = 1", 2, "dns.mx", "expected true or false"),
        ('[dns]\nresolver = "127.0.0.1:53"\nmx = true', 3, "dns.mx", "add [[pools]]"),
        ('[[lists]]\nzone = "a.example"\nrequests = "always"', 3, "lists[1].requests", "never, owner"),
        ("[policy]\nhold_s = -1", 2, "policy.hold_s", "more than 0"),
        ('[policy]\nposts_by = "robot"', 2, "policy.posts_by", "policy or person"),
        ("[policy]\nduty_margin_s = 1800", 2, "policy.duty_margin_s", "shorter than draft_margin_s"),
        ("[policy]\nhold_s = nan", 2, "policy.hold_s", "more than 0"),
        ("[policy]\nbooks_s = 999999", 2, "policy.books_s", "259200"),
        ('clock = "tcp:1"', 1, "clock", 'expected "unix:PATH"'),
        ('secret = "abc"', 1, "secret", "32 or more hex digits"),
        (
            '[[smtp.relay_hosts]]\naddress = "0.0.0.0/0"\nname = "x"\ntenant = "t"',
            2,
            "smtp.relay_hosts[1].address",
            "too wide",
        ),
        ("state = 3\nstate = 4", 2, "", "not TOML"),
        ("x = [", 1, "", "not TOML"),
    ],
)  # fmt: skip
def test_a_problem_names_its_line_its_setting_and_what_would_be_right(
    text: str, line: int, setting: str, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    (problem,) = caught.value.problems
    assert (problem.line, problem.setting) == (line, setting)
    assert words in problem.text


def test_all_problems_are_told_at_once_in_the_order_of_their_lines() -> None:
    told = problems(
        'hostnam = "x"\n[smtp]\nsize_limit = "big"\n[http]\npublic = "8080"\n[policy]\nhold_z = 1\n'
    )
    assert [line.split(":")[1] for line in told] == ["1", "3", "5", "7"]


@pytest.mark.parametrize(
    "listener",
    ['[smtp]\nlisten = ["0.0.0.0:25"]', '[http]\npublic = "[::]:80"', '[http]\noperator = "192.0.2.1:1"'],
)  # fmt: skip
def test_another_process_s_clock_is_refused_beside_a_listener_others_can_reach(
    listener: str,
) -> None:
    (told,) = problems(f'clock = "unix:/run/c"\n{listener}')
    assert told.startswith("unlisted.toml:1: clock: refused")


@pytest.mark.parametrize("key", [key for key, line in key_lines(WHOLE).items()])
def test_the_line_of_every_key_is_the_line_where_it_stands(key: tuple[str | int, ...]) -> None:
    line = WHOLE.splitlines()[key_lines(WHOLE)[key] - 1]
    last = next(part for part in reversed(key) if isinstance(part, str))
    assert last in line


def test_the_line_finder_is_not_fooled_by_strings_comments_and_nested_lists() -> None:
    text = (
        'a = """\n[x]\nb = 1\n"""\n# c = 2\nd = [[1,\n 2], "]", # ]\n 3]\n'
        "\"q.r\" = 'it''s'\ns.t = 1\n[[u]]\nv = 1\n[[u]]\nv = 2\n[u.w]\ny = 3\n"
    ).replace("it''s", "its")
    tomllib.loads(text)
    found = key_lines(text)
    assert found[("a",)] == 1
    assert ("x",) not in found and ("b",) not in found and ("c",) not in found
    assert (found[("d",)], found[("q.r",)], found[("s", "t")]) == (6, 9, 10)
    assert (found[("u", 0, "v")], found[("u", 1, "v")], found[("u", 1, "w", "y")]) == (12, 14, 16)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text_gives_a_configuration_or_its_problems(text: str) -> None:
    try:
        parse(text)
    except ConfigError as exc:
        assert exc.problems


LEAF = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.text(alphabet="a1.:*/@[]", max_size=12)
)
NAMES = st.sampled_from(
    [*(one.name.split(".")[-1] for one in config_help.settings()), "smtp", "zzz"]
)


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'"{k}" = {toml(v)}' for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml(one) for one in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


TREES = st.recursive(
    LEAF,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from([*config.Config.__struct_fields__]), TREES, max_size=6))
def test_any_values_under_the_right_names_give_a_configuration_or_its_problems(
    tree: dict[str, object],
) -> None:
    text = "\n".join(f"{name} = {toml(value)}" for name, value in tree.items())
    try:
        parse(text)
    except ConfigError as exc:
        assert all(problem.text for problem in exc.problems)


def test_files_that_are_named_but_not_there_are_problems_with_their_lines(tmp_path: Path) -> None:
    file = tmp_path / "unlisted.toml"
    file.write_text('[smtp]\nusers = "nobody.txt"\n[history]\nimport = "none.jsonl"\n')
    with pytest.raises(ConfigError) as caught:
        settings.load(file)
    assert [(one.line, one.setting) for one in caught.value.problems] == [
        (2, "smtp.users"),
        (4, "history.import"),
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"sender": "login:a", "tenant": "t", "days": []}', None),
        ('{"sender": "anna", "tenant": "t", "days": []}', "expected login:NAME"),
        ('{"sender": "login:a", "tenant": "t", "days": [[1,2,3]]}', "length"),
        ('{"sender": "login:a", "tenant": "t", "days": [[1,2,3,4,-5]]}', "none below 0"),
        ('{"sender": "login:a", "tenant": "t", "days": [], "until": "2026-11-23T00:00"}', "no zone"),
        ('{"sender": "login:a", "tenant": "t", "days": [], "wrong": 1}', "unknown key 'wrong'"),
        ("[1]", "expected an object"),
        ("{", "Expecting"),
    ],
)  # fmt: skip
def test_a_history_line_is_read_or_named(tmp_path: Path, line: str, words: str | None) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text(line + "\n")
    if words is None:
        assert settings.read_history(file)[0].sender == "login:a"
        return
    with pytest.raises(ConfigError) as caught:
        settings.read_history(file)
    assert caught.value.problems[0].line == 1
    assert words in caught.value.problems[0].text


def reference() -> str:
    head = (
        "# Settings\n\n"
        "In `unlisted.toml` (TOML), which `unlisted serve` reads from the folder it is started in "
        "or from\n`--config FILE`. Without a file everything has its default: loopback only, no "
        "resolver asked, mail\nwaits until a route is given. `unlisted config check` names every "
        "problem with its line.\n"
    )
    tables: dict[str, list[str]] = {}
    for one in config_help.settings():
        table, _, name = one.name.rpartition(".")
        row = f"| `{name}` | {one.type} | {one.default} | {one.help} |"
        tables.setdefault(table, []).append(row)
    arrays = {"smtp.relay_hosts", "pools", "lists", "webhooks", "duty.people", "duty.shifts"}
    parts = [head]
    for table, rows in tables.items():
        title = f"[[{table}]]" if table in arrays else f"[{table}]" if table else "Top level"
        parts.append(
            f"\n## {title}\n\n| setting | type | default | what it is |\n|---|---|---|---|\n"
        )
        parts.append("\n".join(rows) + "\n")
    parts.append(
        "\n## Most tables once\n\nTo see how they are written, not to copy: `clock` is the "
        "sandbox's, the rest mostly says its\ndefault. [notify.md](notify.md) shows `[[webhooks]]`, "
        "`[notify]` and `[duty]`, [watch.md](watch.md) `[watch]`.\n"
    )
    parts.append(f"\n```toml\n{WHOLE}```\n")
    return "".join(parts)


def test_every_setting_is_in_the_documentation_with_its_help() -> None:
    assert all(one.help for one in config_help.settings())
    if os.environ.get("UNLISTED_WRITE_DOCS"):
        DOCS.write_text(reference(), "utf-8")
    assert DOCS.read_text("utf-8") == reference()


@pytest.mark.parametrize("text", ["[" + "a." * 20_000, "x = " + "[" * 9000, "a." * 40 + "a = 1"])
def test_a_line_that_no_person_writes_is_refused_before_it_is_parsed(text: str) -> None:
    with pytest.raises(ConfigError, match=r":2.*(?:longer than|more than)"):
        parse("\n" + text)


def test_more_than_a_hundred_problems_are_not_counted() -> None:
    with pytest.raises(ConfigError) as found:
        parse("[[pools]]\n" * 5000)
    assert len(found.value.problems) == 100


def test_a_number_that_no_machine_has_is_a_problem() -> None:
    with pytest.raises(ConfigError, match="not TOML"):
        parse("[policy]\nhold_s = " + "7" * 5000)
    with pytest.raises(ConfigError, match=r"http\.public"):
        parse(f'[http]\npublic = "127.0.0.1:{"7" * 5000}"')
