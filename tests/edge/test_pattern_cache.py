"""The kept patterns are used when they are ours and whole, and made anew in every other case."""

from __future__ import annotations

import os
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from unlisted.edge import pattern_cache
from unlisted.replies import classify, knowledge, shipped

TEXT = "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("made")
    assert pattern_cache.ready(folder) == "made"
    return (folder / pattern_cache.NAME).read_bytes()


@pytest.fixture
def compiles(monkeypatch: pytest.MonkeyPatch, made: bytes) -> list[str]:
    """What was made before stands in, and each time is counted."""
    times: list[str] = []

    def again(wanted: str) -> bytes:
        times.append(wanted)
        return made

    monkeypatch.setattr(shipped, "serialised", again)
    return times


@pytest.fixture(autouse=True)
def left_as_it_was() -> Iterator[None]:
    before = list(shipped._installed)
    yield
    shipped._installed[:] = before


def kept(folder: Path, content: bytes) -> Path:
    path = folder / pattern_cache.NAME
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_a_start_from_the_file_compiles_nothing(
    tmp_path: Path, made: bytes, compiles: list[str]
) -> None:
    kept(tmp_path, made)
    assert pattern_cache.ready(tmp_path) == "cached" and not compiles
    assert classify(TEXT).family == "spamhaus"


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda made: b"",
        lambda made: made[:-1],
        lambda made: made[: len(made) // 2],
        lambda made: made[:-100] + bytes([made[-100] ^ 1]) + made[-99:],
        lambda made: made.replace(shipped.fingerprint().encode(), b"0" * 64, 1),
        lambda made: b"\x00" * 5000,
        lambda made: made[:85] + b"\xff" * 200,
    ],
)
def test_a_stale_or_damaged_file_is_made_anew(
    tmp_path: Path, made: bytes, compiles: list[str], spoilt: object
) -> None:
    path = kept(tmp_path, spoilt(made))  # type: ignore[operator]
    assert pattern_cache.ready(tmp_path) == "made" and len(compiles) == 1
    assert path.read_bytes() == made
    assert [one.name for one in tmp_path.iterdir()] == [pattern_cache.NAME]
    assert classify(TEXT).family == "spamhaus"


def test_a_file_that_others_may_write_is_not_trusted(
    tmp_path: Path, made: bytes, compiles: list[str]
) -> None:
    kept(tmp_path, made).chmod(0o666)
    assert pattern_cache.ready(tmp_path) == "made" and len(compiles) == 1


def test_without_a_place_to_write_it_works_from_memory(
    tmp_path: Path, made: bytes, compiles: list[str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    assert pattern_cache.ready(tmp_path / "file") == "kept in memory only" and compiles
    assert classify(TEXT).family == "spamhaus"


def test_a_folder_in_the_files_place_is_survived(
    tmp_path: Path, made: bytes, compiles: list[str]
) -> None:
    (tmp_path / pattern_cache.NAME / "x").mkdir(parents=True)
    assert pattern_cache.ready(tmp_path) == "kept in memory only"


def test_answers_from_the_file_are_those_without_it(tmp_path: Path, made: bytes) -> None:
    texts = [rule.examples[0] for rule in knowledge.shipped()[::3]]
    shipped._installed.clear()
    without = [classify(text + " x") for text in texts]
    kept(tmp_path, made)
    assert pattern_cache.ready(tmp_path) == "cached"
    assert [classify(text + " x", ours=(ip_network("192.0.2.0/24"),)).rule for text in texts] == [
        one.rule for one in without
    ]


def test_the_folder_is_the_systems(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CACHE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert pattern_cache.default_folder() == tmp_path / "unlisted"
    monkeypatch.setenv("CACHE_DIRECTORY", f"{tmp_path}/a:{tmp_path}/b")
    assert pattern_cache.default_folder() == tmp_path / "a"
    monkeypatch.delenv("CACHE_DIRECTORY")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert pattern_cache.default_folder() == Path(os.path.expanduser("~/.cache/unlisted"))
