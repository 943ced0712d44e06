"""What is mutated: our own cases only (tests/corpus, the examples of the rules), real in shape.

`--data FOLDER` adds every file in it to the seeds of the parsers its kind of file is for.
"""

import bz2
import gzip
import lzma
from functools import cache
from pathlib import Path

import pyarrow as pa

from bench.harness import ROOT
from unlisted.replies.knowledge import shipped

CORPUS = ROOT / "tests" / "corpus"
MAX_FILE = 256 * 1024

Seeds = tuple[bytes, ...]

FILTERS: Seeds = (
    b"service eq 'Exchange Online' and not (isResolved eq false)",
    b"contains(title,'it''s over') or startswith(service, 'Ma') or endswith(id,'1')",
    b"lastModifiedDateTime ge 2024-01-15T01:00:00+01:00 and endDateTime eq null",
    b"id in ('A1','C3') and status ne 'serviceRestored'",
    b"lastModifiedDateTime desc,id asc",
)
TOKENS: Seeds = (
    b"abcdefghijklmnopqrstuvwxyz234567",
    b"ABCD EFGH IJKL MNOP QRST UVWX YZ23 4567",
    b"<jo@tenant.example>",
    b'"jo doe"@[192.0.2.1]',
    "jürgen@bücher.example".encode(),
    b"jo@[IPv6:2001:db8::1]",
    b"<>",
    b"127.0.0.2 127.0.0.10 https://list.example/?q=192.0.2.1 NOERROR",
    b"127.255.255.254 NXDOMAIN",
    b"2001:db8::7/64 192.0.2.0/24 bl.list.example.",
    b"10.2.0.192.bl.list.example 127.0.0.4 SERVFAIL listed, see https://list.example",
)


@cache
def files(folder: str, ending: str, data: Path | None = None) -> Seeds:
    """Of tests/corpus, and of `--data`: those that end so."""
    found = sorted(CORPUS.joinpath(folder).glob("*" + ending))
    if data is not None:
        found += sorted(path for path in data.rglob("*" + ending) if path.is_file())
    return tuple(path.read_bytes()[:MAX_FILE] for path in found)


@cache
def replies(data: Path | None = None) -> Seeds:
    """Every rule's examples; and lines of `--data`'s .txt and .tsv files."""
    found = [example.encode() for rule in shipped() for example in rule.examples]
    for text in (*files("none", ".txt", data), *files("none", ".tsv", data)):
        found += [line for line in text.splitlines() if line]
    return tuple(found)


@cache
def postfix() -> Seeds:
    from tests.edge.postfix_traffic import Traffic

    made = Traffic(60, deferred=0.3, bounced=0.3, reused=0.2, filtered=0.1, forwarded=0.2)
    dated = Traffic(40, seed=2, deferred=0.3, bounced=0.3, forwarded=0.2, dated=True)
    lines = ("".join(f"{line}\n" for line in one.lines()).encode() for one in (made, dated))
    return (*files("logs", ".log"), *lines)


@cache
def archives() -> Seeds:
    """Logs as they lie about: packed in every way, in several members, in other encodings."""
    found: list[bytes] = []
    for log in files("logs", ".log"):
        half = len(log) // 2
        found += [
            log,
            gzip.compress(log, mtime=0),
            gzip.compress(log[:half], mtime=0) + gzip.compress(log[half:], mtime=0),
            bz2.compress(log),
            lzma.compress(log),
            pa.compress(log, "zstd", asbytes=True),
            log.decode().encode("utf-16"),
            b"\xef\xbb\xbf" + log,
        ]
    return tuple(found)
