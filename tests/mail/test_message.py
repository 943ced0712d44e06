import base64
import email
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.mail import message

PLAIN = (
    b"Received: from a\r\n\tby b\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= aus\r\n =?utf-8?q?_K=C3=B6ln?=\r\n"
    b"X-Empty:\r\nFrom: jo@x.example\r\n\r\nHello  World.\r\nSecond line.\r\n"
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("received", "from a by b"),
        ("FROM", "jo@x.example"),
        ("x-empty", ""),
        ("Hello", None),
        ("rom", None),
    ],
)
def test_a_header_is_found_unfolded_and_never_in_the_body(name: str, value: str | None) -> None:
    assert message.header(PLAIN, name) == value


def test_a_subject_is_decoded() -> None:
    assert message.subject(PLAIN) == "Grüße aus Köln"
    assert message.subject(b"From: x\n\nno subject") == ""
    assert message.subject(b"Subject: =?nonsense?b?!!?=\n\n") != ""


def test_an_added_header_stands_first_and_keeps_the_line_ends() -> None:
    raw = message.add_header(PLAIN, "X-Trace", "abc")
    assert raw == b"X-Trace: abc\r\n" + PLAIN
    assert message.add_header(b"A: b\n\nx", "X-Trace", "abc").startswith(b"X-Trace: abc\nA:")
    for name, value in (("X Trace", "a"), ("X-Trace", "a\r\nBcc: b"), ("", "a")):
        with pytest.raises(ValueError, match="header"):
            message.add_header(PLAIN, name, value)


def _sent(head: bytes, body: bytes) -> bytes:
    return b"MIME-Version: 1.0\r\n" + head + b"\r\n\r\n" + body


TEXT = "Liebe Eltern, am Montag beginnt die Schule um 8 Uhr = neun Minuten früher."
COPIES = [
    _sent(b"Content-Type: text/plain; charset=utf-8", TEXT.encode()),
    _sent(
        b"Subject: again\r\nContent-Type: text/plain; charset=utf-8", f"\r\n{TEXT}\r\n\r\n".encode()
    ),
    _sent(b"Content-Type: text/plain; charset=latin-1", TEXT.encode("latin-1")),
    _sent(
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64",
        base64.encodebytes(TEXT.encode()),
    ),
    _sent(
        b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable",
        TEXT.encode()
        .replace(b"=", b"=3D")
        .replace(b" ", b" =\r\n", 1)
        .replace("ü".encode(), b"=C3=BC"),
    ),
    _sent(
        b'Content-Type: multipart/alternative; boundary="b 1"',
        f"--b 1\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{TEXT}\r\n--b 1\r\n"
        f"Content-Type: text/html\r\n\r\n<p>other</p>\r\n--b 1--\r\n".encode(),
    ),
    _sent(
        b"Content-Type: text/html; charset=utf-8",
        f"<style>x</style><!-- no --><p>{TEXT.replace('=', '&#61;')}</p><script>1<2</script>".encode(),
    ),
]


@pytest.mark.parametrize("raw", COPIES)
def test_copies_of_one_body_share_a_digest_whatever_their_form(raw: bytes) -> None:
    assert message.body_digest(raw) == message.body_digest(COPIES[0])
    assert len(message.body_digest(raw)) == 16
    assert " ".join(message.body_text(raw).split()) == TEXT


def test_other_bodies_have_other_digests() -> None:
    digests = {
        message.body_digest(raw)
        for raw in (
            b"\n\none",
            b"\n\ntwo",
            b"Content-Type: image/png\n\nx",
            b"Content-Type: image/png\n\ny",
        )
    }
    assert len(digests) == 4


def test_parts_agree_with_the_standard_library() -> None:
    raw = _sent(
        b"Content-Type: multipart/mixed; boundary=zz",
        b"pre\r\n--zz\r\nContent-Type: text/plain\r\n\r\none\r\n--zz \r\n"
        b"Content-Type: text/html\r\n\r\n<b>two</b>\r\n--zz1\r\nstill two\r\n--zz--\r\nend",
    )
    want = [p.get_content_type() for p in email.message_from_bytes(raw).get_payload()]
    assert [kind for kind, _ in message.parts(raw)][: len(want)] == want
    assert message.payload(message.parts(raw)[0][1]) == b"one"


def test_text_is_bounded() -> None:
    assert len(message.body_text(b"\n" + b"x" * 500_000, limit=1000)) == 1000


@given(st.binary(max_size=2000))
def test_arbitrary_bytes_never_fail(raw: bytes) -> None:
    for sample in (raw, b"Content-Type: multipart/mixed; boundary=a\n\n--a\n" + raw):
        message.body_text(sample)
        message.body_digest(sample)
        message.subject(b"Subject: " + sample)
        message.header(sample, "Subject")
        message.parts(sample)


@given(
    st.lists(
        st.sampled_from(
            [
                "<",
                ">",
                "<!--",
                "-->",
                "</",
                "<p ",
                "<script>",
                "</script>",
                "&#",
                "9" * 50,
                "a='",
                " ",
                "x",
            ]
        ),
        max_size=60,
    )
)
def test_broken_html_never_fails(tokens: list[str]) -> None:
    message.body_text(b"Content-Type: text/html\n\n" + "".join(tokens).encode())


@pytest.mark.parametrize(
    "piece",
    ["<", "<!--", "<a ", "</", "<![", "&#", "<a b='", "<script>", "=?", "=?utf-8?q?x?= ", ";a="],
)
def test_hostile_repeats_take_linear_time(piece: str) -> None:
    body = (piece * 70_000)[:140_000].encode()
    began = time.process_time()
    message.body_digest(b"Content-Type: text/html\n\n" + body)
    message.subject(b"Subject: " + body + b"\n\n")
    message.content_type(b"Content-Type: " + body + b"\n\n")
    assert time.process_time() - began < 2.0
