"""Attempts as columns."""

import tomllib
from pathlib import Path

import unlisted
from unlisted.edge.attempts import SCHEMA, attempts_of, batches_of
from unlisted.mail.attempt import FIELDS, Attempt


def test_the_columns_are_the_fields_of_the_struct() -> None:
    assert sorted(name for name, _ in FIELDS) == sorted(Attempt.__struct_fields__)
    assert SCHEMA.names == [name for name, _ in FIELDS]


def test_attempts_survive_the_way_through_columns() -> None:
    rows = [
        Attempt(
            at=1.5 + n,
            file=0,
            line=n,
            instance="postfix",
            queue_id=f"4c{n}",
            status="deferred",
            recipient="a@example.com",
            text="451 later",
        )
        for n in range(5)
    ]
    batches = list(batches_of(rows, rows=2))
    assert [batch.num_rows for batch in batches] == [2, 2, 1]
    assert [row for batch in batches for row in attempts_of(batch)] == rows


def test_the_version_printed_is_the_one_of_the_project() -> None:
    project = Path(unlisted.__file__).parents[2] / "pyproject.toml"
    assert unlisted.__version__ == tomllib.loads(project.read_text("utf-8"))["project"]["version"]
