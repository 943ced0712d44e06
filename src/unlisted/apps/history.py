"""`unlisted history`: delivery attempts kept as Parquet by day (docs/history.md).

`add` reads logs into it, each line once; `info` says what there is; `query` asks it in SQL;
`erase` forgets a person; `tidy` merges small files and drops old days. `import` is the senders'
history of the journal. pyarrow and duckdb are imported by the verbs that need them.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import sys
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from unlisted.apps import cli_commands, settings
from unlisted.apps.cli_commands import history_import
from unlisted.apps.progress import size
from unlisted.apps.terminal import complain, escaped, plain

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "history_add",
    "history_erase",
    "history_import",
    "history_info",
    "history_query",
    "history_tidy",
]

OK, FOUND, USAGE = 0, 1, 2
FOLDER = "history"
SHOWN = 1000  # rows of an answer on a terminal
COLUMNS = 8  # of a table in a line of 80
Args = argparse.Namespace


def history_add(args: Args) -> int:
    """Read logs; what is known already is not added."""
    from unlisted.apps.progress import Bar
    from unlisted.edge import pattern_cache
    from unlisted.edge.attempts import tried_and_given_up
    from unlisted.edge.history import Added, HistoryWriter
    from unlisted.edge.log_reader import LogError, read_logs
    from unlisted.edge.meanings import classified

    try:
        ours = [ipaddress.ip_network(one, strict=False) for one in args.ours or ()]
    except ValueError as exc:
        complain(f"unlisted history add: --ours: {exc}; expected an address or 192.0.2.0/24")
        return USAGE
    root, secret = _place(args)
    pattern_cache.ready()
    bar, total = Bar(sys.stderr), Added()
    try:
        reader = read_logs(args.log, zone=args.zone, progress=bar.show)
        with HistoryWriter(root, secret) as writer:
            for batch in reader:
                total += writer.add(classified(tried_and_given_up(batch)[0], ours))
    except LogError as exc:
        complain(f"unlisted history add: {exc}")
        return USAGE
    finally:
        bar.end()
    for words in reader.report.words():
        complain(words)
    counts = {"new": total.new, "known": total.known, "lost": total.lost}
    if args.json:
        print(json.dumps(counts))
    else:
        print(f"{_count(total.new)} added to {root}, {total.known:,} known already")
        if total.lost:
            print(f"{total.lost} had no usable time and were left out")
    return FOUND if any(file.problem for file in reader.report.files) else OK


def history_info(args: Args) -> int:
    """What there is, by day."""
    from unlisted.edge.history import History

    root = settings.state_folder(args.config, args.state) / FOLDER
    history = History(root)
    # A folder of many days is counted from the files' ends, not read.
    rows = history.sizes()
    if args.json:
        print(json.dumps([one._asdict() for one in rows]))
        return OK
    if not rows:
        print(f"nothing kept in {root} yet; unlisted history add LOG… keeps it")
        return OK
    print(f"{'day (UTC)':<12}{'files':>7}{'attempts':>14}{'size':>12}")
    for one in rows:
        print(f"{one.day:<12}{one.files:>7,}{one.attempts:>14,}{size(one.bytes):>12}")
    return OK


def history_query(args: Args) -> int:
    """Rows of a query: a table on a terminal, tab-separated into a pipe, or a JSON object a line."""
    from unlisted.edge.history import History

    root = settings.state_folder(args.config, args.state) / FOLDER
    reader = History(root).query(args.sql)
    if sys.stdout.isatty() and not args.json:
        _tabled(reader)
        return OK
    if not args.json:
        print("\t".join(reader.schema.names))
    for batch in reader:
        for row in batch.to_pylist():
            if args.json:
                print(escaped(json.dumps(row, default=str, ensure_ascii=False)))
            else:
                print("\t".join("" if v is None else plain(str(v), " ") for v in row.values()))
    return OK


def _tabled(reader: pa.RecordBatchReader) -> None:
    """The first rows for a person; those of too many columns for a line, one under another."""
    names = reader.schema.names
    found = (row for batch in reader for row in batch.to_pylist())
    rows = [
        ["" if value is None else plain(str(value), " ") for value in row.values()]
        for row in islice(found, SHOWN + 1)
    ]
    if len(names) <= COLUMNS:
        cli_commands.table(names, rows[:SHOWN], soft=range(len(names)))
    else:
        for row in rows[:SHOWN]:
            for name, value in zip(names, row, strict=True):
                cli_commands.say(f"{name}: {value}")
            print()
    if len(rows) > SHOWN:
        print(f"the first {SHOWN} rows; all of them into a pipe or with --json")


def history_erase(args: Args) -> int:
    """Forget a person."""
    from unlisted.edge.history import HistoryWriter

    root, secret = _place(args)
    with HistoryWriter(root, secret) as writer:
        changed = writer.erase(args.name)
    print(f"{_count(changed)} no longer {'says' if changed == 1 else 'say'} who it was")
    return OK


def history_tidy(args: Args) -> int:
    """Merge small files; drop days older than --keep-days."""
    from unlisted.edge.history import HistoryWriter

    root, secret = _place(args)
    gone: list[str] = []
    with HistoryWriter(root, secret) as writer:
        if args.keep_days:
            gone = writer.expire(time.time() - args.keep_days * 86400.0)
        fewer = writer.compact()
    files = "file" if fewer == 1 else "files"
    days = "day" if len(gone) == 1 else "days"
    span = f": {gone[0]}" + (f" to {gone[-1]}" if len(gone) > 1 else "") if gone else ""
    print(f"{fewer} {files} fewer; {len(gone)} {days} dropped{span}")
    return OK


def _count(attempts: int) -> str:
    return f"{attempts:,} {'attempt' if attempts == 1 else 'attempts'}"


def _place(args: Args) -> tuple[Path, bytes]:
    from unlisted.apps.serve import site_secret

    found = settings.load(args.config, args.state, whole=False)
    found.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    return found.state / FOLDER, site_secret(found)
