"""An SMTP reply as lines of text, and what else a server does with it (RFC 5321 section 4.2)."""

from __future__ import annotations

from msgspec import Struct


class Reply(Struct, frozen=True):
    """A code and its lines, each without the code."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.lines)

    def wire(self) -> bytes:
        last = len(self.lines) - 1
        return "".join(
            f"{self.code}{' ' if n == last else '-'}{line}\r\n" for n, line in enumerate(self.lines)
        ).encode("ascii", "replace")


class Said(Struct, frozen=True):
    """A reply, and how it is given."""

    reply: Reply
    wait_s: float = 0.0  # simulated, before it is written
    close: bool = False  # after it is written
    hang_s: float = 0.0  # not written at all: silence, then the connection is closed
    keep: bool = False  # the message is accepted with this reply


class Ask(Struct, frozen=True):
    """No reply before this name is looked up: tell the answer and ask again."""

    name: str


def say(code: int, *lines: str, wait_s: float = 0.0, close: bool = False) -> Said:
    return Said(Reply(code, lines or ("OK",)), wait_s, close)


def worded(text: str, **places: str) -> Reply:
    """A reply from a wording of the world file: whole lines with their codes, places filled in."""
    lines = []
    for line in text.split("\n"):
        body = line[4:]
        for place, value in places.items():
            body = body.replace("{" + place + "}", value)
        lines.append(body)
    return Reply(int(text[:3]), tuple(lines))
