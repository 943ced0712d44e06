"""Posts: what changed, what we did, what users should do, when the next comes.

A post is made from what was measured and cannot be rendered without its figures. It names no
sender, tenant, pool or address.
"""

from __future__ import annotations

import msgspec

from unlisted.facts import Figure
from unlisted.health.figures import clock, counted, in_words
from unlisted.health.incident import TITLE

_OVER = "Nothing. What waited has gone out, once."
NEEDED = ("refused_share", "waiting", "blocked_addresses", "resent")
# What a post compares with the one before it, and its words.
COMPARED = (("waiting", "waiting"), ("refused_share", "refused"), ("resent", "sent again"))
BEFORE = "_before"  # ends the name of a figure as the last post told it


class PostError(ValueError):
    """A figure that a post needs is not there."""


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """What a post tells; times in seconds since the epoch, None: not known or not yet.
    `figures`: as measured now, and those of `COMPARED` as the last post told them, if there is one."""

    final: bool
    since: float
    figures: tuple[Figure, ...]
    named: bool
    stopped: bool
    open_episodes: int
    delisted: int
    release_at: float | None
    release_basis: str = ""
    release_band: tuple[float, float] | None = None
    changed: tuple[str, ...] = ()
    ended: float | None = None
    next_update_by: float | None = None
    title: str = TITLE
    impact: str = ""  # as a person revised it
    more: tuple[tuple[str, str], ...] = ()  # details and scope that a person revised


def sections(story: Story) -> tuple[tuple[str, str], ...]:
    """The post's sections in order. Raises PostError without its figures."""
    figures = {figure.name: figure for figure in story.figures}
    missing = [name for name in NEEDED if name not in figures]
    if missing:
        raise PostError(f"figures not there: {', '.join(missing)}")
    past = story.final
    out = [
        ("Title", story.title),
        ("User impact", story.impact or _impact(past=past)),
        *story.more,
        ("Final status" if past else "Current status", _status(story, _since(figures))),
        ("Measured", _measured(figures)),
        ("What we did", _done(story, _again(figures["resent"]))),
        ("What you should do", _advice(story, figures)),
        ("Start time", clock(story.since)),
    ]
    if past and story.ended is not None:
        out.append(("End time", clock(story.ended)))
    if not past and story.release_at is not None:
        out.append(("Expected end", f"{clock(story.release_at)}, {story.release_basis}"))
    if past:
        out.append(("Root cause", _cause(story)))
    if story.next_update_by is not None:
        out.append(("Next update by", clock(story.next_update_by)))
    return tuple(out)


def draft(story: Story) -> tuple[tuple[str, str], ...]:
    """The sections that a person may edit, with placeholders for figures."""
    resent = any(figure.name == "resent" and figure.value for figure in story.figures)
    done = _done(story, "Sent again by us after a bounce: {{ resent }}." if resent else "")
    # A figure comes with its unit, 1 message or 2 messages: no verb may depend on which.
    advice = "You need not re-send: what waits goes out by itself ({{ waiting }})."
    last = (("Root cause", _cause(story)),) if story.final else ()
    compared = _since_draft({figure.name for figure in story.figures})
    return (
        ("User impact", story.impact or _impact(past=story.final)),
        *story.more,
        ("Final status" if story.final else "Current status", _status(story, compared)),
        ("What we did", done),
        ("What you should do", _OVER if story.final else advice),
        *last,
    )


def framed(written: tuple[tuple[str, str], ...], story: Story) -> tuple[tuple[str, str], ...]:
    """A person's sections with those that the service writes itself."""
    figures = {figure.name: figure for figure in story.figures}
    title = next((text for label, text in written if label.lower() == "title"), story.title)
    out = [
        ("Title", title),
        *((label, text) for label, text in written if label.lower() != "title"),
    ]
    out += [("Measured", _measured(figures)), ("Start time", clock(story.since))]
    if story.final and story.ended is not None:
        out.append(("End time", clock(story.ended)))
    if story.next_update_by is not None:
        out.append(("Next update by", clock(story.next_update_by)))
    return tuple(out)


def _impact(*, past: bool) -> str:
    return (
        "Some messages to some receivers "
        + ("were" if past else "are")
        + " delayed. They are not lost: they wait, and go out by themselves."
    )


def _status(story: Story, compared: str) -> str:
    """News first, then where it stands; without news the figures beside those of the last post."""
    if story.final:
        return (
            "Over: the lists no longer hold our addresses, receivers that had refused them accept "
            "again, and nothing was refused since."
        )
    if not story.open_episodes:
        now = "Receivers accept again; we watch whether it stays so."
    elif story.delisted == story.open_episodes:
        now = "The list let go of our addresses; we check each receiver before we call it over."
    elif story.stopped:
        now = "The source is stopped; we wait for the list's term to end."
    elif story.named:
        now = "The source is found and held; we check that nothing more of it leaves."
    else:
        now = "We are looking for the source."
    if story.changed:
        return " ".join([*story.changed, compared, now] if compared else [*story.changed, now])
    return " ".join(part for part in (compared, now, _awaited(story)) if part)


def _since(figures: dict[str, Figure]) -> str:
    """The figures beside those of the last post; empty: there was none."""
    pairs = [
        (words, _plainly(figures[name + BEFORE]), _plainly(figures[name]))
        for name, words in COMPARED
        if name + BEFORE in figures
    ]
    if not pairs:
        return ""
    if all(before == now for _, before, now in pairs):
        same = ", ".join(f"{words} {now}" for words, _, now in pairs)
        return f"The figures are unchanged since the last post: {same}."
    told = [
        f"{words} {now} as before" if before == now else f"{words} {before} before, {now} now"
        for words, before, now in pairs
    ]
    return f"Since the last post: {'; '.join(told)}."


def _since_draft(there: set[str]) -> str:
    """The same with places for the figures: whether they changed is known when it is published."""
    pairs = [(name, words) for name, words in COMPARED if name + BEFORE in there]
    told = [
        f"{words} {{{{ {name}{BEFORE} }}}} before, {{{{ {name} }}}} now" for name, words in pairs
    ]
    return f"Since the last post: {'; '.join(told)}." if told else ""


def _plainly(figure: Figure) -> str:
    """The value alone: n, window and interval stand under "Measured"."""
    if figure.value is None:
        return "unknown"
    if figure.unit == "share":
        return f"{figure.value:.1%} of attempts"
    return counted(figure.value, figure.unit)


def _awaited(story: Story) -> str:
    """The predicted release with its band, while a list still holds an address."""
    holds = story.open_episodes > story.delisted
    told = max((figure.end for figure in story.figures), default=0.0)
    if not holds or story.release_at is None or story.release_at <= told:
        return ""
    band = story.release_band
    between = f" (between {clock(band[0])} and {clock(band[1])})" if band else ""
    return f"The last list should let go on {clock(story.release_at)}{between}."


def _measured(figures: dict[str, Figure]) -> str:
    return (
        f"Refused: {in_words(figures['refused_share'])}. "
        f"Sending addresses blocked: {in_words(figures['blocked_addresses'])}. "
        f"Messages waiting: {figures['waiting'].value or 0:,.0f}."
    )


def _done(story: Story, again: str) -> str:
    """What was done; `again`: what is said of mail that was sent again."""
    steps = ["Mail is kept off the blocked addresses where its sender is known to be clean."]
    if story.named:
        steps.append("Who caused it is held; nobody else is.")
    if story.stopped:
        steps.append("Nothing of theirs left any more, which we checked.")
    return " ".join([*steps, again] if again else steps)


def _again(figure: Figure) -> str:
    if not figure.value:
        return ""
    verb = "was" if figure.value == 1 else "were"
    return f"{counted(figure.value, figure.unit)} that had bounced {verb} sent again by us."


def _advice(story: Story, figures: dict[str, Figure]) -> str:
    waiting = figures["waiting"].value or 0.0
    if story.final:
        return _OVER
    if not waiting:
        return "You need not re-send: no message waits, and what is refused goes out by itself."
    go = "goes out by itself" if waiting == 1 else "go out by themselves"
    return f"You need not re-send: {counted(waiting, 'waiting messages')} {go}."


def _cause(story: Story) -> str:
    if story.named:
        return "Spam was sent from here in the name of users of ours; other providers refused us for it."
    return "Our addresses were listed; the evidence does not show who caused it."
