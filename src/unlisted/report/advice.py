"""What to do next about each episode, by the list's own etiquette and in the order that helps.

First the source, then the list: a removal asked for while spam still leaves is reversed, and some
lists lengthen the listing for it. Refuses to advise a request where a list asks not to be asked,
and never advises to change addresses.
"""

import msgspec

from unlisted.report.episodes import Episode
from unlisted.report.nameless import Shift
from unlisted.report.resend import Again
from unlisted.report.senders import Ranking

WHO = {
    "never": "Do not ask for removal: the list asks not to be asked and lets go by itself.",
    "owner": "Once the source is stopped, a named person of the network's owner asks for removal, "
    "with cause and fix.",
    "anyone": "Once the source is stopped, a named person asks at the list's own page, with cause "
    "and fix; not before, not by a robot.",
}


class Advice(msgspec.Struct, frozen=True):
    """Steps in order for one episode or block; `page` is the list's own about the address."""

    cause: str
    title: str
    steps: tuple[str, ...]
    page: str | None


def advise(episode: Episode, ranking: Ranking | None, again: Again) -> Advice:
    """For one episode."""
    steps = [_source(ranking), _list(episode)]
    if episode.ending.state == "over":
        steps[1] = "The listing is over. If it comes back, the source was not stopped."
    steps += _rest(episode.id, again, over=episode.ending.state == "over")
    row = episode.row
    page = row.lookup_page(episode.place.name) if row and episode.place.known != "unknown" else None
    title = f"{episode.place.name} on {episode.blamed.name}"
    return Advice(episode.id, title, tuple(steps), page)


def advise_shift(shift: Shift, again: Again) -> Advice:
    """For one block without a list."""
    steps = [
        f"Ask the postmaster of {shift.receiver}, with the address, the time, and the full text of "
        "one reply; public lists will not show it.",
        *_rest(shift.id, again, over=False),
    ]
    if shift.kind == "listed":
        steps[0] = (
            f"Likely the same block as {shift.beside}: follow that one; if {shift.receiver} goes on "
            "refusing afterwards, ask its postmaster."
        )
    elif shift.kind != "address":
        steps[0] = (
            "Look at the replies' texts and at what was sent before writing to the receiver: "
            "it is not certain that the address is meant."
        )
    return Advice(shift.id, f"{shift.place.name} at {shift.receiver}", tuple(steps), None)


def _source(ranking: Ranking | None) -> str:
    if ranking is None or ranking.verdict == "unknown":
        return "Find the source first: this log cannot tell who sent (it holds no senders)."
    probable = [one.sender for one in ranking.suspects if one.standing == "probable"]
    if probable:
        return (
            f"Look first at {', '.join(probable[:3])}: if it is a hijacked account or script, "
            "stop it, change its password, and check its mail still in the queue."
        )
    if ranking.verdict == "nobody here":
        return "No sender in this log looks like the source; look at what the log does not hold."
    return "Find the source first: the evidence here points at nobody in particular."


def _list(episode: Episode) -> str:
    row = episode.row
    if episode.blamed.own is not None:
        return (
            f"{episode.blamed.own} names no public list: ask its postmaster, with the address, "
            "the time and the full reply, once the source is stopped."
        )
    if row is None:
        return (
            f"What {episode.blamed.name} asks of the listed is not known here: read its own page "
            "before asking for anything."
        )
    if not row.alive:
        return f"{row.zone} is closed. {row.how}"
    who = WHO[row.requests]
    return f"{who} {row.how}" if row.how else who


def _rest(cause: str, again: Again, over: bool) -> list[str]:
    counts = again.by_cause.get(cause, {})
    steps = []
    if counts.get("resend"):
        when = "now" if over else "when the block has ended"
        bounced = _letters(counts["resend"], "bounced ")
        steps.append(f"Send {bounced} again {when} (--resend FILE.csv).")
    if counts.get("queued"):
        steps.append(f"{_letters(counts['queued'])} still in the queue: nothing to do for them.")
    if counts.get("suspect"):
        steps.append(f"{_letters(counts['suspect'])} of suspects left out; decide by hand.")
    return steps


def _letters(count: int, of: str = "") -> str:
    return f"{count} {of}{'letter' if count == 1 else 'letters'}"
