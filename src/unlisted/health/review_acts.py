"""What each act of an incident changed, beside a control: the same figure for what it did not touch."""

from __future__ import annotations

from collections import defaultdict

from unlisted.facts import Delisted, EpisodeOpened, PathReopened, RuleStepped, SenderHeld
from unlisted.health.measured import Chosen
from unlisted.health.review_notes import MARGIN_S, Item, Notes, Part, part


def acts(notes: Notes) -> Part:
    items = [_held(notes, n, held) for n, held in notes.inside(SenderHeld)]
    items += [_delisted(notes, n, fact) for n, fact in notes.inside(Delisted)]
    items += _reopened(notes)
    for n, rule in notes.inside(RuleStepped):
        if rule.new == "enforced":
            what = f"messages that {rule.rule} matched in its shadow"
            figures = (
                ("matched", notes.count("matched", what, rule.matched, "messages")),
                ("control: of senders not held", notes.count(
                    "other_senders", f"senders not held, {what}", rule.other_senders, "senders"
                )),
            )  # fmt: skip
            items.append(Item(f"Enforced {rule.rule}: {rule.why}", rule.at, figures, (n,)))
    items.sort(key=lambda one: one.at or 0.0)
    return part("What each act changed, beside a control", items)


def _held(notes: Notes, n: int, held: SenderHeld) -> Item:
    figures = []
    for others, label in ((False, ""), (True, "control: everybody else, ")):
        for when, start in (("hour before", held.at - MARGIN_S), ("hour after", held.at)):
            query = f"attempts of all but {held.sender}" if others else f"attempts of {held.sender}"
            found = notes.counts.attempts_of(
                query, start, start + MARGIN_S, held.sender, others=others
            )
            figures.append((label + when, notes.say(found)))
    return Item(f"Held {held.sender}, {held.scope}.", held.at, tuple(figures), (n,))


def _reopened(notes: Notes) -> list[Item]:
    """One statement per episode: its paths open within minutes of each other."""
    groups: dict[str, list[tuple[int, PathReopened]]] = defaultdict(list)
    for n, fact in notes.inside(PathReopened):
        groups[fact.episode or f"{fact.address} at {fact.receiver}"].append((n, fact))
    return [_group(notes, name, found) for name, found in groups.items()]


def _group(notes: Notes, name: str, found: list[tuple[int, PathReopened]]) -> Item:
    paths = {(fact.address, fact.receiver) for _, fact in found}
    sites = sorted({receiver for _, receiver in paths})
    addresses = {address for address, _ in paths}

    def others(address: str, receiver: str) -> bool:
        return receiver in sites and address not in addresses

    ends = found[0][1].at, found[-1][1].at
    figures = _around(notes, ends, lambda *path: path in paths, others, "other addresses there")
    shown = ", ".join(sites[:5]) + (f" and {len(sites) - 5} more" if len(sites) > 5 else "")
    text = f"Reopened {', '.join(sorted(addresses))} to {shown} ({name})."
    return Item(text, ends[0], figures, tuple(n for n, _ in found))


def _delisted(notes: Notes, n: int, fact: Delisted) -> Item:
    opened = {f.episode: f for _, f in notes.of[EpisodeOpened]}.get(fact.episode)
    address = opened.address if opened else ""
    figures = _around(
        notes,
        (fact.high, fact.high),
        lambda a, _: a == address,
        lambda a, _: a != address,
        "all other addresses",
    )
    zone = (opened.zone if opened else None) or "The list"
    return Item(f"{zone} let go of {address} ({fact.episode}).", fact.high, figures, (n,))


def _around(
    notes: Notes, ends: tuple[float, float], chosen: Chosen, control: Chosen, others: str
) -> tuple[tuple[str, int], ...]:
    """The refused share before `ends[0]` and after `ends[1]`, of the chosen and the control."""
    spans = (("hour before", ends[0] - MARGIN_S), ("hour after", ends[1]))
    return tuple(
        (label + when, notes.say(
            notes.counts.share(f"{label or 'its '}refusals / attempts", start, start + MARGIN_S, which)
        ))
        for label, which in (("", chosen), (f"control: {others}, ", control))
        for when, start in spans
    )  # fmt: skip
