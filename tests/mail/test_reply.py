import pytest
from hypothesis import given
from hypothesis import strategies as st

from unlisted.mail.reply import MAX_REPLY, Reply, ReplyError, parse_reply, render_reply


@pytest.mark.parametrize(
    ("raw", "want"),
    [
        ("250 OK", Reply(250, None, "OK")),
        ("250", Reply(250, None, "")),
        ("550 5.1.1 No such user", Reply(550, "5.1.1", "No such user")),
        (
            "550-5.7.28 [192.0.2.1 1] unusual rate of\r\n550-5.7.28 mail\r\n550 5.7.28 see",
            Reply(550, "5.7.28", "[192.0.2.1 1] unusual rate of\nmail\nsee"),
        ),
        ("550-5.7.1 one 550 5.7.1 two", Reply(550, "5.7.1", "one two")),
        ("550 5.7.51 1 Access denied", Reply(550, "5.7.511", "Access denied")),
        ("550 5.7.1 4 recipients", Reply(550, "5.7.1", "4 recipients")),
        ("554-No SMTP service\\n554 IP listed", Reply(554, None, "No SMTP service\nIP listed")),
        ("550 #5.7.1 Denied", Reply(550, "5.7.1", "Denied")),
        ("550 4.7.1 classes disagree", Reply(550, None, "4.7.1 classes disagree")),
        ("550 127.0.0.2 is listed", Reply(550, None, "127.0.0.2 is listed")),
        ("5.7.1 no code", Reply(0, "5.7.1", "no code")),
        ("connection refused", Reply(0, None, "connection refused")),
        ("", Reply(0, None, "")),
        ("571 5.7.1 Message refused", Reply(571, "5.7.1", "Message refused")),
        ("571-one\r\n571 two", Reply(571, None, "one\ntwo")),
        ("591 5.7.1 refused", Reply(591, "5.7.1", "refused")),
        ("591 4.7.1 refused", Reply(0, None, "591 4.7.1 refused")),
        ("590 messages queued", Reply(0, None, "590 messages queued")),
        ("550 5.07.01 zeroes", Reply(550, "5.7.1", "zeroes")),
        ("550 5.7.1  two spaces", Reply(550, "5.7.1", "two spaces")),
        ("999 Unable to deliver", Reply(0, None, "999 Unable to deliver")),
        (b"554 \xff\xfe", Reply(554, None, "\ufffd\ufffd")),
    ],
)
def test_a_reply_is_read_as_a_person_would_read_it(raw: str | bytes, want: Reply) -> None:
    assert parse_reply(raw) == want


def test_a_reply_beyond_the_bound_is_refused() -> None:
    with pytest.raises(ReplyError):
        parse_reply(b"5" * (MAX_REPLY + 1))


@pytest.mark.parametrize(
    ("raw", "temporary"),
    [
        ("450 x", True),
        ("550 x", False),
        ("571 x", False),
        ("475 x", True),
        ("timeout", True),
        ("5.1.1 x", False),
        ("4.4.1 x", True),
    ],
)
def test_temporary_follows_the_code(raw: str, temporary: bool) -> None:
    assert parse_reply(raw).temporary is temporary


@given(st.binary(max_size=MAX_REPLY + 10))
def test_arbitrary_bytes_give_a_reply_or_its_error(raw: bytes) -> None:
    try:
        reply = parse_reply(raw)
    except ReplyError:
        return
    assert reply.code == 0 or 200 <= reply.code <= 559


_WORD = st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=9)
_LINE = st.lists(_WORD, min_size=1, max_size=5).map(" ".join)


@given(
    st.integers(200, 559).filter(lambda n: n // 10 % 10 < 6),
    st.booleans(),
    st.lists(_LINE, min_size=1, max_size=5),
)
def test_what_is_rendered_is_parsed_back(code: int, enhanced: bool, lines: list[str]) -> None:
    status = f"{code // 100}.7.1" if enhanced and code // 100 != 3 else None
    reply = Reply(code, status, "\n".join(lines))
    assert parse_reply(render_reply(reply)) == reply
