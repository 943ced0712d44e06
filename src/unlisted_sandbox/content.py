"""What is in a message: words from a phrase bank, and the bytes of RFC 5322 around them.

Two ways to write, open to honest mail and spam alike: a `note` is said once, a `Campaign` is one
text with words that differ from copy to copy (a newsletter, a ticket notice, a hijack). The mail
program belongs to the login and is the same whoever uses it, so header, MIME shape and the form of
the Message-ID tell nothing. Bodies are ASCII; what a token is: `tokens`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from html import escape

import msgspec
from msgspec import Struct

from unlisted_sandbox import names
from unlisted_sandbox.chance import Draw, digest
from unlisted_sandbox.worldfile import PHRASES

_SLOT = re.compile(r"\{(\w+)\}")
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip


class Topic(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    subjects: tuple[str, ...]
    openings: tuple[str, ...]
    bodies: tuple[str, ...]
    endings: tuple[str, ...]
    slots: dict[str, tuple[str, ...]] = {}


class Bank(Struct, frozen=True, forbid_unknown_fields=True):
    """A phrase bank: the vocabulary of one kind of correspondence."""

    greetings: tuple[str, ...]
    closings: tuple[str, ...]
    links: tuple[str, ...]
    slots: dict[str, tuple[str, ...]]
    topics: tuple[Topic, ...]

    def topic(self, name: str) -> Topic | None:
        return next((t for t in self.topics if t.name == name), None)


class Text(Struct, frozen=True):
    subject: str
    paragraphs: tuple[str, ...]
    quote: str = ""  # what it answers


class Campaign(Struct, frozen=True):
    """One text for many: its sentences before the slots are filled, and the id of its choices."""

    id: tuple[str | int, ...]
    topic: Topic
    subject: str
    greeting: str
    sentences: tuple[str, ...]
    closing: str
    words_varied: float


class Agent(Struct, frozen=True):
    """A mail program: the order of its headers, its MIME shape, the form of its Message-ID."""

    name: str
    headers: tuple[str, ...]
    html: bool
    message_id: str  # {hex}, {HEX}, {num}, {domain}


_ORDER_A = ("Message-ID", "Date", "MIME-Version", "User-Agent", "From", "To", "Subject", "Refs")
_ORDER_B = ("From", "To", "Refs", "Subject", "Date", "Message-ID", "User-Agent", "MIME-Version")
_ORDER_C = ("Date", "From", "To", "Message-ID", "Refs", "Subject", "MIME-Version", "User-Agent")
AGENTS = (
    Agent("Mozilla Thunderbird", _ORDER_A, False, "<{uuid}@{domain}>"),
    Agent("Mozilla Thunderbird", _ORDER_A, True, "<{uuid}@{domain}>"),
    Agent("Apple Mail (2.3774.300.61)", _ORDER_B, False, "<{UUID}@{domain}>"),
    Agent("Roundcube Webmail/1.6.9", _ORDER_C, False, "<{hex}@{domain}>"),
    Agent("Microsoft Outlook 16.0", _ORDER_B, True, "<{num}${hex}@{domain}>"),
    Agent("K-9 Mail for Android", _ORDER_C, True, "<{UUID}@{domain}>"),
)


@lru_cache(maxsize=8)
def bank(name: str) -> Bank:
    """A phrase bank of the package."""
    return msgspec.convert(tomllib.loads((PHRASES / f"{name}.toml").read_text()), Bank)


def _fill(text: str, draw: Draw, topic: Topic, of: Bank, fixed: Mapping[str, str]) -> str:
    """Slots filled to the bottom: a slot's choice may hold slots."""

    def choose(match: re.Match[str]) -> str:
        name = match[1]
        if name in fixed:
            return fixed[name]
        choices = topic.slots.get(name) or of.slots.get(name)
        if choices:
            return _SLOT.sub(choose, draw.pick(choices))
        return _builtin(name, draw)

    return _SLOT.sub(choose, text)


def _builtin(name: str, draw: Draw) -> str:
    if name == "num":
        return str(draw.pick((12, 15, 20, 25, 30, 40, 45, 60, 75, 90)) + draw.below(10))
    if name == "small":
        return draw.pick(("two", "three", "four", "five", "six", "seven", "eight", "nine"))
    if name == "money":
        return f"{draw.below(90) + 1},{draw.below(10)}50 euros" if draw.happens(0.3) else (
            f"{draw.below(880) + 20} euros"
        )  # fmt: skip
    if name == "time":
        return f"{draw.below(11) + 8}:{draw.pick(('00', '15', '30', '45'))}"
    if name == "weekday":
        return draw.pick(_WEEKDAYS)
    if name == "month":
        return draw.pick(_MONTHS)
    if name == "ref":
        return f"{draw.pick('ABCDEFGHKLMNPRSTVW')}{draw.pick('ABCDEFGHKLMNPRSTVW')}-{draw.below(90000) + 10000}"
    raise KeyError(name)


def _fixed(you: str, me: str, tenant: str) -> dict[str, str]:
    return {"you": you, "me": me, "tenant": tenant}


def _greeting(text: str, you: str) -> str:
    return text.replace("{you}", you) if you else text.replace(" {you}", "")


def _links(of: Bank, draw: Draw, n: int) -> list[str]:
    """What joins each of `n` sentences to the one before; the first stands alone."""
    chosen = draw.sample(of.links, n - 1)
    return ["", *chosen, *[""] * (n - 1 - len(chosen))]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _paragraphs(sentences: Sequence[str], draw: Draw) -> list[str]:
    """Two to four sentences each."""
    found: list[str] = []
    n = 0
    while n < len(sentences):
        size = 2 + draw.below(3)
        found.append(" ".join(sentences[n : n + size]))
        n += size
    return found


def note(of: Bank, draw: Draw, you: str, me: str, tenant: str, answers: bool) -> Text:
    """A text said once, perhaps with a quotation of what it answers."""
    topic = draw.pick(of.topics)
    fixed = _fixed(you, me, tenant)
    chosen = [draw.pick(topic.openings)]
    chosen += draw.sample(topic.bodies, 1 + draw.below(4) + draw.below(4))
    # People drift: a sentence from another topic now and then keeps two notes apart.
    if draw.happens(0.4):
        chosen.insert(1 + draw.below(len(chosen)), draw.pick(draw.pick(of.topics).bodies))
    if draw.happens(0.7):
        chosen.append(draw.pick(topic.endings))
    links = _links(of, draw, len(chosen))
    said = [
        _sentence(link + _sentence(_fill(s, draw, topic, of, fixed)))
        for link, s in zip(links, chosen, strict=True)
    ]
    subject = _sentence(_fill(draw.pick(topic.subjects), draw, topic, of, fixed))
    quote = ""
    if answers:
        asked = [draw.pick(topic.openings), *draw.sample(topic.bodies, 1 + draw.below(3))]
        quote = " ".join(
            _sentence(_fill(s, draw, topic, of, _fixed("", me, tenant))) for s in asked
        )
    greeting = _greeting(draw.pick(of.greetings), you)
    body = _paragraphs(said, draw)
    return Text(subject, (greeting, *body, draw.pick(of.closings)), quote)


def campaign(
    of: Bank, seed: int, ids: tuple[str | int, ...], family: str, words_varied: float
) -> Campaign:
    draw = Draw(seed, "campaign", *ids)
    topic = of.topic(family) or draw.pick(of.topics)
    chosen = [draw.pick(topic.openings)]
    chosen += draw.sample(topic.bodies, 4 + draw.below(4))
    chosen.append(draw.pick(topic.endings))
    links = _links(of, draw, len(chosen))
    linked = [link + s for link, s in zip(links, chosen, strict=True)]
    return Campaign(
        ids,
        topic,
        draw.pick(topic.subjects),
        draw.pick(of.greetings),
        tuple(linked),
        draw.pick(of.closings),
        words_varied,
    )


def copy(
    of: Bank, seed: int, c: Campaign, draw: Draw, you: str, me: str, tenant: str, answers: bool
) -> Text:
    """One copy: each slot is drawn anew, and each sentence dropped or doubled from the topic's
    others, with the campaign's share of varied words; all else is as in the other copies."""
    fixed = _fixed(you, me, tenant)
    said: list[str] = []
    for n, sentence in enumerate(c.sentences):
        base = Draw(seed, "campaign words", *c.id, n)
        u = draw.uniform()
        if 0 < n < len(c.sentences) - 1 and u < c.words_varied / 2:
            sentence = draw.pick(c.topic.bodies)
        said.append(_varied(sentence, base, draw, c, of, fixed))
    subject = _varied(c.subject, Draw(seed, "campaign subject", *c.id), draw, c, of, fixed)
    greeting = _greeting(c.greeting, you)
    body = _paragraphs(said, Draw(seed, "campaign shape", *c.id))
    quote = said[0] if answers else ""
    return Text(_sentence(subject), (greeting, *body, c.closing), quote)


def _varied(
    text: str, base: Draw, draw: Draw, c: Campaign, of: Bank, fixed: Mapping[str, str]
) -> str:
    """Slots from the campaign's own draw, or, with its share, from the copy's."""

    def choose(match: re.Match[str]) -> str:
        usual = _fill(match[0], base, c.topic, of, fixed)
        own = draw.happens(c.words_varied)
        return _fill(match[0], draw, c.topic, of, fixed) if own else usual

    filled = _SLOT.sub(choose, text)
    return re.sub(r"(^|[.:?] )([a-z])", lambda m: m[1] + m[2].upper(), filled)


def render(
    *,
    seed: int,
    ids: tuple[str | int, ...],
    at: float,
    agent: int,
    name: str,
    address: str,
    signature: Sequence[str],
    recipients: Sequence[str],
    text: Text,
    token: str,
) -> bytes:
    """The message as submitted: RFC 5322, CRLF."""
    program = AGENTS[agent % len(AGENTS)]
    domain = address.rpartition("@")[2]
    message_id = new_message_id(seed, ids, agent, domain)
    to = ", ".join(f"<{r}>" for r in recipients)
    values = {
        "From": f"{name} <{address}>",
        "To": to if len(to) < 70 else ",\r\n ".join(f"<{r}>" for r in recipients),
        "Subject": ("Re: " if text.quote else "") + text.subject,
        "Date": rfc5322_date(at),
        "Message-ID": message_id,
        "User-Agent": program.name,
        "MIME-Version": "1.0",
    }
    head: list[str] = []
    for header in program.headers:
        if header != "Refs":
            head.append(f"{header}: {values[header]}")
        elif text.quote:
            other = f"<{digest(seed, 'answered', *ids, size=12).hex()}@{domain_of(recipients)}>"
            head += [f"In-Reply-To: {other}", f"References: {other}"]
    plain = _plain(text, signature, token)
    if not program.html:
        head += ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 7bit"]
        return _crlf([*head, "", *plain])
    mark = digest(seed, "boundary", *ids, size=12).hex()
    head.append(f'Content-Type: multipart/alternative; boundary="{mark}"')
    part = "Content-Type: text/{}; charset=utf-8"
    return _crlf(
        [
            *head,
            "",
            f"--{mark}",
            part.format("plain"),
            "Content-Transfer-Encoding: 7bit",
            "",
            *plain,
            f"--{mark}",
            part.format("html"),
            "Content-Transfer-Encoding: 7bit",
            "",
            *_html(text, signature, token),
            f"--{mark}--",
        ]
    )


def again(data: bytes, message_id: str, at: float, recipients: Sequence[str]) -> bytes:
    """The same message sent once more by hand: same words, new Message-ID, date and recipients."""
    head, gap, body = data.partition(b"\r\n\r\n")
    new = {
        b"message-id": f"Message-ID: {message_id}",
        b"date": f"Date: {rfc5322_date(at)}",
        b"to": "To: " + ",\r\n ".join(f"<{r}>" for r in recipients),
    }
    fields = re.split(rb"\r\n(?![ \t])", head)
    kept = [new.get(f.partition(b":")[0].lower(), f.decode()).encode() for f in fields]
    return b"\r\n".join(kept) + gap + body


def new_message_id(seed: int, ids: tuple[str | int, ...], agent: int, domain: str) -> str:
    raw = digest(seed, "message-id", *ids, size=16).hex()
    uuid = f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"
    form = AGENTS[agent % len(AGENTS)].message_id
    return form.format(
        uuid=uuid, UUID=uuid.upper(), hex=raw, num=f"{int(raw[:8], 16):012d}", domain=domain
    )


def domain_of(recipients: Sequence[str]) -> str:
    return recipients[0].rpartition("@")[2]


def rfc5322_date(at: float) -> str:
    t = datetime.fromtimestamp(int(at), UTC)
    # Not strftime: its names follow the machine's locale.
    day, month = _WEEKDAYS[t.weekday()][:3], _MONTHS[t.month - 1][:3]
    return f"{day}, {t.day:02d} {month} {t.year} {t:%H:%M:%S} +0000"


def signature_of(name: str, tenant: str, seed: int) -> tuple[str, ...]:
    draw = Draw(seed, "signature", name, tenant)
    firm = tenant.partition(".")[0].replace("-", " ").title()
    lines = [name, firm]
    if draw.happens(0.6):
        lines.append(f"Tel. +49 555 {draw.below(900000) + 100000}")
    if draw.happens(0.4):
        lines.append(f"{draw.pick(names.PLACE).title()} Street {draw.below(120) + 1}")
    return tuple(lines)


def _wrapped(text: str, width: int) -> list[str]:
    # textwrap splits at hyphens and dashes as well, and took half of the time to write a world.
    lines: list[str] = []
    line = ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line] if line else lines


def _plain(text: Text, signature: Sequence[str], token: str) -> list[str]:
    lines: list[str] = []
    for paragraph in text.paragraphs:
        lines += [*_wrapped(paragraph, 74), ""]
    lines += [*signature, f"[{token}]"]
    if text.quote:
        lines += ["", *("> " + line for line in _wrapped(text.quote, 70))]
    return lines


def _html(text: Text, signature: Sequence[str], token: str) -> list[str]:
    lines = ["<html><body>"]
    for paragraph in text.paragraphs:
        lines += _wrapped(f"<p>{escape(paragraph)}</p>", 200)
    lines.append("<p>" + "<br>".join(escape(s) for s in (*signature, f"[{token}]")) + "</p>")
    if text.quote:
        lines += _wrapped(f"<blockquote>{escape(text.quote)}</blockquote>", 200)
    return [*lines, "</body></html>"]


def _crlf(lines: Sequence[str]) -> bytes:
    return ("\r\n".join(lines) + "\r\n").encode("ascii")
