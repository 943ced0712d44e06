"""Journals of earlier landings still open, and their facts can still be followed."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from unlisted import facts
from unlisted.apps.replay import replay
from unlisted.edge import journal, queue
from unlisted.edge.people import derived, parse_secret

JOURNALS = sorted((Path(__file__).parents[1] / "journals").glob("*.db.gz"))


@pytest.mark.parametrize("kept", JOURNALS, ids=lambda path: path.name)
def test_a_journal_of_an_earlier_landing_opens_and_replays(kept: Path, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(gzip.decompress(kept.read_bytes()))
    secret = parse_secret(
        kept.with_name(kept.name.replace(".db.gz", ".secret")).read_text().strip()
    )
    db = journal.reader(path)
    lines = list(journal.lines(db))
    assert len(lines) > 1000 and {line.kind for line in lines} <= set(facts.KINDS)
    replayed = replay(lines, derived(secret, "draw"))
    assert replayed.quarantined == 0 and replayed.different == 0
    assert replayed.compared + replayed.other_logic > 1000
    stored = dict(db.execute("select key, row from queue").fetchall())
    assert stored == queue.rebuilt(line.fact() for line in lines if line.cause is not None)
    db.close()


def test_there_is_a_journal_of_the_first_landing() -> None:
    assert [path.name for path in JOURNALS][:1] == ["0001.db.gz"]
