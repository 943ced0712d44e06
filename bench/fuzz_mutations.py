"""Ways to damage an input, as a stranger, a bad disk or a half-written program would.

Bytes in, bytes out; what is changed follows from the given chance alone. No mutation makes more
than `limit` bytes. Most stay small: a flood is slow to read, and a million inputs are to be.
"""

import base64
import random
import re
from collections.abc import Callable, Sequence

Seeds = Sequence[bytes]
Mutation = Callable[[random.Random, bytes, Seeds, int], bytes]

DELIMITERS = (
    b":", b";", b",", b"<", b">", b"(", b")", b"[", b"]", b"{", b"}", b'"', b"'", b"\\", b"/",
    b"=", b"@", b" ", b"\t", b"\r", b"\n", b"\r\n", b"-", b"_", b".", b"%", b"&", b"#", b"|", b"\0",
    b"\x1b$B", b"\n ", b"\n\n", b"->", b"=?", b"?=", b"=?utf-8?q?", b"=?utf-8?b?", b"--\n", b"<<<",
    b"said: ", b"550 ", b"550-", b"5.7.1 ", b"[192.0.2.1] ", b"::", b"1.2.3.4 ", b"a@b.example ",
    b"<a@b.example>", b"&lt;", b"<b>", b"<script>", b"<!--", b"x=y;", b"a.", b"1:", b"=3D", b"\\n",
    b"http://x.example/ ", b"blocked using ", b"Received: x\n", b"to=<x>, ", b'""', b'","',
    b"A(",
)  # fmt: skip
# Digits of other scripts, letters whose case has another length, marks that are invisible.
STRANGE = (
    "\u0130", "\u00df", "\u2028", "\u0085", "\ufeff", "\u202e", "\u0301", "\u00b2", "\u00b3", "\u2460", "\u0663", "\uff11\uff12\uff13", "\x0b",
    "\x0c", "\x1c", "\U0001f600", "\u017f", "K", "\uffff", "\U0010ffff", "\u00e9", "\uff21", "\u3002", "\uff0e", "\uff1a", "\xa0",
    "\u200b", "\u01c5", "\ufb01", "\U0001d7dd\U0001d7dd\U0001d7d8", "\u096b\u096b\u0966", "\u0665\u0665\u0660 ", "5.\uff17.1", "\uff41@\uff42.example",
)  # fmt: skip
NOT_UTF8 = (
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xe2\x82",
    b"\x80" * 5,
)
NUMBERS = (
    b"0", b"-1", b"00000", b"999", b"256", b"65536", b"2147483648", b"18446744073709551616",
    b"99999999999999999999", b"1e999", b"1e-999", b"-1e308", b"NaN", b"Infinity", b"0x10", b"1_0",
    b"+5", b"9" * 400, b"7" * 4301, b"0.1", b"60", b"31", b"2026", b"-0", b"1.",
)  # fmt: skip
CHARSETS = (
    "utf-7", "utf-16", "utf-32", "iso-2022-jp", "iso-2022-kr", "hz", "shift_jis", "gb18030", "big5",
    "euc-kr", "koi8-r", "cp037", "latin-1", "us-ascii", "x-unknown", "idna", "punycode", "rot13",
    "unicode_escape", "raw_unicode_escape", "undefined", "hex", "zlib", "bz2", "base64", "uu", "quopri",
    "mbcs", "oem", "string_escape", "utf-8-sig", "UTF_8", "a" * 300, "\0", "", "../x",
)  # fmt: skip
TRANSFERS = (
    b"base64",
    b"quoted-printable",
    b"7bit",
    b"8bit",
    b"x-uuencode",
    b"uuencode",
    b"binary",
)
_NUMBER = re.compile(rb"\d+")
_CHARSET = re.compile(rb'charset\s*=\s*"?[^\s;"]*"?', re.I)
_TRANSFER = re.compile(rb"(content-transfer-encoding:[ \t]*)[^\r\n]*", re.I)


def mutated(
    chance: random.Random, seed: bytes, seeds: Seeds, limit: int, whole: float = 0.02
) -> bytes:
    """One to five mutations of a seed. whole: the share that may fill all the room there is; the
    others are of the size of real ones."""
    room = limit if chance.random() < whole else min(limit, max(2 * len(seed), 4096))
    data = seed
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5))):
        data = chance.choice(MUTATIONS)(chance, data, seeds, room)[:limit]
    return data


def flipped(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        if changed:
            value = chance.choice(
                (chance.randrange(256), ord(chance.choice(" \n\t:;<>()[]=\"'0a\0")))
            )
            changed[chance.randrange(len(changed))] = value
    return bytes(changed)


def cut(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    start, end = _span(chance, data, len(data))
    return data[:start] + data[end:]


def ended(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def joined(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    other = chance.choice(seeds)
    start, end = _span(chance, other, len(other))
    return _put(chance, data, other[start:end], limit)


def repeated(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    start, end = _span(chance, data, 300)
    return _put(chance, data, _times(chance, data[start:end], limit), limit, start)


def line_repeated(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    number = chance.randrange(len(lines))
    lines[number] = _times(chance, lines[number], max(0, limit - len(data)))
    return b"".join(lines)[:limit]


def flooded(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    mark = chance.choice(DELIMITERS)
    if chance.random() < 0.3:
        mark += chance.choice(DELIMITERS)
    return _put(chance, data, _times(chance, mark, limit), limit)


def nested(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    begin, end = chance.choice(_WRAPPERS)
    deep = min(chance.choice((1, 3, 10, 100, 1000)), max(1, limit // (len(begin) + len(end) + 1)))
    return (begin * deep + data + end * deep)[:limit]


def long_token(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    alphabet = chance.choice((b"a", b"A1", b"0", b"a.", b"x-", b"ab@", b"f:", b"aA0_.-"))
    size = min(chance.choice((70, 300, 1100, 9000, 70_000, 1 << 20)), limit)
    return _put(chance, data, (alphabet * (size // len(alphabet) + 1))[:size], limit)


def strange(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    if chance.random() < 0.3:
        return _put(chance, data, chance.choice(NOT_UTF8), limit)
    text = chance.choice(STRANGE).encode("utf-8", "surrogatepass")
    return _put(chance, data, text * chance.choice((1, 1, 3, 100)), limit)


def emptied(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    return _put(chance, data, b"\0" * chance.choice((1, 1, 2, 512, 4096)), limit)


def renumbered(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    found = list(_NUMBER.finditer(data, 0, 8192))
    if not found:
        return data
    number = chance.choice(found)
    new = chance.choice(STRANGE).encode() if chance.random() < 0.2 else chance.choice(NUMBERS)
    return data[: number.start()] + new + data[number.end() :]


def recoded(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    try:
        other = chance.choice(("utf-16", "utf-16-le", "utf-7", "latin-1", "iso-2022-jp", "cp1252"))
        return data.decode("utf-8", "replace").encode(other, "replace")[:limit]
    except UnicodeError:
        return data


def relabelled(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    """Another charset, or another transfer encoding, than the text is in."""
    name = chance.choice(CHARSETS).encode()
    if chance.random() < 0.5:
        return _CHARSET.sub(lambda _: b'charset="' + name + b'"', data)[:limit]
    if _TRANSFER.search(data):
        way = chance.choice(TRANSFERS)
        return _TRANSFER.sub(lambda found: found[1] + way, data)[:limit]
    word = b"=?" + name + b"?" + chance.choice((b"b", b"q", b"x")) + b"?"
    return _put(chance, data, word + base64.b64encode(data[:40]) + b"?=", limit)


def shuffled(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    lines = data.splitlines(keepends=True)
    for _ in range(min(len(lines), chance.choice((1, 2, 10)))):
        one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def other_line_ends(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    return data.replace(b"\n", chance.choice((b"\r\n", b"\r", b"\n\n", b"\0", b" ", b"\n ")))[
        :limit
    ]


def other_case(chance: random.Random, data: bytes, seeds: Seeds, limit: int) -> bytes:
    return chance.choice((data.upper, data.lower, data.swapcase))()


MUTATIONS: tuple[Mutation, ...] = (
    flipped, flipped, cut, cut, ended, joined, joined, repeated, line_repeated, flooded, nested,
    long_token, strange, emptied, renumbered, renumbered, recoded, relabelled, shuffled,
    other_line_ends, other_case,
)  # fmt: skip
_WRAPPERS: tuple[tuple[bytes, bytes], ...] = (
    (b"host mx.example[192.0.2.1] said: ", b" (in reply to RCPT TO command)"),
    (b"host mx.example refused to talk to me: 550 ", b""),
    (b"SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 ", b""),
    (b"550 5.7.350 Remote server returned message detected as spam -> 554 ", b""),
    (b"Remote Server returned '554 5.7.0 < ", b" >'"),
    (b"smtp; 550 ", b""),
    (b"(", b")"),
    (b"[", b"]"),
    (b"{", b"}"),
    (b'{"a":', b"}"),
    (b"[1,", b"]"),
    (b"<", b">"),
    (b'"', b'"'),
    (b"not (", b")"),
    (b"<div>", b"</div>"),
    (b"Re: ", b""),
    (b"> ", b""),
    (b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n', b"\n--b--\n"),
    (b"Content-Type: message/rfc822\n\n", b""),
    (
        b'Content-Type: multipart/report; boundary="c"\n\n--c\nContent-Type: text/plain\n\nx\n--c\n',
        b"",
    ),
    (b"Oct  1 10:00:00 mx postfix/smtp[1]: ", b""),
)


def _span(chance: random.Random, data: bytes, most: int) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(len(data), start + chance.randrange(1, max(2, min(most, len(data)) + 1)))


def _times(chance: random.Random, data: bytes, limit: int) -> bytes:
    times = min(chance.choice((2, 5, 30, 200, 1000, limit)), limit // max(1, len(data)))
    return data * max(1, times)


def _put(
    chance: random.Random, data: bytes, what: bytes, limit: int, at: int | None = None
) -> bytes:
    """At a place of its own choice, most often where a word or a line ends."""
    if at is None:
        at = chance.randrange(len(data) + 1)
        near = data.find(chance.choice((b" ", b"\n", b":")), at)
        at = near if near >= 0 and chance.random() < 0.6 else at
    return (data[:at] + what + data[at:])[:limit]
