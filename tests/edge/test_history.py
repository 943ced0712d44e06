"""The history: each log line once, whatever file it comes from; nobody readable; nothing half."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlisted.edge import history as histories
from unlisted.edge.attempts import CLASSIFIED, batch_of
from unlisted.edge.history import Added, History, HistoryError, HistoryWriter
from unlisted.edge.history_seen import Seen
from unlisted.edge.people import People
from unlisted.mail.attempt import Attempt

SECRET = bytes(range(32))
NOON = 1_790_000_000.0 - 1_790_000_000.0 % 86400 + 43200.0
REFUSED = (
    "host mx1.far.example[192.0.2.9] said: 554 5.7.1 <bob@far.example>: blocked using l.example"
)


def attempt(number: int, **changes: object) -> Attempt:
    one = Attempt(
        at=NOON + number,
        file=0,
        line=number + 1,
        instance="postfix-out",
        queue_id=f"{number:010X}",
        status="sent",
        recipient=f"user{number}@far.example",
        sender="login:anna",
        mail_from="anna@our.example",
        egress="192.0.2.1",
        relay="mx1.far.example[192.0.2.9]:25",
        code=250,
    )
    return msgspec.structs.replace(one, **changes)


def refused(number: int, **changes: object) -> Attempt:
    told = {"status": "bounced", "code": 554, "text": REFUSED, "recipient": "Bob@far.example"}
    return attempt(number, **{**told, **changes})


def with_meaning(attempts: list[Attempt], **meaning: str) -> pa.RecordBatch:
    batch = batch_of(attempts)
    columns = [
        batch[name]
        if name in batch.schema.names
        else pa.array([meaning.get(name)] * len(batch), pa.string())
        for name in CLASSIFIED.names
    ]
    return pa.record_batch(columns, schema=CLASSIFIED)


def added(root: Path, *attempts: Attempt) -> Added:
    with HistoryWriter(root, SECRET) as writer:
        return writer.add(batch_of(attempts))


def rows(root: Path) -> list[dict[str, object]]:
    return History(root).attempts().read_all().to_pylist()


def test_reading_the_same_lines_twice_adds_nothing(tmp_path: Path) -> None:
    lines = [attempt(i) for i in range(100)]
    assert added(tmp_path, *lines) == Added(new=100)
    assert added(tmp_path, *lines) == Added(known=100)
    assert len(rows(tmp_path)) == 100


def test_a_file_that_has_grown_adds_only_what_is_new(tmp_path: Path) -> None:
    added(tmp_path, *[attempt(i) for i in range(60)])
    assert added(tmp_path, *[attempt(i) for i in range(100)]) == Added(new=40, known=60)


def test_a_rotated_copy_is_known_though_file_line_and_joined_fields_differ(tmp_path: Path) -> None:
    added(tmp_path, attempt(1))
    copy = attempt(1, file=3, line=999, instance="mx1/postfix-out", sender=None, mail_from=None)
    assert added(tmp_path, copy) == Added(known=1)


@pytest.mark.parametrize(
    "changes",
    [
        {"queue_id": "OTHER"},
        {"recipient": "other@far.example"},
        {"orig_to": "list@our.example"},
        {"at": NOON + 1.001},
        {"status": "deferred"},
        {"text": "other words"},
    ],
)
def test_lines_that_differ_in_what_they_say_are_two(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    assert added(tmp_path, attempt(1), attempt(1, **changes)) == Added(new=2)


def test_the_same_line_twice_in_one_batch_is_one(tmp_path: Path) -> None:
    assert added(tmp_path, attempt(1), attempt(1)) == Added(new=1, known=1)


@given(
    st.lists(st.integers(0, 400), max_size=60),
    st.lists(st.integers(0, 60), max_size=3),
    st.integers(1, 50),
)
@settings(max_examples=40, deadline=None)
def test_any_cut_of_any_order_gives_each_line_once(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], cuts: list[int], limit: int
) -> None:
    root = tmp_path_factory.mktemp("history")
    total = Added()
    places = [0, *sorted(min(cut, len(numbers)) for cut in cuts), len(numbers)]
    for start, end in itertools.pairwise(places):
        with HistoryWriter(root, SECRET) as writer:
            writer._seen = Seen(writer._files, writer.flush, limit=limit)
            for number in numbers[start:end]:
                total += writer.add(batch_of([attempt(number, at=NOON + 700.0 * number)]))
    assert total == Added(new=len(set(numbers)), known=len(numbers) - len(set(numbers)))
    assert [row["queue_id"] for row in rows(root)] == [f"{n:010X}" for n in sorted(set(numbers))]


def test_days_are_folders_and_duckdb_reads_them_alone(tmp_path: Path) -> None:
    added(tmp_path, attempt(1), attempt(2, at=NOON + 86400.0))
    found = duckdb.sql(
        f"select day::text, count(*) from '{tmp_path}/attempts/*/*.parquet' group by day order by day"
    ).fetchall()
    assert [count for _, count in found] == [1, 1]
    assert History(tmp_path).days() == [day for day, _ in found]


def test_nobody_is_readable_and_domains_are(tmp_path: Path) -> None:
    forward = attempt(2, sender="forward:carl@our.example", orig_to="carl@our.example")
    odd = refused(3, recipient='"bob smith"@far.example', text='550 <"Bob Smith"@FAR.example> no')
    with HistoryWriter(tmp_path, SECRET) as writer:
        writer.add(with_meaning([refused(1), forward, odd], subject_value="bob@far.example"))
    raw = b"".join(path.read_bytes() for path in tmp_path.rglob("*.parquet")).lower()
    table = str(rows(tmp_path)).lower()
    for name in ("anna", "bob", "carl", "user2"):
        assert name not in table
        assert f"{name}@".encode() not in raw  # nor in the statistics
    people = People(SECRET)
    one = rows(tmp_path)[0]
    assert one["recipient"] == people.person("bob@far.example")
    assert one["sender"] == f"login:{people.login('anna')}"
    assert one["recipient_domain"] == "far.example"
    assert one["mail_from_domain"] == "our.example"
    assert one["text"] == REFUSED.replace("bob@far.example", people.person("bob@far.example"))


def test_the_null_reverse_path_stays_null_and_hosts_and_uids_stay_readable(tmp_path: Path) -> None:
    added(tmp_path, attempt(1, mail_from="", sender="uid:33"), attempt(2, sender="host:192.0.2.7"))
    first, second = rows(tmp_path)
    assert (first["mail_from"], first["sender"]) == ("", "uid:33")
    assert second["sender"] == "host:192.0.2.7"


def test_rows_without_a_usable_time_are_counted_not_kept(tmp_path: Path) -> None:
    bad = [attempt(1, at=one) for one in (float("nan"), float("inf"), -1.0, 1e18)]
    assert added(tmp_path, attempt(2), *bad) == Added(new=1, lost=4)


def test_an_erased_person_is_gone_and_does_not_come_back(tmp_path: Path) -> None:
    lines = [refused(1), attempt(2), attempt(3, sender="login:bert")]
    added(tmp_path, *lines)
    with HistoryWriter(tmp_path, SECRET) as writer:
        assert writer.erase("bob@far.example") == 1
        assert writer.erase("anna") == 2
        assert writer.erase("login:bert") == 1
    person = People(SECRET).person("bob@far.example")
    assert person not in str(rows(tmp_path))
    assert History(tmp_path).exposure(0, NOON * 2)["sender"].unique().to_pylist() == [None]
    assert added(tmp_path, *lines) == Added(known=3)
    assert rows(tmp_path)[0]["recipient"] is None


def test_compaction_loses_and_repeats_nothing(tmp_path: Path) -> None:
    for i in range(7):
        added(tmp_path, refused(i), attempt(100 + i))
    before, seen = rows(tmp_path), History(tmp_path).minutes(0, NOON * 2)
    with HistoryWriter(tmp_path, SECRET) as writer:
        assert writer.compact() == 6
        assert writer.compact() == 0
    assert rows(tmp_path) == before
    assert History(tmp_path).minutes(0, NOON * 2) == seen
    assert len(list(tmp_path.rglob("*.parquet"))) == 3
    assert added(tmp_path, refused(1)) == Added(known=1)


@pytest.mark.parametrize("step", range(12))
def test_a_compaction_cut_off_anywhere_shows_each_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    for i in range(4):
        added(tmp_path, attempt(i))
    before = rows(tmp_path)
    left = [step]
    plain = {"replace": Path.replace, "unlink": Path.unlink}

    class Cut(BaseException):
        pass

    def bounded(name: str) -> object:
        def act(self: Path, *args: object, **options: object) -> object:
            if left[0] == 0:
                raise Cut
            left[0] -= 1
            return plain[name](self, *args, **options)  # type: ignore[operator]

        return act

    writer = HistoryWriter(tmp_path, SECRET)
    with monkeypatch.context() as patch:
        for name in plain:
            patch.setattr(Path, name, bounded(name))
        with pytest.raises(Cut):
            writer.compact()
    writer._files.close()
    assert rows(tmp_path) == before
    assert added(tmp_path, attempt(0)) == Added(known=1)
    assert rows(tmp_path) == before
    assert not list(tmp_path.rglob(".*"))


def test_a_half_written_file_is_never_read_and_goes_with_the_next_writer(tmp_path: Path) -> None:
    added(tmp_path, attempt(1))
    whole = next((tmp_path / "attempts").rglob("*.parquet"))
    half = whole.with_name(".00000002.parquet.part")
    half.write_bytes(whole.read_bytes()[:100])
    orphan = next((tmp_path / "exposure").rglob("*.parquet")).with_name("00000002.parquet")
    orphan.write_bytes(b"PAR1")
    assert len(rows(tmp_path)) == 1
    assert len(History(tmp_path).exposure(0, NOON * 2)) == 1
    added(tmp_path, attempt(2))
    assert not half.exists()
    assert len(rows(tmp_path)) == 2


def test_a_lost_roll_up_is_made_again(tmp_path: Path) -> None:
    added(tmp_path, attempt(1))
    before = History(tmp_path).exposure(0, NOON * 2)
    next((tmp_path / "exposure").rglob("*.parquet")).unlink()
    added(tmp_path, attempt(1))
    assert History(tmp_path).exposure(0, NOON * 2) == before


def test_a_writer_killed_at_any_time_leaves_whole_rows_and_a_second_run_ends_equal(
    tmp_path: Path,
) -> None:
    script = (
        "import os,sys\n"
        "sys.path.insert(0, sys.argv[3])\n"
        "from pathlib import Path\n"
        "from unlisted.edge.attempts import batch_of\n"
        "from unlisted.edge.history import HistoryWriter\n"
        "from tests.edge.test_history import SECRET, attempt\n"
        "w = HistoryWriter(Path(sys.argv[1]), SECRET)\n"
        "for i in range(200):\n"
        "    w.add(batch_of([attempt(i)]))\n"
        "    if i % 3 == 0: w.flush()\n"
        "    if i == int(sys.argv[2]): os.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).parents[2]
    for stop in (1, 50, 120):
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path), str(stop), str(root)],
            cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == -9
        assert len({row["id"] for row in rows(tmp_path)}) == len(rows(tmp_path))
    added(tmp_path, *[attempt(i) for i in range(200)])
    assert [row["queue_id"] for row in rows(tmp_path)] == [f"{i:010X}" for i in range(200)]


def test_minutes_and_exposure_are_what_the_rows_say(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, SECRET) as writer:
        meant = {"refusal": "yes", "ours": "yes", "blames": "l.example"}
        writer.add(with_meaning([refused(0), refused(1)], **meant))
        writer.add(with_meaning([refused(2)], refusal="yes", ours="no", blames="l.example"))
        writer.add(with_meaning([refused(3)], refusal="suspicion"))
        writer.add(with_meaning([refused(4, repeats=True)], **meant))
        writer.add(batch_of([attempt(61), attempt(62, egress=None, pool="p1", relay=None)]))
    history = History(tmp_path)
    found = history.minutes(NOON, NOON + 120).to_pylist()
    assert [
        (m["minute"] - NOON, m["egress"], m["pool"], m["receiver"], m["list"],
         m["attempts"], m["refusals"], m["suspicions"]) for m in found
    ] == [
        (0, "192.0.2.1", None, "far.example", "l.example", 2, 2, 0),
        (0, "192.0.2.1", None, "far.example", None, 2, 0, 1),
        (60, "192.0.2.1", None, "far.example", None, 1, 0, 0),
        (60, None, "p1", "far.example", None, 1, 0, 0),
    ]  # fmt: skip
    exposure = history.exposure(NOON - 86400, NOON + 86400).to_pylist()
    assert [
        (e["address"], e["hour"], e["attempts"], e["delivered"], e["refusals"], e["suspicions"])
        for e in exposure
    ] == [("192.0.2.1", NOON, 5, 1, 2, 1), ("pool:p1", NOON, 1, 1, 0, 0)]


def test_exposure_adds_up_over_files_and_keeps_to_its_window(tmp_path: Path) -> None:
    for i in range(3):
        added(tmp_path, attempt(i), attempt(i, at=NOON + 7200.0 + i))
    history = History(tmp_path)
    assert history.exposure(NOON, NOON + 3600)["attempts"].to_pylist() == [3]
    assert history.exposure(0, NOON * 2)["attempts"].to_pylist() == [3, 3]
    assert len(history.exposure(0, 1)) == 0


def test_queries_see_all_three_views_and_an_empty_history_has_them_too(tmp_path: Path) -> None:
    added(tmp_path)
    for view in ("attempts", "minutes", "exposure"):
        found = History(tmp_path).query(f"select count(*) as n, max(day) from {view}").read_all()
        assert found["n"].to_pylist() == [0]
    with pytest.raises(HistoryError):
        History(tmp_path).query("select nonsense")


def test_old_days_are_forgotten_whole(tmp_path: Path) -> None:
    added(tmp_path, attempt(1), attempt(2, at=NOON + 86400.0))
    with HistoryWriter(tmp_path, SECRET) as writer:
        assert len(writer.expire(NOON + 86400.0)) == 1
    assert [row["queue_id"] for row in rows(tmp_path)] == [f"{2:010X}"]


def test_a_second_writer_and_a_newer_layout_are_refused(tmp_path: Path) -> None:
    with HistoryWriter(tmp_path, SECRET), pytest.raises(HistoryError, match="another process"):
        HistoryWriter(tmp_path, SECRET)
    (tmp_path / "layout.json").write_text('{"layout": 99}')
    with pytest.raises(HistoryError, match="layout 99"):
        History(tmp_path)


def test_what_is_held_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "FILE_ROWS", 50)
    monkeypatch.setattr(histories, "HELD_ROWS", 80)
    with HistoryWriter(tmp_path, SECRET) as writer:
        for i in range(400):
            day = (i % 5) * 86400.0
            writer.add(batch_of([attempt(i, at=NOON + day + i)]))
            assert sum(len(t) for held in writer._held.values() for t in held) < 80
    assert len(rows(tmp_path)) == 400
    sizes = [pq.read_metadata(p).num_rows for p in (tmp_path / "attempts").rglob("*.parquet")]
    assert min(sizes) >= 16


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')",
        "copy (select 1) to 'out.csv'",
        "select 1; select 2",
        "set enable_external_access=true",
        "create table t as select 1",
        "attach 'other.db'",
    ],
)
def test_sql_reaches_the_history_and_nothing_else_of_the_machine(tmp_path: Path, sql: str) -> None:
    (tmp_path / "attempts").mkdir()
    with pytest.raises(HistoryError):
        History(tmp_path).query(sql).read_all()
