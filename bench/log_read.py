"""One reading of a log in a process of its own, for `./dev bench log`: cost and peak memory.

`python -m bench.log_read LOG YEAR [PARQUET]` reads, joins and classifies, writes Parquet where
asked, and prints what it took as JSON. Start, imports and the pattern database are not counted:
they are the same for a line and for a billion.
"""

from __future__ import annotations

import json
import resource
import sys
import time

import pyarrow as pa
import pyarrow.parquet as pq

from unlisted.edge import pattern_cache
from unlisted.edge.attempts import CLASSIFIED
from unlisted.edge.classified import Meanings
from unlisted.edge.log_reader import read_logs


def main(path: str, year: str, parquet: str | None = None) -> None:
    pa.set_cpu_count(1)
    pattern_cache.ready()
    reader = read_logs([path], format="postfix", zone="UTC", year=int(year))
    meanings = Meanings()
    rows = refused = 0
    writer = pq.ParquetWriter(parquet, CLASSIFIED, compression="zstd") if parquet else None
    began = time.process_time()
    for batch in reader:
        known = meanings.classified(batch)
        rows += len(known)
        refused += len(known) - known["refusal"].null_count
        if writer is not None:
            writer.write_batch(known)
    if writer is not None:
        writer.close()
    cpu_s = time.process_time() - began
    report = reader.report
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    told = {
        "lines": report.lines,
        "rows": rows,
        "refused": refused,
        "not_read": report.not_read,
        "cpu_s": cpu_s,
        "peak_mb": peak_kb / 1024,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
