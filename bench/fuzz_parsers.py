"""Every parser that meets bytes of others: how it is called, what it may refuse, its seeds.

`call` is what the product does with such bytes, to the end: a reply is classified and the answer
written as JSON, a mail is cut, read and judged, a log gives record batches. A promise that can be
checked in passing is (`assert`): a broken one counts as a crash.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from ipaddress import ip_network
from pathlib import Path

import msgspec

from bench import fuzz_seeds as seeds
from bench.fuzz_seeds import Seeds
from unlisted import config, config_file
from unlisted.edge.log_input import Block
from unlisted.edge.log_plain import (
    Batches,
    Reading,
    exim_batches,
    kumomta_batches,
    lines_of,
    m365_batches,
    postfix_batches,
)
from unlisted.edge.log_reader import read_logs
from unlisted.edge.postfix_fast import postfix_fast_batches
from unlisted.health import odata
from unlisted.health.graph import KINDS
from unlisted.health.importer import ImportFailed, read_record
from unlisted.logs.detect import format_of
from unlisted.logs.stamp import Calendar
from unlisted.logs.tally import Tally
from unlisted.mail import envelope, message, original, spamcop, trace, xarf
from unlisted.mail.bounce import parse_bounce
from unlisted.mail.delivery_status import parse_status
from unlisted.mail.dsn import NDR, FailedRecipient, render_ndr
from unlisted.mail.envelope import AddressError
from unlisted.mail.feedback import parse_feedback
from unlisted.mail.mimescan import scan
from unlisted.mail.reply import ReplyError, parse_reply, render_reply
from unlisted.replies import Pool, addresses, as_json, classify
from unlisted.replies.bounces import judge
from unlisted.watch import query
from unlisted.watch.answers import judge as judge_answer
from unlisted.watch.catalogue import normal_zone
from unlisted.watch.query import reverse_name

KB = 1024
MAIL = 1024 * KB
TEXT = 64 * KB
OURS = (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))
POOL = Pool(OURS)
KEY = b"k" * 32
NOON = 1_793_707_200.0  # 2026-11-03 12:00 UTC
STAGES = (None, "connect", "greeting", "ehlo", "mail", "rcpt", "data", "eod")
ITEMS = [
    {"id": "A1", "service": "Mail", "status": "serviceRestored", "isResolved": True,
     "title": "It's over", "lastModifiedDateTime": "2024-01-03T00:00:00Z", "endDateTime": None},
]  # fmt: skip


@dataclass(frozen=True)
class Parser:
    """refuses: its own errors. weight: its share of the inputs, less of it where
    one costs milliseconds."""

    name: str
    call: Callable[[bytes], object]
    seeds: Seeds
    weight: int
    limit: int = TEXT
    refuses: tuple[type[Exception], ...] = ()


def text_of(data: bytes) -> str:
    """The worst text that can come out of bytes: what is no UTF-8 becomes lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def _classify(data: bytes) -> None:
    source = "192.0.2.7" if len(data) % 2 else None
    meaning = classify(text_of(data), ours=POOL, source=source, stage=STAGES[len(data) % 8])
    json.dumps(as_json(meaning)).encode()


def _classify_read(data: bytes) -> None:
    """As the relay does: the reply was parsed before."""
    msgspec.json.encode(as_json(classify(parse_reply(data), ours=OURS)))


def _reply(data: bytes) -> None:
    reply = parse_reply(data)
    again = render_reply(reply)
    assert again.endswith(b"\r\n") and b"\n" not in again.replace(b"\r\n", b"")


def _bounce(data: bytes) -> None:
    for record in parse_bounce(data):
        judged = judge(record, ours=OURS)
        json.dumps([msgspec.structs.asdict(record), judged.reason]).encode()


def _spamcop(data: bytes) -> None:
    mail = scan(data)
    spamcop.find(mail)
    original.of_mail(mail)


def _message(data: bytes) -> None:
    message.subject(data)
    message.header(data, "Content-Type")
    message.body_digest(data)
    message.content_type(data)
    for _, part in message.parts(data)[:3]:
        message.payload(part)
    assert message.add_header(data, "X-Trace", "x").endswith(data)


def _ndr(data: bytes) -> None:
    """What we write ourselves with a stranger's words in it must be a report to any reader."""
    texts = [text_of(piece) for piece in data.split(b"\n", 6)] + [""] * 7
    recipients = [
        FailedRecipient(address, "failed", status, text, host, at, "blocked")
        for address, status, text, host, at in (
            (texts[0], texts[1], texts[2], texts[3], NOON),
            ("user@site.example", "5.7.1", text_of(data[:2000]), None, float(len(data)) * 1e12),
        )
    ]
    ndr = NDR(
        id=texts[4],
        at=NOON,
        reporting_mta=texts[5],
        to=texts[0],
        original_headers=data,
        arrival=NOON,
        recipients=recipients,
        explanation=texts[6],
        postmaster="postmaster@mx.example",
        link=texts[3] or None,
    )
    rendered = render_ndr(ndr)
    assert max(map(len, rendered.split(b"\r\n"))) <= 998  # RFC 5322 section 2.1.1
    found = parse_bounce(rendered)
    assert "user@site.example" in [record.recipient for record in found]
    for record in found:
        judge(record, ours=OURS)


def _trace(data: bytes) -> None:
    text = text_of(data)
    assert trace.open_trace(KEY, text) is None
    number = int.from_bytes(data[:8].ljust(8, b"\0"), "big")
    assert trace.open_trace(KEY, trace.seal(KEY, number)) == number


def _address(data: bytes) -> None:
    text = text_of(data)
    envelope.person_id(KEY, text)
    envelope.domain_of(text)
    found = envelope.parse_reverse_path(text)
    assert found is None or envelope.parse_address(str(found)) == found


def _addresses(data: bytes) -> None:
    text = text_of(data)
    addresses.single(text)
    addresses.bind(addresses.in_text(text), POOL, "192.0.2.7")


def _batches(read: Batches) -> Callable[[bytes], object]:
    def call(data: bytes) -> None:
        """In two blocks, as a big file comes."""
        data = data.rstrip(b"\n") + b"\n"
        middle = data.rfind(b"\n", 0, len(data) // 2) + 1
        tally = Tally()
        reading = Reading([Calendar(UTC, NOON + 86_400.0)], [tally])
        first = Block(0, 1, data[:middle])
        blocks = [Block(0, 1 + first.data.count(b"\n"), data[middle:])]
        rows = sum(
            batch.num_rows for batch in read([first, *blocks] if middle else blocks, reading)
        )
        assert tally.attempts == rows

    return call


def _detect(data: bytes) -> None:
    format_of(lines_of(Block(0, 1, data + b"\n")))


def archive(folder: Path) -> Callable[[bytes], object]:
    path = folder / "mail.log"

    def call(data: bytes) -> None:
        path.write_bytes(data)
        reader = read_logs([path], zone="UTC", now=NOON + 86_400.0)
        for _ in reader:
            pass
        " ".join(reader.report.words()).encode("utf-8", "replace")

    return call


def _odata(data: bytes) -> None:
    text = text_of(data)
    asked = odata.parse([("$filter", text)], KINDS)
    odata.applied(asked, ITEMS)


def _odata_options(data: bytes) -> None:
    text = text_of(data)
    name = ("$orderby", "$top", "$skip", "$select", "$count", "$expand", text)[len(data) % 7]
    odata.applied(odata.parse([(name, text)], KINDS), ITEMS)


def _answer(data: bytes) -> None:
    words = text_of(data).split(" ")
    judge_answer(None, words[:40], words, words[-1], test_listed=None, test_clean=None)
    judge_answer(None, None, words, words[0], test_listed=True, test_clean=True)


def _query(data: bytes) -> None:
    address, _, zone = text_of(data).partition(" ")
    normal_zone(zone)
    assert len(reverse_name(address, zone)) <= 253


def _config(data: bytes) -> None:
    found, _ = config_file.parse(data.decode("utf-8", "replace"))
    config.remarks(found)


def parsers(folder: Path, data: Path | None = None) -> list[Parser]:
    """All of them, in an order that decides which number is whose."""
    replies, mails = seeds.replies(data), seeds.files("mails", ".eml", data)
    logs = seeds.files("logs", ".log", data)
    return [
        Parser("replies.classify", _classify, replies, 44),
        Parser("replies.classify parsed", _classify_read, replies, 14, refuses=(ReplyError,)),
        Parser("mail.reply", _reply, replies, 14, refuses=(ReplyError,)),
        Parser("replies.addresses", _addresses, replies, 8),
        Parser("mail.bounce", _bounce, mails, 24, MAIL),
        Parser("mail.feedback", parse_feedback, mails, 10, MAIL),
        Parser("mail.spamcop", _spamcop, mails, 6, MAIL),
        Parser("mail.xarf", xarf.parse, _documents(mails), 5, MAIL),
        Parser("mail.message", _message, mails, 10, MAIL),
        Parser("mail.dsn", _ndr, (*replies[:200], *mails), 4),
        Parser("mail.delivery_status", lambda d: parse_status(text_of(d)), mails, 5),
        Parser("mail.trace", _trace, seeds.TOKENS, 4),
        Parser("mail.envelope", _address, seeds.TOKENS, 8, refuses=(AddressError,)),
        Parser("logs.postfix", _batches(postfix_batches), seeds.postfix(), 6),
        Parser("edge.postfix_fast", _batches(postfix_fast_batches), seeds.postfix(), 3),
        Parser("logs.exim", _batches(exim_batches), logs, 8),
        Parser("logs.kumomta", _batches(kumomta_batches), logs, 8),
        Parser("logs.m365", _batches(m365_batches), logs, 8),
        Parser("logs.detect", _detect, logs, 2),
        Parser("edge.log_reader", archive(folder), seeds.archives(), 4),
        Parser("health.importer", read_record, seeds.files("health", ""), 2, refuses=(ImportFailed,)),
        Parser("health.odata", _odata, seeds.FILTERS, 7, refuses=(odata.QueryError,)),
        Parser("health.odata options", _odata_options, seeds.FILTERS, 2, refuses=(odata.QueryError,)),
        Parser("watch.answers", _answer, seeds.TOKENS, 4),
        Parser("watch.query", _query, seeds.TOKENS, 2, refuses=(query.QueryError,)),
        Parser("config", _config, seeds.files("config", ".toml"), 3, refuses=(config_file.ConfigError,)),
    ]  # fmt: skip


def _documents(mails: Seeds) -> Seeds:
    """The JSON in mails, and one with everything in it."""
    whole = {
        "xarf_version": "4.0.0", "category": "messaging", "type": "spam", "smtp_to": "u@site.example",
        "reporter": {"org": "R", "contact": "a@r.example"}, "source_identifier": "192.0.2.7",
        "evidence": [{"content_type": "message/rfc822", "payload": "Received: x\nTo: u@site.example\n\n"}],
    }  # fmt: skip
    third = {
        "Version": "3", "ReporterInfo": {"ReporterOrg": "R"},
        "Report": {"ReportClass": "Activity", "ReportType": "Spam", "SourceIp": "192.0.2.7",
                   "Samples": [{"ContentType": "text/plain", "Payload": "UmVjZWl2ZWQ6IHg="}]},
    }  # fmt: skip
    cut = tuple(mail[mail.index(b"{") : mail.rindex(b"}") + 1] for mail in mails if b'{"' in mail)
    return (json.dumps(whole).encode(), json.dumps(third).encode(), *cut)
