"""The chapters of a review: impact, speed, timeline, causes, the lists' clocks, failures, promises,
and what the data cannot tell.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from unlisted.facts import (
    CausesRanked,
    Delisted,
    DelistingAdvised,
    DutyCalled,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    FeedHeard,
    FeedSilent,
    Figure,
    HoldReleased,
    IncidentRevised,
    PathReopened,
    Posted,
    PostRefused,
    ProbeAnswered,
    ReleasePredicted,
    Relisted,
    Resent,
    SenderHeld,
    Settled,
    SourceStopped,
    StationFault,
)
from unlisted.health import figures as measures
from unlisted.health.figures import clock
from unlisted.health.review_notes import MARGIN_S, Item, Notes, Part, part
from unlisted.health.review_words import changes, predicted_words, told

AGAIN_S = 86400.0  # a block within a day of its path's reopening: it did not work


def impact(notes: Notes) -> Part:
    counts, since = notes.counts, notes.since
    until = notes.ended if notes.ended is not None else notes.until
    during = notes.say(
        counts.share("refusals and suspicions / attempts, all receivers", since, until)
    )
    before = notes.say(
        counts.share(f"the same in the hour before {notes.beginning}", since - MARGIN_S, since)
    )
    addresses = {fact.address for _, fact in notes.episodes}
    blocked = notes.count(
        "blocked_addresses", "addresses with an episode", len(addresses), "addresses"
    )
    episodes = notes.count("episodes", "EpisodeOpened", len(notes.episodes), "episodes")
    ends: dict[str, list[int]] = {"bounced": [], "expired": []}
    for n, fact in notes.inside(Settled):
        ends.get(fact.how, []).append(n)
    back = notes.count(
        "returned", "Settled as bounced, for any reason", len(ends["bounced"]), "messages"
    )
    elsewhere = counts.returned(since, notes.until)
    watched = (("by the watched server", notes.say(elsewhere)),) if elsewhere else ()
    late = notes.count("expired", "Settled as expired", len(ends["expired"]), "messages")
    again = [n for n, _ in notes.inside(Resent)]
    resent = notes.count("resent", "Resent", len(again), "messages")
    items = (
        *_told(notes),
        Item("Attempts refused.", None, (("while it lasted", during), ("hour before", before))),
        Item("Egress addresses blocked.", None, (("", blocked), ("", episodes)),
             tuple(n for n, _ in notes.episodes)),
        Item("Mail returned to its senders, for any reason.", None,
             (("bounced", back), ("too old", late), *watched),
             tuple(ends["bounced"][:3] + ends["expired"][:3])),
        Item("Mail that had bounced and was sent again by us.", None, (("", resent),),
             tuple(again[:3])),
    )  # fmt: skip
    return part("Impact", items)


def _told(notes: Notes) -> list[Item]:
    """What users were told they see, as it stands by its last revision."""
    found = []
    for field, label in (("impact", "User impact"), ("scope", "Scope")):
        if notes.told[field]:
            last = [n for n, fact in notes.revisions if fact.field == field][-1:]
            text = f"{label}, as told: {notes.told[field]}"
            found.append(Item(text, None, (), tuple(last or [notes.n])))
    return found


def speed(notes: Notes) -> Part:
    """Detection and response, each from the start of the incident as told."""
    firsts: list[tuple[str, type[Fact], Callable[[Any], bool]]] = [
        ("an episode was opened", EpisodeOpened, lambda f: True),
        ("the first public post", Posted, lambda f: f.incident == notes.opened.incident),
        ("somebody was named", CausesRanked, lambda f: bool(f.named)),
        ("the first sender was held", SenderHeld, lambda f: True),
        ("the source was stopped", SourceStopped, lambda f: True),
        ("the first list let go", Delisted, lambda f: True),
        ("the last episode was closed", EpisodeClosed, lambda f: True),
    ]
    items = []
    for words, kind, wanted in firsts:
        found = [one for one in notes.inside(kind) if wanted(one[1])]
        if not found:
            items.append(Item(f"Until {words}: not in the journal."))
            continue
        n, fact = found[-1] if kind is EpisodeClosed else found[0]
        query = f"from {notes.beginning} to fact {n}"
        figure = notes.span("time_to", query, notes.since, fact.at)
        items.append(Item(f"Until {words}.", fact.at, (("", figure),), (n,)))
    return part("Detection and response", items)


def timeline(notes: Notes) -> Part:
    lines: list[Item] = []
    for n, fact in notes.facts:
        if isinstance(fact, IncidentRevised):
            wanted = fact.incident == notes.opened.incident  # after the closing as well
        else:
            wanted = notes.since <= fact.at <= notes.until
        if wanted and (text := told(fact)):
            lines.append(Item(text, fact.at, (), (n,)))
    return part("Timeline", changes(lines))


def causes(notes: Notes) -> Part:
    last: dict[str, tuple[int, CausesRanked]] = {}
    for n, fact in notes.of[CausesRanked]:
        if fact.episode in notes.names:
            last[fact.episode] = (n, fact)
    items = []
    for name, (n, fact) in last.items():
        need = f" What would settle it: {fact.need}" if fact.need else ""
        items.append(Item(f"{name}: {fact.verdict}.{need}", fact.at, (), (n,)))
        for share in fact.shares[:5]:
            figure = notes.say(
                Figure(
                    name="expected_share", value=share.share, unit="share",
                    query=f"expected share of the evidence behind {name}", n=share.messages,
                    start=fact.at - fact.window_s, end=fact.at, low=share.low, high=share.high,
                )
            )  # fmt: skip
            why = f": {'; '.join(share.reasons)}" if share.reasons else ""
            tenant = f" (tenant {share.tenant})" if share.tenant else ""
            text = f"{share.sender}{tenant}{why}"
            items.append(Item(text, None, (("expected share", figure),), (n,)))
    return part("Causes", items, "Nobody was ranked for these episodes.")


def clocks(notes: Notes) -> Part:
    predicted = {f.episode: (n, f) for n, f in notes.of[ReleasePredicted]}
    let_go = {f.episode: (n, f) for n, f in notes.of[Delisted]}
    advised = {f.episode: (n, f) for n, f in notes.of[DelistingAdvised]}
    items = []
    for n, episode in notes.episodes:
        if episode.zone is None:
            continue
        numbers = [n]
        text = f"{episode.zone} listed {episode.address} ({episode.episode})."
        figures: list[tuple[str, int]] = []
        if episode.episode in predicted:
            number, fact = predicted[episode.episode]
            numbers.append(number)
            text += f" Release predicted {predicted_words(fact.release_at, fact.low, fact.high)}, {fact.basis}."
        if episode.episode in let_go:
            number, gone = let_go[episode.episode]
            numbers.append(number)
            text += f" It let go {predicted_words(None, gone.low, gone.high)}."
            query = f"from its first refusal to fact {number}"
            figures.append(("held for", notes.span("listed", query, episode.since, gone.high)))
        if episode.episode in advised:
            number, advice = advised[episode.episode]
            numbers.append(number)
            text += f" Advice: {advice.advice}"
        items.append(Item(text, episode.since, tuple(figures), tuple(numbers)))
    return part("The lists' clocks", items, "No list was named.")


def failures(notes: Notes) -> Part:
    items = [
        Item(f"{fact.episode} was listed again before it was closed.", fact.at, (), (n,))
        for n, fact in notes.inside(Relisted)
    ]
    opened_again: dict[tuple[str, str], tuple[int, float]] = {}
    for n, fact in notes.facts:
        if isinstance(fact, PathReopened):
            opened_again[fact.address, fact.receiver] = (n, fact.at)
        elif isinstance(fact, EpisodeOpened) and fact.receiver is not None:
            n_before, at = opened_again.get((fact.address, fact.receiver), (0, -AGAIN_S))
            if fact.at - at < AGAIN_S and notes.since <= fact.at <= notes.until:
                text = f"{fact.address} was blocked at {fact.receiver} again within a day of its reopening."
                items.append(Item(text, fact.at, (), (n_before, n)))
    for n, fact in notes.inside(HoldReleased):
        if fact.actor != "policy":
            items.append(
                Item(
                    f"A person released the hold on {fact.sender}: {fact.why}",
                    fact.at,
                    (),
                    (n,),
                )
            )
    for n, post in notes.posts:
        if post.deadline_met is False:
            items.append(Item(f"Post {post.number} came after its deadline.", post.at, (), (n,)))
    for n, refused in notes.inside(PostRefused):
        items.append(
            Item(f"A post was refused: {'; '.join(refused.reasons)}", refused.at, (), (n,))
        )
    for n, call in notes.inside(DutyCalled):
        items.append(Item("Nobody had posted ten minutes before the deadline.", call.at, (), (n,)))
    for n, fault in notes.inside(StationFault):
        items.append(
            Item(
                f"Station {fault.station} failed on an input, which was put aside.",
                fault.at,
                (),
                (n,),
            )
        )
    items.sort(key=lambda one: one.at or 0.0)
    return part("What did not work", items, "Nothing of that kind is in the journal.")


def deadlines(notes: Notes) -> Part:
    judged = [(n, post) for n, post in notes.posts if post.deadline_met is not None]
    met = sum(post.deadline_met is True for _, post in judged)
    kept = notes.count("deadlines_met", "posts not later than promised", met, "deadlines")
    whole = notes.count("deadlines", "posts whose time was promised", len(judged), "deadlines")
    items = [Item("Promised updates.", None, (("", whole), ("kept", kept)))]
    for n, post in judged:
        if post.deadline is not None:
            margin = notes.span(
                "margin", f"from fact {n} to the promised time", post.at, post.deadline
            )
            text = f"Post {post.number}, promised for {clock(post.deadline)}."
            items.append(Item(text, post.at, (("margin", margin),), (n,)))
    return part("Deadlines", items)


def sources(notes: Notes) -> Part:
    start, end = notes.since - MARGIN_S, notes.until
    items = []
    first = notes.facts[0]
    if first[1].at > start:
        text = (
            f"The journal begins less than an hour before {notes.beginning}, or after it: what was "
            "before is not known."
        )
        items.append(Item(text, first[1].at, (), (first[0],)))
    for n, fact in notes.facts:
        if start <= fact.at <= end:
            if isinstance(fact, FeedSilent):
                items.append(Item(f"{fact.feed} fell silent.", fact.at, (), (n,)))
            elif isinstance(fact, FeedHeard):
                items.append(Item(f"{fact.feed} spoke again.", fact.at, (), (n,)))
    zones: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for _, fact in notes.inside(ProbeAnswered):
        zones[fact.zone][0] += fact.state == "unknown"
        zones[fact.zone][1] += 1
    for zone, (unknown, asked) in sorted(zones.items()):
        query = f"answers of {zone} that told nothing"
        figure = notes.say(measures.share("unknown", query, unknown, asked, notes.since, end))
        items.append(Item(f"{zone} was asked.", None, (("told nothing", figure),)))
    return part(
        "Data sources and their gaps", items, "Replies to our own attempts; no gap is known."
    )
