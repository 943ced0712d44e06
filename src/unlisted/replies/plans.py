"""What parsing and unwrapping say of each text of one wording, once for all of them.

Most replies quote no other: a code and perhaps an enhanced code stand before each line. Of such a
one parsing and unwrapping look at nothing but signs, codes and tags, and these a wording keeps: so
they say the same of each text of it, and leave out the same. Any other reply has no plan and is
parsed and unwrapped each time; tests hold the two against each other.
"""

import re
from collections.abc import Sequence

import msgspec

from unlisted.mail.reply import MAX_REPLY, Reply, parse_reply
from unlisted.replies.engine import REMEMBERED, Engine, Read, Told
from unlisted.replies.unwrap import INSIDE, TAG, Unwrapped, late_enhanced, unwrap
from unlisted.replies.wording import NUMBER, OPEN, Wording

LONGEST = 512
# Entities, quoted replies, what mail servers add at the end: unwrapping does more about these, or
# an open word may be what it looks for.
_NOT_PLAIN = re.compile(rf"&[^ ;&]+;|  |</|<<<| up on |\(in |{TAG}")
_QUOTED = " command)"  # Postfix's words around a reply, in most lines of a log: never plain
_BEGINS = re.compile(r"[245][0-57][0-9](?:[ -]|$)")  # a code whatever follows
# What is left open may be a single digit, and then belongs to it.
_TWO_DIGITS = re.compile(rf"\.[0-9]{{2}}[):;]? *[{''.join(OPEN)}]")

_Cut = tuple[int, int]  # number of the token, and how much of its beginning is no text


class Plan(msgspec.Struct, frozen=True, gc=False):
    """said: without what differs; start: where the text begins, skipped: the spaces before; cuts:
    the tokens of the text if there is more between them; late: an enhanced code may stand
    further in."""

    said: Unwrapped
    told: Told
    start: int
    skipped: int
    cuts: tuple[_Cut, ...]
    late: bool


class Plans:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._plans: dict[Wording, Plan | None] = {}

    def heard(self, raw: str) -> tuple[Unwrapped, Read]:
        """What is said, and the text as the engine reads it."""
        if len(raw) > LONGEST or raw.endswith(_QUOTED) or not raw.isascii():
            return self._unwrapped(raw)
        lowered = _spaced(raw).lower()
        tokens = lowered.split(" ")
        wording = self._engine.masks.of(tokens)
        plan = self._plans.get(wording)
        if plan is not None:
            if plan.cuts:
                tokens = [tokens[nth][cut:] for nth, cut in plan.cuts]
                text = " ".join(tokens)
            else:
                text, tokens = lowered[plan.start :], tokens[plan.skipped :]
            # So far in that it may be too far in another text.
            if not plan.late or late_enhanced(text) == plan.said.enhanced:
                return plan.said, Read(text, tokens, plan.told)
        said, read = self._unwrapped(raw)
        # Not yet of one that comes once.
        if read.told.wording is not None and wording not in self._plans:
            if len(self._plans) >= REMEMBERED:
                self._plans.clear()
            self._plans[wording] = _plan_of(raw, tokens, wording, said, read.told)
        return said, read

    def _unwrapped(self, raw: str) -> tuple[Unwrapped, Read]:
        said = unwrap(parsed(raw))
        return said, self._engine.read(said.text, said.words)


def _spaced(raw: str) -> str:
    """With line breaks, as parsing knows them, between spaces."""
    if "\\n" in raw and "\n" not in raw:
        raw = raw.replace("\\n", "\n")
    return raw.replace("\n", " \n ") if "\n" in raw else raw


def parsed(text: str) -> Reply:
    text = text[:MAX_REPLY]
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text
    return parse_reply(text)


def _plan_of(
    raw: str, tokens: Sequence[str], wording: Wording, said: Unwrapped, told: Told
) -> Plan | None:
    reply = parse_reply(raw)
    text = " ".join(reply.text.lower().split())
    line = " ".join(tokens)
    cuts = _cuts(tokens, wording, said.text.split(" "))
    if (
        not text
        or text != said.text  # else something was peeled
        or cuts is None
        or not _BEGINS.match(tokens[0])
        or not line.replace("\n", "").isprintable()
        or "\\" in line
        or _TWO_DIGITS.search(" ".join(wording).replace("\n ", ""))
        or _NOT_PLAIN.search(" ".join(told.wording or ()))
        or INSIDE.search(text, 1)
    ):
        return None
    start = len(line) - len(text)
    if line[start - 1 :] == " " + text:
        cuts = ()
    bare = Reply(said.inner.code, said.inner.enhanced, "")
    said = Unwrapped(bare, "", [], said.code, said.enhanced, said.relayed, said.stage)
    return Plan(said, told, start, line.count(" ", 0, start), cuts, reply.enhanced is None)


def _cuts(
    tokens: Sequence[str], wording: Wording, wanted: Sequence[str]
) -> tuple[_Cut, ...] | None:
    """Which tokens of a reply, from where, are those of its text. What is left out is nowhere open,
    so it is the same in each text of the wording, and so are the cuts."""
    found: list[_Cut] = []
    left = iter(wanted)
    want = next(left, None)
    for nth, (token, mask) in enumerate(zip(tokens, wording, strict=True)):
        cut = len(token) - len(want) if want and token.endswith(want) else len(token)
        # By itself a number may look like a code.
        if mask[:cut] != token[:cut] or (0 < cut < len(token) and mask[cut] == NUMBER):
            return None
        if cut < len(token):
            found.append((nth, cut))
            want = next(left, None)
    return None if want is not None else tuple(found)
