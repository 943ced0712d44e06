"""Postfix's lines: what each tells, what a cut one must not tell, how they are joined."""

from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.logs.names import egress_in, names_of, pool_in
from unlisted.logs.postfix import HOLD_S, PostfixParser
from unlisted.logs.stamp import Calendar
from unlisted.logs.tally import Tally
from unlisted.mail.attempt import Attempt

NOW = 1_793_750_000.0  # 2026-11-03, some hours after the lines below

LOGIN = """\
Nov  3 10:00:00 mx1 postfix/submission/smtpd[101]: 4Xk2Yz3BcDzF: client=dsl.example.net[198.51.100.7], sasl_method=PLAIN, sasl_username=anna@example.org
Nov  3 10:00:00 mx1 postfix/cleanup[102]: 4Xk2Yz3BcDzF: message-id=<m1@example.org>
Nov  3 10:00:00 mx1 postfix/qmgr[103]: 4Xk2Yz3BcDzF: from=<anna@example.org>, size=1234, nrcpt=1 (queue active)
Nov  3 10:00:01 mx1 postfix/smtp-pool3/smtp[104]: 4Xk2Yz3BcDzF: to=<bob@example.com>, orig_to=<robert@example.com>, relay=mx.example.com[192.0.2.25]:25, delay=0.9, delays=0.1/0.01/0.3/0.5, dsn=5.7.1, status=bounced (host mx.example.com[192.0.2.25] said: 554 5.7.1 Service unavailable; Client host [203.0.113.9] blocked using zen.spamhaus.org (in reply to RCPT TO command))
Nov  3 10:00:02 mx1 postfix/qmgr[103]: 4Xk2Yz3BcDzF: removed
""".splitlines()


def read(lines: list[str], **options: object) -> tuple[list[Attempt], Tally, PostfixParser]:
    tally = Tally()
    parser = PostfixParser([Calendar(UTC, NOW)], [tally], **options)  # type: ignore[arg-type]
    for number, line in enumerate(lines, start=1):
        parser.feed(line, 0, number)
    parser.finish()
    return parser.take(), tally, parser


def one(lines: list[str], **options: object) -> Attempt:
    attempts, _, _ = read(lines, **options)
    (attempt,) = attempts
    return attempt


def delivery(outcome: str, *, queue_id: str = "A1B2C3D4E5", tag: str = "postfix/smtp") -> str:
    return (
        f"Nov  3 10:00:01 mx1 {tag}[104]: {queue_id}: to=<b@example.com>, "
        f"relay=none, delay=1, delays=1/0/0/0, dsn=4.0.0, {outcome}"
    )


def test_every_field_of_a_bounce_is_read_and_joined() -> None:
    assert one(LOGIN) == Attempt(
        at=1_793_700_001.0,
        file=0,
        line=4,
        instance="postfix",
        queue_id="4Xk2Yz3BcDzF",
        status="bounced",
        recipient="bob@example.com",
        orig_to="robert@example.com",
        message_id="m1@example.org",
        sender="login:anna@example.org",
        mail_from="anna@example.org",
        transport="smtp-pool3",
        pool="pool3",
        relay="mx.example.com",
        relay_ip="192.0.2.25",
        code=554,
        enhanced="5.7.1",
        stage="rcpt",
        text="host mx.example.com[192.0.2.25] said: 554 5.7.1 Service unavailable; Client host"
        " [203.0.113.9] blocked using zen.spamhaus.org (in reply to RCPT TO command)",
        delay_s=0.9,
        size=1234,
    )


@pytest.mark.parametrize("order", [[3, 0, 1, 2, 4], [0, 3, 1, 4, 2], [1, 3, 4, 0, 2]])
def test_lines_out_of_order_by_seconds_lose_no_attribute(order: list[int]) -> None:
    whole = one(LOGIN)
    mixed = one([LOGIN[i] for i in order])
    assert (mixed.sender, mixed.mail_from, mixed.message_id, mixed.size) == (
        whole.sender,
        whole.mail_from,
        whole.message_id,
        whole.size,
    )


def test_a_cut_line_yields_no_field() -> None:
    whole = one(LOGIN)
    for which, line in enumerate(LOGIN):
        # A login has no end of its own, and neither has the client before it: see docs/logs.md.
        first = line.index("client=") if which == 0 else 0
        stop = line.index("]", first) if which == 0 else len(line)
        for end in range(1, stop):
            lines = [*LOGIN[:which], line[:end], *LOGIN[which + 1 :]]
            attempts, _, _ = read(lines)
            if which == 3:
                assert attempts == []
                continue
            (cut,) = attempts
            for name in ("sender", "mail_from", "message_id", "size", "text", "recipient"):
                assert getattr(cut, name) in (None, getattr(whole, name))


def test_a_cut_delivery_line_is_counted_and_sampled() -> None:
    _, tally, _ = read([LOGIN[3][:-30]])
    assert (tally.not_read, tally.attempts) == (1, 0)
    assert tally.samples[0].line == 1


@pytest.mark.parametrize(
    "outcome, code, stage",
    [
        ("status=deferred (host a[192.0.2.1] said: 421 4.7.0 no (in reply to MAIL FROM command))", 421, "mail"),
        ("status=deferred (host a[192.0.2.1] said: 451 x (in reply to end of DATA command))", 451, "eod"),
        ("status=deferred (host a[192.0.2.1] said: 451 x (in reply to DATA command))", 451, "data"),
        ("status=deferred (host a[192.0.2.1] refused to talk to me: 554 5.7.1 no)", 554, "greeting"),
        ("status=deferred (connect to a[192.0.2.1]:25: Connection timed out)", 0, "connect"),
        ("status=deferred (lost connection with a[192.0.2.1] while receiving the initial server greeting)", 0, "greeting"),
        ("status=deferred (conversation with a[192.0.2.1] timed out while sending RCPT TO)", 0, "rcpt"),
        ("status=bounced (Host or domain name not found. Name service error for name=a type=A: Host not found)", 0, None),
        ("status=bounced (unknown user: \"b\")", 0, None),
        ("status=deferred (SASL authentication failed; server a[192.0.2.1] said: 535-5.7.8 no)", 535, "ehlo"),
        ("status=deferred (Cannot start TLS: handshake failure)", 0, "ehlo"),
        ("status=deferred (TLS is required, but was not offered by host a[192.0.2.1])", 0, "ehlo"),
        ("status=deferred (Server certificate not trusted)", 0, "ehlo"),
    ],
)  # fmt: skip
def test_code_and_stage_come_from_the_wrapping(outcome: str, code: int, stage: str | None) -> None:
    attempt = one([delivery(outcome)])
    assert (attempt.code, attempt.stage) == (code, stage)


@pytest.mark.parametrize(
    "text",
    [
        "host a[192.0.2.1] said: 554 5.7.1 blocked (see http://example.net/)",
        "host a[192.0.2.1] said: 554 5.7.1 blocked (in reply to RCPT TO command",
        "host a[192.0.2.1] refused to talk to me: 554 blocked (see http://example.net/",
    ],
)
def test_a_line_cut_behind_an_inner_parenthesis_is_cut(text: str) -> None:
    attempts, tally, _ = read([delivery(f"status=deferred ({text})")])
    assert (attempts, tally.not_read) == ([], 1)


def test_follow_on_lines_are_repeats_and_probes_are_no_attempts() -> None:
    suspended = (
        "status=deferred (delivery temporarily suspended: host a[192.0.2.1] said:"
        " 421 4.7.0 no (in reply to MAIL FROM command))"
    )
    attempt = one([delivery(suspended, tag="postfix/error")])
    assert attempt.repeats and attempt.code == 421
    assert read([delivery("status=deliverable (250 ok)")])[0] == []


@pytest.mark.parametrize(
    "tag, instance, transport, pool, egress",
    [
        ("postfix/smtp", "postfix", "smtp", None, None),
        ("postfix-out/smtp", "postfix-out", "smtp", None, None),
        ("postfix/relay/smtp", "postfix", "relay", None, None),
        ("postfix/smtp-pool3/smtp", "postfix", "smtp-pool3", "pool3", None),
        ("postfix/bulk/smtp", "postfix", "bulk", "bulk", None),
        ("postfix/out-192-0-2-7/smtp", "postfix", "out-192-0-2-7", None, "192.0.2.7"),
        ("postfix/smtp_192.0.2.7/smtp", "postfix", "smtp_192.0.2.7", None, "192.0.2.7"),
        ("postfix/out-2001-db8--7/smtp", "postfix", "out-2001-db8--7", None, "2001:db8::7"),
        ("postfix/out-2/smtp", "postfix", "out-2", "out-2", None),
    ],
)
def test_names_tell_instance_transport_pool_and_egress(
    tag: str, instance: str, transport: str, pool: str | None, egress: str | None
) -> None:
    names = names_of(tag)
    assert names is not None
    assert names[:2] == (instance, transport)
    assert (names.pool, names.egress) == (pool, egress)


STAMP = "Nov  3 10:00:00 mx1 postfix"


@pytest.mark.parametrize(
    "lines, sender",
    [
        ([f"{STAMP}/pickup[1]: A1B2C3D4E5: uid=33 from=<www-data>"], "uid:33"),
        ([f"{STAMP}/smtpd[1]: A1B2C3D4E5: client=x.example[198.51.100.4]"], "host:198.51.100.4"),
        ([f"{STAMP}/smtpd[1]: A1B2C3D4E5: client=localhost[127.0.0.1]"], None),
        ([f"{STAMP}/smtpd[1]: A1B2C3D4E5: client=unknown[unknown]"], None),
        (
            [
                f"{STAMP}/smtpd[1]: 1111111111: client=x[198.51.100.4], sasl_method=LOGIN, sasl_username=jo",
                f"{STAMP}/smtpd[1]: A1B2C3D4E5: client=localhost[::1], orig_queue_id=1111111111, orig_client=x[198.51.100.4]",
            ],
            "login:jo",
        ),
        (
            [
                f"{STAMP}/smtpd[1]: 1111111111: client=x[198.51.100.4], sasl_method=LOGIN, sasl_username=jo",
                f"{STAMP}/cleanup[1]: 1111111111: message-id=<same@example.org>",
                f"{STAMP}/smtpd[1]: A1B2C3D4E5: client=localhost[127.0.0.1]",
                f"{STAMP}/cleanup[1]: A1B2C3D4E5: message-id=<same@example.org>",
            ],
            "login:jo",
        ),
        ([f"{STAMP}/smtpd[1]: A1B2C3D4E5: client=localhost[127.0.0.1], orig_client=x[198.51.100.4]"], "host:198.51.100.4"),
        (
            [
                f"{STAMP}/pickup[1]: A1B2C3D4E5: uid=33 from=<www-data>",
                f"{STAMP}/cleanup[1]: A1B2C3D4E5: warning: header X-PHP-Originating-Script: 1001:mailer.php from local; from=<www-data> to=<b@example.com>",
            ],
            "script:1001:mailer.php",
        ),
    ],
)  # fmt: skip
def test_the_sender_is_a_typed_origin(lines: list[str], sender: str | None) -> None:
    assert one([*lines, delivery("status=sent (250 ok)")]).sender == sender


def test_a_local_forward_is_the_sender_of_what_it_forwards() -> None:
    lines = [
        f"{STAMP}/smtpd[1]: 1111111111: client=x[198.51.100.4]",
        f"{STAMP}/cleanup[1]: A1B2C3D4E5: message-id=<m@example.org>",
        f"{STAMP}/qmgr[1]: A1B2C3D4E5: from=<s@example.net>, size=10, nrcpt=1 (queue active)",
        delivery("status=sent (250 ok)"),
        f"{STAMP}/local[1]: 1111111111: to=<ann@mx1.example>, orig_to=<ann@example.org>, relay=local,"
        " delay=1, delays=1/0/0/0, dsn=2.0.0, status=sent (forwarded as A1B2C3D4E5)",
    ]
    attempts, _, _ = read(lines)
    assert [a.sender for a in attempts] == ["forward:ann@example.org", "host:198.51.100.4"]


def test_a_queue_id_in_use_again_is_another_message() -> None:
    again = [line.replace("anna", "otto").replace("m1@", "m2@") for line in LOGIN]
    first, second = read([*LOGIN, *again])[0]
    assert (first.sender, first.message_id) == ("login:anna@example.org", "m1@example.org")
    assert (second.sender, second.message_id) == ("login:otto@example.org", "m2@example.org")


def test_instances_with_one_queue_id_stay_apart() -> None:
    other = [line.replace(" postfix/", " postfix-in/").replace("anna", "otto") for line in LOGIN]
    mixed = [line for pair in zip(LOGIN, other, strict=True) for line in pair]
    attempts, _, _ = read(mixed)
    assert [(a.instance, a.mail_from) for a in attempts] == [
        ("postfix", "anna@example.org"),
        ("postfix-in", "otto@example.org"),
    ]


def test_hosts_stay_apart_and_stand_in_front_when_there_are_several() -> None:
    other = [line.replace(" mx1 ", " mx2 ").replace("anna", "otto") for line in LOGIN]
    attempts, _, _ = read([*LOGIN, *other], several_hosts=True)
    assert [(a.instance, a.mail_from) for a in attempts] == [
        ("mx1/postfix", "anna@example.org"),
        ("mx2/postfix", "otto@example.org"),
    ]


def test_the_never_deferred_are_forgotten_first_and_counted() -> None:
    def begun(queue_id: str) -> list[str]:
        lines = [line.replace("4Xk2Yz3BcDzF", queue_id) for line in LOGIN[:3]]
        return [line.replace("anna", queue_id) for line in lines]

    deferred = delivery("status=deferred (connect to a[192.0.2.1]:25: no)", queue_id="AAAAAA0000")
    crowd = [line for n in range(20) for line in begun(f"BBBBBB{n:04d}")]
    late = deferred.replace("10:00:01", "10:30:00")
    attempts, _, parser = read([*begun("AAAAAA0000"), deferred, *crowd, late], open_limit=5)
    assert [a.sender for a in attempts] == ["login:AAAAAA0000@example.org"] * 2
    assert parser.open.dropped == 16 and parser.open.dropped_deferred == 0


def test_what_waits_is_given_after_the_hold_even_if_nothing_more_is_told() -> None:
    parser = PostfixParser([Calendar(UTC, NOW)], [Tally()])
    parser.feed(delivery("status=sent (250 ok)"), 0, 1)
    assert parser.take() == []
    parser.expire(1_793_700_001.0 + HOLD_S + 1)
    assert len(parser.take()) == 1


@given(st.lists(st.one_of(st.text(max_size=200), st.sampled_from(LOGIN)), max_size=20))
def test_any_text_gives_attempts_or_counts(lines: list[str]) -> None:
    attempts, tally, _ = read([line.replace("\n", " ") for line in lines])
    assert len(attempts) == tally.attempts


@given(st.integers(0, len(LOGIN) - 1), st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_a_line_with_some_bytes_changed_never_breaks_the_reader(
    which: int, at: int, put: bytes
) -> None:
    line = LOGIN[which]
    mutated = line[:at] + put.decode("latin-1") + line[at + len(put) :]
    read([*LOGIN[:which], mutated, *LOGIN[which + 1 :]])


@given(st.text(max_size=300))
def test_any_name_gives_a_name_or_none(text: str) -> None:
    names_of(text)
    pool_in(text)
    egress_in(text)
