"""The documentation is held to the code: what exists is in it, and what it points at exists.

docs/facts.md is written from the docstrings: UNLISTED_WRITE_DOCS=1 ./dev test tests/test_docs.py
"""

import inspect
import os
import re
from pathlib import Path

import msgspec
import pytest

from unlisted import commands, config_file, facts

ROOT = Path(__file__).resolve().parent.parent
FACTS = ROOT / "docs" / "facts.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

INTRO = """\
# Facts and commands

Everything that happens is a fact in the journal; everything a station asks of the world is a
command. A fact also has `at`, seconds since the Unix epoch in UTC; an observed one also `done`, the
key of the command whose outcome it is; a command also `key`, under which it happens once.
`unlisted journal export` prints facts in these words. Written from the code's own docstrings.
"""


def entry(kind: type[msgspec.Struct], common: set[str]) -> str:
    text = " ".join((inspect.getdoc(kind) or "").split())
    fields = [f"`{name}`" for name in kind.__struct_fields__ if name not in common]
    return f"- **{kind.__name__}**: {text} Fields: {', '.join(fields) or 'none'}."


def reference() -> str:
    kinds = list(facts.KINDS.values())
    observed = [entry(k, {"at", "done"}) for k in kinds if k.observed]
    derived = [entry(k, {"at"}) for k in kinds if not k.observed]
    asked = [entry(k, {"key"}) for k in commands.AnyCommand.__args__]
    parts = {"Observed by the edge": observed, "Derived by stations": derived, "Commands": asked}
    sections = (f"\n## {name}\n" + "\n".join(part) + "\n" for name, part in parts.items())
    return INTRO + "".join(sections)


def test_every_fact_and_command_is_in_the_documentation_in_its_own_words() -> None:
    if os.environ.get("UNLISTED_WRITE_DOCS"):
        FACTS.write_text(reference(), "utf-8")
    assert FACTS.read_text("utf-8") == reference(), (
        "docs/facts.md is behind the code: UNLISTED_WRITE_DOCS=1 ./dev test tests/test_docs.py"
    )


def test_every_fact_and_command_says_what_it_is() -> None:
    every = [*facts.KINDS.values(), *commands.AnyCommand.__args__]
    assert [k.__name__ for k in every if not (k.__doc__ or "").strip()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_points_only_at_what_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    targets = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", text)
    assert [target for target in targets if not (page.parent / target).exists()] == []
    named = re.findall(r"`((?:src|docs|tests|bench)/[\w./-]+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_verbs_that_exist(page: Path) -> None:
    verbs = set(re.findall(r"\./dev ([a-z]+)", page.read_text("utf-8")))
    assert verbs <= {"run", "demo", "test", "check", "bench", "lock"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_configuration_in_a_page_is_right(page: Path) -> None:
    for text in re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        if "[world]" not in text:  # the sandbox's files have tests of their own
            config_file.parse(text, page.name)
