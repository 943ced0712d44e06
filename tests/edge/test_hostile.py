"""Arbitrary bytes from either side: a reply or an answer, bounded, and the next one is served."""

import asyncio
import contextlib
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.edge.scripted import SECRET, client, journaled, letter, relay

from unlisted.edge.clock import WallClock
from unlisted.edge.people import People, SecretError, load_secret, parse_secret
from unlisted.edge.smtp_client import MAX_TEXT, STAGES, Answer, Connection, Refused, stuffed
from unlisted.edge.users import parse_user, scrypt, ssha256
from unlisted.facts import Reception

REPLIES = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from(
            [
                b"220 hi\r\n",
                b"250-a\r\n250 PIPELINING\r\n",
                b"250 ok\r\n",
                b"354 go\r\n",
                b"421 bye\r\n",
                b"550 5.7.1 no\r\n",
                b"250-",
                b"999 x\r\n",
                b"25\r\n",
                b"\r\n",
                b"250\xff\x00\r\n",
                b"250-\r\n" * 300,
                b"x" * 5000,
            ]
        ),
        max_size=12,
    ).map(b"".join),
)


class Wire:
    """A writer that keeps what was written."""

    def __init__(self) -> None:
        self.written = b""
        self.transport = self

    def write(self, data: bytes) -> None:
        self.written += data

    async def drain(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        pass


@given(REPLIES)
@example(b"220 hi\r\n250-a\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n250 2.0.0 ok\r\n")
def test_whatever_a_receiver_says_is_an_answer(said: bytes) -> None:
    async def run() -> Answer:
        reader = asyncio.StreamReader(limit=4096)
        reader.feed_data(said)
        reader.feed_eof()
        wire: Any = Wire()
        connection = Connection(WallClock(), "a:1", "helo", reader, wire)
        try:
            await connection.hello()
            answer = await connection.deliver("a@b.example", "c@d.example", b"x\r\n")
        except Refused as exc:
            answer = exc.answer
        await connection.quit()
        return answer

    answer = asyncio.run(run())
    assert answer.stage in STAGES
    assert answer.code == 0 or 200 <= answer.code < 600
    assert len(answer.text) <= MAX_TEXT
    assert not answer.positive or answer.stage == "eod"


@given(st.binary(max_size=300))
def test_stuffing_is_undone_by_a_receiver_and_has_one_end(content: bytes) -> None:
    wire = stuffed(content)
    assert wire.endswith(b".\r\n") and b"\r\n.\r\n" not in wire[:-5] + b"x"
    lines = wire.split(b"\r\n")[:-2]
    received = [line[1:] if line.startswith(b".") else line for line in lines]
    assert all(b"\r" not in line and b"\n" not in line for line in received)
    assert received == _lines(content)


@pytest.mark.parametrize("line_end", [b"\r", b"\n"])
def test_stuffing_many_lines_is_quick(line_end: bytes) -> None:
    content = line_end * (8 << 20)
    began = time.process_time()
    stuffed(content)
    assert time.process_time() - began < 0.9  # a regular expression took 1.4 s


def _lines(content: bytes) -> list[bytes]:
    parts = re.split(rb"\r\n|\r|\n", content)
    return parts[:-1] if not parts[-1] else parts


COMMANDS = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [
                b"EHLO x",
                b"HELO",
                b"MAIL FROM:<a@b.example>",
                b"MAIL FROM:<>",
                b"RCPT TO:<bob@there.example>",
                b'RCPT TO:<"a\\',
                b"RCPT TO:<\xff@x>",
                b"AUTH PLAIN",
                b"AUTH LOGIN =",
                b"=",
                b"*",
                b"DATA",
                b".",
                b"..",
                b"RSET",
                b"NOOP \x00",
                b"VRFY <",
                b"EXPN x",
                b"HELP " + b"x" * 100,
                b"STARTTLS",
                b"x" * 3000,
            ]
        ),
    ),
    max_size=15,
)


@settings(max_examples=30)
@given(COMMANDS, st.sampled_from([b"\r\n", b"\n", b"\r"]))
def test_whatever_a_client_says_gets_replies_and_the_next_is_served(
    commands: list[bytes], line_end: bytes
) -> None:
    async def run(folder: Path) -> None:
        async with relay(folder, {"there.example": 9}) as (service, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(line_end.join([*commands, b""]) + b"\r\n.\r\nQUIT\r\n")
            said = b""
            try:
                async with asyncio.timeout(0.1):
                    said = await reader.read(1 << 20)
                    while more := await reader.read(1 << 20):
                        said += more
            except (TimeoutError, ConnectionError):
                pass
            writer.transport.abort()
            assert b"Traceback" not in said and b"Error: (" not in said
            assert re.fullmatch(rb"(?:[2-5][0-9]{2}[ -][^\r\n]*\r\n)*", said), said
            accepted = said.count(b"Accepted as")
            assert len(journaled(service.runner, Reception)) == accepted
            async with client(port) as us:
                assert (await us.send(letter(), ["bob@there.example"])).startswith("250")

    with tempfile.TemporaryDirectory() as name:
        asyncio.run(run(Path(name)))


@given(st.text(max_size=120))
@example("ann:" + ssha256("x", b"salt") + ":t")
def test_a_line_of_the_users_file_is_a_user_or_a_value_error(line: str) -> None:
    try:
        user = parse_user(line)
    except ValueError:
        return
    assert user.login and user.tenant and user.scheme in ("SSHA256", "SCRYPT")


@given(st.text(max_size=20), st.binary(min_size=1, max_size=16))
def test_a_stored_password_is_read_as_it_was_written(password: str, salt: bytes) -> None:
    assert parse_user(f"a:{ssha256(password, salt)}:t").scheme == "SSHA256"


def test_a_stored_scrypt_is_read_as_it_was_written() -> None:
    assert parse_user(f"a:{scrypt('x', b'salt')}:t").scheme == "SCRYPT"


@given(st.text(max_size=200))
def test_text_without_addresses_stays_and_one_with_them_loses_them(text: str) -> None:
    people = People(SECRET)
    if "@" not in text:
        assert people.redacted(text) == text
    hidden = people.redacted(f"{text} Bob.Smith@There.example", ["bob.smith@there.example"])
    assert "bob.smith@there.example" not in hidden.lower()
    assert people.person("bob.smith@there.example") in hidden


def test_the_same_address_is_hidden_alike_and_offices_are_not() -> None:
    people = People(SECRET)
    text = (
        "550 <Bob@there.example> is unknown; write to postmaster@there.example, bob@THERE.example"
    )
    person = people.person("bob@there.example")
    expected = f"550 <{person}> is unknown; write to postmaster@there.example, {person}"
    assert people.redacted(text) == expected


@given(st.text(max_size=80))
def test_a_secret_is_bytes_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert len(parse_secret(text)) >= 16


def test_the_secret_is_made_once_for_us_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    secret = load_secret(file)
    assert load_secret(file) == secret and len(secret) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    with pytest.raises(SecretError, match="0600"):
        load_secret(file)
    file.chmod(0o600)
    file.write_text("short")
    with pytest.raises(SecretError):
        load_secret(file)
    with pytest.raises(SecretError):
        load_secret(tmp_path / "absent" / "secret")
