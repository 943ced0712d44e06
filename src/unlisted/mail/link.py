"""The link in a non-delivery report: it names one recipient of one message until a time.

Whoever has it may see what became of that letter, and nothing else. A forged or altered one names
nothing. The word that a form must carry (`word`) belongs to the link and to what its page showed: a
form of another site cannot know it, and one sent a second time no longer fits.
"""

import hashlib
import hmac

import msgspec

from unlisted.mail import sealed

_SIZE = 8 + 4 + 6


class Link(msgspec.Struct, frozen=True):
    """What a link names. `until`: seconds since the Unix epoch."""

    message: int
    index: int
    until: int

    @property
    def key(self) -> str:
        """The row's key."""
        return f"m{self.message}.{self.index}"


def seal_link(key: bytes, row: str, until: float) -> str:
    """The token for a row's key, "m17.0"."""
    message, _, index = row.partition(".")
    value = int(message[1:]).to_bytes(8, "big") + int(index).to_bytes(4, "big")
    return sealed.seal(key, b"link", value + max(0, int(until)).to_bytes(6, "big"))


def open_link(key: bytes, text: str) -> Link | None:
    """What a token names, whether its time is over or not; None: it is none of ours."""
    value = sealed.opened(key, b"link", text, _SIZE)
    if value is None:
        return None
    parts = (value[:8], value[8:12], value[12:])
    return Link(*(int.from_bytes(one, "big") for one in parts))


def word(key: bytes, text: str, shown: str) -> str:
    """What the form of this link's page must carry while it shows this."""
    said = "\0".join(("form", "".join(text.split()).lower(), shown)).encode("utf-8", "replace")
    return hmac.digest(key, said, hashlib.sha256)[:16].hex()
