"""Each log of the corpus gives the attempts written down beside it, whatever it is packed in."""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from unlisted.edge.attempts import SCHEMA, attempts_of
from unlisted.edge.log_reader import read_logs

CORPUS = Path(__file__).resolve().parent.parent / "corpus" / "logs"
LOGS = sorted(CORPUS.glob("*.log"))
NOW = 1_800_000_000.0


def rows(path: Path, **options: Any) -> list[dict[str, Any]]:
    found = []
    for batch in read_logs([path], zone="UTC", year=2026, now=NOW, **options):
        assert batch.schema == SCHEMA
        for attempt in attempts_of(batch):
            row = {k: v for k, v in msgspec.to_builtins(attempt).items() if v is not None}
            found.append(row)
    # By line: a reader may give a row that waited for its message after later ones.
    return sorted(found, key=lambda row: (row["line"], row["recipient"]))


def expected(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]


def close(row: dict[str, Any]) -> dict[str, Any]:
    row = {**row, "at": round(row["at"], 3)}
    row.pop("file", None)
    if "delay_s" in row:
        row["delay_s"] = round(row["delay_s"], 3)
    return row


def test_the_corpus_is_there() -> None:
    assert len(LOGS) >= 9


@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.stem)
def test_a_log_gives_its_attempts(log: Path) -> None:
    assert [close(row) for row in rows(log)] == expected(log)


@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.stem)
def test_its_format_is_told_by_its_lines(log: Path) -> None:
    reader = read_logs([log], zone="UTC", year=2026, now=NOW)
    list(reader)
    assert reader.report.files[0].format == log.name.split("-")[0].split(".")[0]


PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "gzip in two members": lambda data: gzip.compress(data[:700]) + gzip.compress(data[700:]),
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
    "utf-16 with a mark": lambda data: data.decode().encode("utf-16"),
    "utf-16 without": lambda data: data.decode().encode("utf-16-le"),
    "utf-8 with a mark": lambda data: b"\xef\xbb\xbf" + data,
    "lines of Windows": lambda data: data.replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("name", ["postfix-debian", "m365-summary.csv"])
def test_packings_are_known_by_their_bytes(packing: str, name: str, tmp_path: Path) -> None:
    log = CORPUS / f"{name}.log"
    packed = tmp_path / "mail.log.without.a.telling.name"
    packed.write_bytes(PACKINGS[packing](log.read_bytes()))
    assert [close(row) for row in rows(packed)] == expected(log)


@pytest.mark.parametrize("log", LOGS, ids=lambda path: path.stem)
def test_lines_cut_anywhere_never_give_a_row_that_is_not_in_the_whole(
    log: Path, tmp_path: Path
) -> None:
    """Cut at the end of the file: every row that comes out is whole, or comes out at all."""
    data = log.read_bytes()
    whole = expected(log)
    cut = tmp_path / "cut.log"
    for end in range(1, len(data), 97):
        cut.write_bytes(data[:end])
        for row in map(close, rows(cut, format=log.name.split("-")[0].split(".")[0])):
            same = next(
                w for w in whole if (w["line"], w["recipient"]) == (row["line"], row["recipient"])
            )
            for name in ("recipient", "text", "status", "enhanced", "relay_ip", "transport"):
                assert row.get(name) == same.get(name)
            for name in ("sender", "mail_from", "message_id", "size"):
                assert row.get(name) in (None, same.get(name))
