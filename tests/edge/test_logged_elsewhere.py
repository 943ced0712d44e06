"""Lines as other loggers, containers, versions and exports write them: no attempt is missed, and
both readers of Postfix say the same of each."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.edge import log_reader
from unlisted.edge.log_plain import postfix_batches
from unlisted.edge.log_reader import FileReport, read_logs

NOW = 1_795_000_000.0  # 2026-11-18
AT = 1_793_700_001.0  # 2026-11-03 10:00:01 UTC
DEFERRED = (
    "4B6D11E01729: to=<b@example.com>, relay=none, delay=1, delays=1/0/0/0, dsn=4.4.1,"
    " status=deferred (connect to mx.example.com[192.0.2.25]:25: Connection timed out)"
)
Row = dict[str, Any]


def read(data: bytes, **options: Any) -> tuple[list[Row], FileReport]:
    options = {"zone": "UTC", "year": 2026, "now": NOW, **options}
    reader = read_logs(["-"], stdin=io.BytesIO(data), **options)
    found = [row for batch in reader for row in batch.to_pylist()]
    return found, reader.report.files[0]


def both(monkeypatch: pytest.MonkeyPatch, lines: list[str], **options: Any) -> list[Row]:
    data = "".join(f"{line}\n" for line in lines).encode()
    fast, report = read(data, **options)
    assert report.format == "postfix"
    monkeypatch.setitem(log_reader.BATCHES, "postfix", postfix_batches)
    plain, plainly = read(data, **options)
    assert fast == plain
    assert (report.attempts, report.not_read) == (plainly.attempts, plainly.not_read)
    return fast


HEADS = [
    "Nov  3 10:00:01 mx1 mail.info postfix/smtp[9]: ",  # BusyBox
    "Nov  3 10:00:01 <mail.info> mx1 postfix/smtp[9]: ",  # FreeBSD's syslogd -vv
    "Nov  3 10:00:01 <2.6> mx1 postfix/smtp[9]: ",  # and -v
    "Nov  3 10:00:01 mx1 <info> postfix/smtp[9]: ",
    "2026-11-03T10:00:01.000000+00:00 INFO    postfix/smtp[9]: ",  # a container's template
    "2026-11-03T10:00:01+00:00 INFO postfix/smtp[9]: ",
    "Nov  3 10:00:01 postfix/smtp[9]: ",
    "Nov  3 10:00:01  postfix/smtp[9]: ",  # an empty host
    "Nov  3 10:00:01 [postfix/smtp] ",  # metalog
    "Nov 03 10:00:01 2026 mx1 postfix/smtp[9]: ",
    "Nov 03 10:00:01 2026 mx1 outbound/smtp: ",  # an appliance
    "Tue Nov  3 10:00:01 2026 mail.info postfix/smtp[9]: ",  # OpenWrt's logread
    "Nov  3 10:00:01 host 1a2b3c4d[904]: Nov  3 12:00:01 mx1 postfix/smtp[9]: ",
    "2026-11-03T10:00:01Z mx1 postfix/smtp[9] ",  # a template without the colon
    "smtp-1  | 2026-11-03T10:00:01Z Nov  3 12:00:01 mx1 postfix/smtp[9]: ",
    "mail.log.1:Nov  3 10:00:01 mx1 postfix/smtp[9]: ",  # grep in several files
    "/var/log/mail.log-20261103:17:2026-11-03T10:00:01Z mx1 postfix/smtp[9]: ",
    "\x1b[36mmail_1  |\x1b[0m Nov  3 10:00:01 mx1 postfix/smtp[9]: ",  # docker-compose
    "2026 Nov  3 10:00:01 mx1 postfix/smtp[9]: ",
    "Nov 3 2026 10:00:01 mx1 postfix/smtp[9]: ",
    "Nov 3 10:00:01 mx1 postfix/smtp[9]: ",
    "ноя 03 10:00:01 mx1 postfix/smtp[9]: ",  # journalctl in the language of its user
    "nov. 03 10:00:01 mx1 postfix/smtp[9]: ",
    "lis 03 10:00:01 mx1 postfix/smtp[9]: ",
    "11月 03 10:00:01 mx1 postfix/smtp[9]: ",
    "mar. 2026-11-03 10:00:01 UTC mx1 postfix/smtp[9]: ",
    "2026-11-03T10:00:01Z host smtp-out[904]: 2026-11-03T10:00:03+00:00 INFO    postfix/smtp[9]: ",
]  # fmt: skip


@pytest.mark.parametrize("head", HEADS)
def test_a_line_is_read_however_its_logger_begins_it(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = both(monkeypatch, [head + DEFERRED])
    assert (row["at"], row["status"], row["recipient"]) == (AT, "deferred", "b@example.com")
    assert (row["transport"], row["queue_id"]) == ("smtp", "4B6D11E01729")
    assert row["instance"] == head.split("/smtp")[0].split()[-1].strip("[]")


@pytest.mark.parametrize("head", HEADS)
def test_lines_of_one_logger_are_joined(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def tag(line: str, name: str) -> str:
        return head.replace("/smtp", f"/{name}") + line

    rows = both(
        monkeypatch,
        [
            tag("4B6D11E01729: client=a.example.net[198.51.100.7]", "smtpd"),
            tag("4B6D11E01729: message-id=<m1@example.org>", "cleanup"),
            tag("4B6D11E01729: from=<a@example.org>, size=12, nrcpt=1 (queue active)", "qmgr"),
            head + DEFERRED,
        ],
    )
    assert [(r["sender"], r["mail_from"], r["message_id"], r["size"]) for r in rows] == [
        ("host:198.51.100.7", "a@example.org", "m1@example.org", 12)
    ]


def test_every_language_has_twelve_months() -> None:
    from unlisted.logs.months import _ROWS, month_of
    from unlisted.logs.stamp import MONTHS

    assert {name: month_of(name) for name in MONTHS} == MONTHS
    for row in _ROWS:
        assert [month_of(f"{name}.") for name in row.split()] == list(range(1, 13))
    assert month_of("") is month_of("Monday") is None


def as_json(**fields: Any) -> str:
    return json.dumps(fields)


@pytest.mark.parametrize(
    "line",
    [
        as_json(SYSLOG_IDENTIFIER="postfix/smtp", __REALTIME_TIMESTAMP="1793700001000000", MESSAGE=list(DEFERRED.encode())),
        "data: " + as_json(SYSLOG_IDENTIFIER="postfix/smtp", __REALTIME_TIMESTAMP="1793700001000000", MESSAGE=DEFERRED),
        "\x1e" + as_json(SYSLOG_IDENTIFIER="postfix/smtp", __REALTIME_TIMESTAMP="1793700001000000", MESSAGE=DEFERRED),
        as_json(time="1793700001", program="postfix/smtp", priority="info", message=DEFERRED),
        as_json(timestamp=1793700001, appname="postfix/smtp", host={"name": "mx"}, message=DEFERRED),
        as_json(**{"@timestamp": "2026-11-03T10:00:01Z", "syslogtag": "postfix/smtp[9]:", "message": DEFERRED}),
        as_json(time="2026-11-03T10:00:01Z", log=f"2026-11-03T10:00:01.1+00:00 INFO    postfix/smtp[9]: {DEFERRED}\n"),
    ],
)  # fmt: skip
def test_a_line_in_json_is_read_whoever_shipped_it(
    line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = both(monkeypatch, [line])
    assert (row["at"], row["recipient"], row["stage"]) == (AT, "b@example.com", "connect")


@pytest.mark.parametrize(
    "line",
    [
        '{"time":"x","program":"postfix/smtp","message":"4B6D11E01729: removed"}',
        '{"time":true,"program":"postfix/smtp","message":"4B6D11E01729: removed"}',
        '{"time":1793700001,"program":7,"message":"4B6D11E01729: removed"}',
        '{"time":1793700001,"program":"a/b","MESSAGE":[256]}',
        '{"time":"-¹","MESSAGE":"x","tag":"a/b"}',
        "[]",
    ],
)
def test_json_that_lacks_a_part_is_no_line(line: str) -> None:
    rows, report = read(f"{line}\n".encode(), format="postfix")
    assert (rows, report.not_read + report.other) == ([], 1)


def postfix(text: str, tag: str = "postfix/smtp") -> str:
    return f"Nov  3 10:00:01 mx1 {tag}[9]: 4B6D11E01729: {text}"


TO = "to=<b@example.com>, "
SAID = "host mx.example.com[192.0.2.25] said: 554 5.7.1 no (in reply to RCPT TO command)"


@pytest.mark.parametrize(
    "line, told",
    [
        (  # soft_bounce = yes
            postfix(f"{TO}relay=mx.example.com[192.0.2.25]:25, delay=1, delays=1/0/0/0, dsn=4.7.1, status=SOFTBOUNCE ({SAID})"),
            {"status": "deferred", "code": 554, "enhanced": "4.7.1", "stage": "rcpt"},
        ),
        (  # before Postfix 2.3
            postfix(f"{TO}orig_to=<c@example.com>, relay=mx.example.com[192.0.2.25], delay=5, status=bounced ({SAID})"),
            {"status": "bounced", "code": 554, "enhanced": None, "relay_ip": "192.0.2.25", "orig_to": "c@example.com"},
        ),
        (
            postfix(f"{TO}relay=none, delay=5, status=deferred (delivery temporarily suspended: connect to a[192.0.2.1]: read timeout)", "postfix/qmgr"),
            {"status": "deferred", "repeats": True, "pool": None},
        ),
        (  # since Postfix 3.11
            postfix(f"{TO}relay=mx.example.com[192.0.2.25]:25, conn_use=2, delay=1, delays=1/0/0/0, tls=may!none, dsn=5.7.1, status=bounced ({SAID})"),
            {"status": "bounced", "code": 554, "enhanced": "5.7.1", "delay_s": 1.0, "stage": "rcpt"},
        ),
        (  # an instance for each address
            postfix(f"{TO}relay=none, delay=1, delays=1/0/0/0, dsn=4.4.1, status=deferred (x)", "postfix-192.0.2.7/smtp"),
            {"egress": "192.0.2.7", "instance": "postfix-192.0.2.7"},
        ),
        (
            postfix(f"{TO}relay=local, delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (delivered to mailbox)", "postfix-192.0.2.7/local"),
            {"egress": None},
        ),
        (  # a socket below the queue directory is no remote site
            postfix(f"{TO}orig_to=<c@example.org>, relay=mx1[private/dovecot-lmtp], delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 2.0.0 Saved)", "postfix/lmtp"),
            {"relay": "mx1", "relay_ip": None, "code": 250},
        ),
    ],
)  # fmt: skip
def test_versions_and_settings_of_postfix(
    line: str, told: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = both(monkeypatch, [line])
    assert {name: row[name] for name in told} == told


def test_mail_to_a_mailbox_of_ours_forwards_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        postfix("client=a.example.net[198.51.100.7]", "postfix/smtpd"),
        postfix(f"{TO}orig_to=<c@example.org>, relay=mx1[private/dovecot-lmtp], delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (250 Saved)", "postfix/lmtp"),
    ]  # fmt: skip
    (row,) = both(monkeypatch, lines)
    assert row["sender"] == "host:198.51.100.7"


def test_what_a_sender_wrote_behind_his_message_id_is_no_part_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = [postfix("message-id=<m1@example.org> (added by x)", "postfix/cleanup")]
    lines.append(f"Nov  3 10:00:01 mx1 postfix/smtp[9]: {DEFERRED}")
    (row,) = both(monkeypatch, lines)
    assert row["message_id"] == "m1@example.org"


ID = "1x8yvQ-0000000AutE-1xus"
FROM_SITE = "H=mx.example.com [192.0.2.25]"
AFTER = "SMTP error from remote mail server after RCPT TO:<b@example.com>: 550 5.7.1 no"


@pytest.mark.parametrize(
    "line, told",
    [
        # cPanel's routers end their name with a blank.
        ("** b@example.com R=enforce_mail_permissions : Domain example.org has exceeded the max defers (5/5 (100%))",
         {"status": "bounced", "recipient": "b@example.com"}),
        (f"** b@example.com (c@example.org) <c@example.org> R=r T=t {FROM_SITE} : {AFTER}",
         {"status": "bounced", "orig_to": "c@example.org", "relay_ip": "192.0.2.25", "code": 550, "stage": "rcpt"}),
        (f"== b@example.com R=r T=t defer (111): Connection refused {FROM_SITE}",
         {"status": "deferred", "relay": "mx.example.com", "relay_ip": "192.0.2.25", "stage": "connect"}),
        (f"== b@example.com R=r T=t defer (110): Connection timed out {FROM_SITE}:25: SMTP timeout after initial connection",
         {"relay_ip": "192.0.2.25", "stage": "greeting"}),
        ("== b@example.com R=r T=t defer (110): Connection timed out: SMTP timeout while connected to mx.example.com [192.0.2.25] after initial connection",
         {"relay": "mx.example.com", "relay_ip": "192.0.2.25", "stage": "greeting"}),
        # The second message over one connection.
        (f"** b@example.com R=r T=t {FROM_SITE}*: {AFTER}",
         {"status": "bounced", "relay_ip": "192.0.2.25", "code": 550, "stage": "rcpt"}),
        (f"** b@example.com R=r T=t {FROM_SITE}:25* I=[192.0.2.7]:3345 X=TLS1.3:A:256 CV=yes: {AFTER}",
         {"status": "bounced", "relay_ip": "192.0.2.25", "egress": "192.0.2.7", "code": 550}),
        (f"=> b@example.com R=r T=t {FROM_SITE}* C=\"250 2.0.0 Ok\" QT=2s",
         {"status": "sent", "relay_ip": "192.0.2.25", "code": 250, "delay_s": 2.0}),
        ("== b@example.com R=r T=t defer (-1)", {"status": "deferred", "text": None}),
        ("->  b@example.com <\" c\"@example.org> R=r T=t H=mx.example.com [192.0.2.25]",
         {"status": "sent", "recipient": "b@example.com", "relay_ip": "192.0.2.25"}),
        (f"** b@example.com R=r T=t H=mx.example.com: {AFTER}",
         {"relay": "mx.example.com", "relay_ip": None, "code": 550, "stage": "rcpt"}),
    ],
)  # fmt: skip
def test_forms_of_exims_delivery_lines(line: str, told: Row) -> None:
    rows, report = read(f"2026-11-03 10:00:01 {ID} {line}\n".encode())
    assert (report.format, report.not_read) == ("exim", 0)
    (row,) = rows
    assert {name: row[name] for name in told} == told


@pytest.mark.parametrize("login", ["A=login:anna", "A=login:anna:anna@example.org"])
def test_the_sender_that_a_login_claims_is_no_part_of_it(login: str) -> None:
    """Selector smtp_mailauth, and so `+all`."""
    stamp = f"2026-11-03 10:00:01 {ID}"
    arrival = f"{stamp} <= a@example.org H=x [198.51.100.7] P=esmtpsa {login} S=12 id=m@example.org"
    rows, _ = read(f"{arrival}\n{stamp} => b@example.com R=r T=t {FROM_SITE}\n".encode())
    assert [row["sender"] for row in rows] == ["login:anna"]


def test_a_suppressed_delivery_of_exim_is_no_attempt() -> None:
    line = f'2026-11-03 10:00:01 {ID} *> b@example.com R=r T=t {FROM_SITE} C="bypassed by -N"\n'
    assert read(line.encode())[0] == []


@pytest.mark.parametrize(
    "before",
    [
        "exim-1  | 2026-11-03 11:00:01 ",
        "\x1b[36mexim_1  |\x1b[0m 2026-11-03 11:00:01 ",
        "/var/log/exim4/mainlog.1:2026-11-03 11:00:01 ",
        "2026-11-03T10:00:01Z 2026-11-03 11:00:01 ",
        "2026-11-03T10:00:01Z stdout F 2026-11-03 11:00:01 ",
        "Nov  3 10:00:01 mx1 mail.info exim[9]: ",
        '{"time":"2026-11-03T10:00:01Z","log":"2026-11-03 11:00:01 ',
    ],
)
def test_exim_is_read_through_what_a_container_puts_around_it(before: str) -> None:
    end = '\\n"}' if before.startswith("{") else ""
    line = f"{before}{ID} ** b@example.com R=r T=t {FROM_SITE}: {AFTER}{end}\n"
    rows, report = read(line.encode(), zone="+01:00" if "11:00" in before else "UTC")
    assert (report.format, report.not_read) == ("exim", 0)
    assert [(row["at"], row["code"], row["relay_ip"]) for row in rows] == [(AT, 550, "192.0.2.25")]


@pytest.mark.parametrize(
    "text, hour",
    [
        ("11/3/2026 10:00:01\u202fAM", 10),
        ("3. 11. 2026 10:00:01", 10),
        ("2026. 11. 03. 10:00:01", 10),
        ("03.11.2026 10.00.01", 10),
        ("Nov 3, 2026 10:00:01 PM", 22),
        ("November 3, 2026 10:00:01 AM", 10),
    ],
)
def test_times_of_a_trace_as_countries_and_programs_write_them(text: str, hour: int) -> None:
    data = (
        f'"Date (UTC)","Sender address","Recipient","Status"\n"{text}","a@b.c","d@e.f","Failed"\n'
    )
    rows, report = read(data.encode())
    assert (report.format, report.not_read) == ("m365", 0)
    assert [row["at"] for row in rows] == [AT + (hour - 10) * 3600]


FUTURE: list[tuple[str, str]] = [
    ("postfix", f"2098-11-03T10:00:01Z mx1 postfix/smtp[9]: {DEFERRED}"),
    ("postfix", "2098-11-03T10:00:01Z mx1 postfix/qmgr[9]: 4B6D11E01729: from=<a@b.c>, status=expired, returned to sender"),
    ("postfix", f"2098-11-03 10:00:01 mx1 postfix/smtp[9]: {DEFERRED}"),
    ("postfix", as_json(time=4065760801, program="postfix/smtp", message=DEFERRED)),
    ("exim", f"2098-11-03 10:00:01 {ID} ** b@example.com R=r T=t {FROM_SITE}: {AFTER}"),
    ("kumomta", as_json(type="Bounce", id="a", recipient="b@c.d", timestamp=4065760801, response={"code": 550})),
    ("m365", "2098-11-03T10:00:01Z,a@b.c,d@e.f,Failed"),
]  # fmt: skip


@pytest.mark.parametrize("name, line", FUTURE)
def test_an_attempt_of_the_far_future_is_counted_and_left_out(name: str, line: str) -> None:
    head = "received,senderaddress,recipientaddress,status\n" if name == "m365" else ""
    rows, report = read(f"{head}{line}\n".encode())
    assert (rows, report.format, report.not_read) == ([], name, 1)
    assert report.samples[0].why == "a stamp in the future"


def test_what_the_future_tells_of_a_message_is_true_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine that begins with a wrong clock takes mail in before it is set right."""
    rows = both(
        monkeypatch,
        [
            "2098-11-03T10:00:01Z mx1 postfix/smtpd[9]: 4B6D11E01729: client=a[198.51.100.7]",
            f"2026-11-03T10:00:01Z mx1 postfix/smtp[9]: {DEFERRED}",
            f"2098-11-03T10:00:02Z mx1 postfix/smtp[9]: {DEFERRED}",
            "Nov  3 10:00:03 mx1 postfix/smtp[9]: "
            + DEFERRED.replace("4B6D11E01729", "4B6D11E0172A"),
        ],
        year=None,
    )
    assert [(row["line"], row["sender"]) for row in rows] == [(2, "host:198.51.100.7"), (4, None)]
    assert [row["at"] for row in rows] == [AT, AT + 2]


def test_a_file_dated_back_keeps_the_stamps_that_tell_their_year(tmp_path: Path) -> None:
    import os

    path = tmp_path / "mail.log"
    path.write_text(f"2026-11-03T10:00:01Z mx1 postfix/smtp[9]: {DEFERRED}\n")
    os.utime(path, (1.6e9, 1.6e9))
    reader = read_logs([path], zone="UTC", now=NOW)
    assert sum(batch.num_rows for batch in reader) == 1


@given(st.text(max_size=80), st.sampled_from(["", "{", 'data: {"MESSAGE":', "Nov  3 10:00:00 "]))
def test_any_text_has_a_host_and_a_program_or_none(text: str, before: str) -> None:
    from unlisted.logs.log_json import record_of
    from unlisted.logs.relatives import relative_of
    from unlisted.logs.syslog import host_and_tag, in_container

    named = host_and_tag(text)
    assert named is None or (" " not in "".join(named) and named[1])
    record = record_of(before + text)
    assert record is None or record.text
    in_container(before + text)
    relative_of([before + text])


@given(
    st.dictionaries(
        st.sampled_from(["MESSAGE", "log", "time", "timestamp", "host", "program", "tag"]),
        st.one_of(
            st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=9),
            st.lists(st.integers(-1, 300), max_size=4), st.dictionaries(st.text(), st.none(), max_size=1),
        ),
    )
)  # fmt: skip
def test_any_object_is_a_line_or_none(told: dict[str, Any]) -> None:
    read(f"{as_json(**told)}\n".encode(), format="postfix")


RELATIVES = [
    ("Sendmail", "Nov  3 10:00:01 mx1 sm-mta[9]: m5UNQtuJ001414: to=<b@example.com>, delay=00:00:01, mailer=esmtp, dsn=4.7.1, stat=Deferred"),
    ("Sendmail", "Nov  3 10:00:01 mx1 sendmail[9]: [ID 801593 mail.info] r72DY20O010335: to=root, dsn=4.0.0, stat=Deferred"),
    ("OpenSMTPD", 'Nov  3 10:00:01 mx1 smtpd[9]: 8f4864084ecc48f4 mta event=delivery evpid=7077717e797a776e to=<b@example.com> result="PermFail"'),
    ("OpenSMTPD", 'Nov  3 10:00:01 mx1 smtpd[9]: 8f4864084ecc48f4 mta delivery evpid=7077717e797a776e to=<b@example.com> result="Ok"'),
    ("qmail", "@400000005f5e1f0b1c2d3e4f delivery 1: deferral: Connected_to_192.0.2.1/"),
    ("Haraka", "Nov  3 10:00:01 mx1 haraka[9]: [NOTICE] [0A1B2C3D-1111-2222-3333-444455556666.1.1] [outbound] delivered file=x"),
    ("PowerMTA", "type,timeLogged,timeQueued,orig,rcpt,orcpt,dsnAction,dsnStatus,dsnDiag"),
    ("PowerMTA", "b,2026-11-03 10:00:01+0000,2026-11-03 10:00:00+0000,a@b.c,d@e.f,,failed,5.7.1"),
    ("hMailServer", '"SMTPC"\t2104\t1\t"2026-11-03 10:00:01.123"\t"192.0.2.1"\t"SENT: QUIT"'),
    ("Exchange", "#Log-type: SMTP Send Protocol Log"),
    ("Exchange", '"Timestamp","ClientIp","EventId","Source","Sender","Recipients","MessageSubject"'),
    ("Amazon SES", '{"eventType":"Bounce","bounce":{},"mail":{"messageId":"x"}}'),
]  # fmt: skip


@pytest.mark.parametrize("name, line", RELATIVES)
def test_the_log_of_another_server_is_named(name: str, line: str) -> None:
    rows, report = read(f"{line}\n".encode())
    assert rows == []
    assert (report.relative or "").startswith(name)
    assert any("is not read" in said for said in report.assumptions)


def test_no_log_that_is_read_is_taken_for_another() -> None:
    from unlisted.logs.relatives import relative_of

    corpus = Path(__file__).resolve().parent.parent / "corpus" / "logs"
    for path in corpus.glob("*.log"):
        assert relative_of(path.read_text("utf-8", "replace").splitlines()) is None, path


def test_a_system_log_of_two_servers_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [RELATIVES[0][1], f"Nov  3 10:00:01 mx1 postfix/smtp[9]: {DEFERRED}"]
    rows, report = read("".join(f"{line}\n" for line in lines).encode())
    assert (len(rows), report.relative) == (1, None)
