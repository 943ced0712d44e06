"""The scoreboard: what a run was worth to each platform (docs/scoreboard.md).

Computed from what the world saw at its own sockets (`Log`, `ListState`), from the script, and, for
the platform that has them, from its API and its public page as a viewer saw them. A pair is a
message's token and a mailbox. Times are simulated seconds after the platform's first refusal; what
never came is None. Refuses nothing; a platform without refusals has no times.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from unlisted_sandbox.blocklist import Listing
from unlisted_sandbox.directory import Directory
from unlisted_sandbox.eventlog import Event
from unlisted_sandbox.home import message_id
from unlisted_sandbox.lanes import Lane
from unlisted_sandbox.people import population
from unlisted_sandbox.script import Submission
from unlisted_sandbox.verdicts import Answers, answers
from unlisted_sandbox.viewer import Viewer, moment
from unlisted_sandbox.world import World

Pair = tuple[str, str]
SAME_S = 0.0015  # two ways of rounding one instant


class Score(Struct, frozen=True, kw_only=True):
    """One platform. Each field's meaning is one row of docs/scoreboard.md."""

    honest_submitted: int
    honest_delivered: int
    honest_bounced: int
    honest_delay_p95_s: float | None
    spam_submitted: int
    spam_delivered: int
    spam_moved: int
    refusals: int
    episodes: int
    listed_hours: float
    relistings: int
    recovered_s: float | None
    duplicates: int
    resent: int
    deadlines_met: int | None = None
    deadlines_total: int | None = None
    first_post_s: float | None = None
    resolved_s: float | None = None
    detect_s: float | None = None
    detect_refusals_max: int | None = None
    contain_s: float | None = None
    culprits_missed: int | None = None
    honest_senders_held: int | None = None
    hijacks: int | None = None
    hijacks_named: int | None = None
    honest_named: int | None = None
    mistakes: int | None = None
    mistakes_answered: int | None = None
    range_listings: int | None = None
    range_listings_answered: int | None = None
    list_drops: int | None = None
    list_drops_named: int | None = None


MEANINGS: dict[str, str] = {
    "honest_submitted": "(message, recipient) pairs of the script's honest mail to existing "
    "mailboxes; copies sent again by hand are outside",
    "honest_delivered": "those of them that lie in their mailbox at the end, by whatever route: a "
    "copy sent by hand carries the same token",
    "honest_bounced": "those of them of which the sender was told that they failed, at submission "
    "or by a notice, even if they arrived later",
    "honest_delay_p95_s": "95th percentile of the time from the script's submission to the mailbox, "
    "undelivered counting as infinite (null when that is the percentile)",
    "spam_submitted": "(message, recipient) pairs hijackers handed in or were turned away with",
    "spam_delivered": "those of them that reached a mailbox or a trap",
    "spam_moved": "those of them seen from another address after a refusal for the list that blamed "
    "the first; a refusal in the greeting names no message and is not seen here",
    "refusals": "replies that refused because of the list, one per command",
    "episodes": "listings of an address on a list",
    "listed_hours": "hours of all listings together, until the run's end",
    "relistings": "listings of an address that had been listed before; for a platform with an API, "
    "those that begin after its first containment",
    "recovered_s": "the later of the end of the last listing and the last refusal; null while an "
    "address is still listed",
    "duplicates": "copies beyond the first of a token in a mailbox, all mail",
    "resent": "honest pairs refused because of the list at least once and later delivered by the "
    "platform (the Message-ID is the original's); a refusal in the greeting is not seen here",
    "deadlines_met": "posts whose promised time of the next post was kept",
    "deadlines_total": "posts that promised one",
    "first_post_s": "first post on the public page",
    "resolved_s": "last closing post; null while an incident is open",
    "detect_s": "the API shows the first episode",
    "detect_refusals_max": "refusals of an address from the beginning of its listing until the API "
    "shows an episode of it, the most over all listings (all its refusals when none is shown)",
    "contain_s": "first act on a hijacked account",
    "culprits_missed": "hijacked accounts on which no act ever fell",
    "honest_senders_held": "innocent senders on whom any act fell, ever",
    "hijacks": "rows of the world's hijacks that handed in mail; one account may be taken twice",
    "hijacks_named": "those whose account a verdict of the API called guilty between their first "
    "mail and the account's next hijack",
    "honest_named": "innocent senders whom a verdict called guilty, ever; an account is innocent "
    "until its first hijack's first mail",
    "mistakes": "listings by a list's mistake that the API shows an episode of, without mail of the "
    "platform's own that would have listed the address meanwhile",
    "mistakes_answered": 'those whose last verdict is "nobody here"',
    "range_listings": "addresses listed with their whole network, for a neighbour, counted as "
    "mistakes are",
    "range_listings_answered": 'those whose last verdict is "nobody here"',
    "list_drops": "receivers that stopped using a list which then held an address of the platform",
    "list_drops_named": "those of which the API says since then that they dropped that list",
}


def score(
    lane: Lane,
    world: World,
    honest: Sequence[Submission],
    spam: Sequence[Submission],
    viewer: Viewer | None,
    end: float,
) -> Score:
    """Everything at once; `end` is the last instant of the run."""
    directory = Directory(world)
    events = sorted(lane.log.events, key=lambda e: e.at)
    refused = [e for e in events if e.kind == "refused"]
    first = refused[0].at if refused else None
    delivered: dict[Pair, float] = {}
    copies: dict[Pair, list[str]] = {}
    for e in events:
        if e.kind == "delivered" and e.token:
            delivered.setdefault((e.token, e.mailbox), e.at)
            copies.setdefault((e.token, e.mailbox), []).append(e.id)
    wanted = {
        (s.token, r): s
        for s in honest
        if s.at <= end
        for r in sorted({x.lower() for x in s.recipients})
        if directory.kind(r) == "mailbox"
    }
    bad = {(s.token, r.lower()) for s in spam for r in s.recipients}
    told = {(e.token, e.mailbox) for e in events if e.kind == "bounced"}
    blamed = attribute(events, [*honest, *spam])
    listings = [x for state in lane.lists.values() for x in state.listings() if x.start <= end]
    contained = None if viewer is None else _first_containment(world, viewer)
    last_refusal = refused[-1].at if refused else None
    result = {
        "honest_submitted": len(wanted),
        "honest_delivered": sum(1 for pair in wanted if pair in delivered),
        "honest_bounced": sum(1 for pair in wanted if pair in told),
        "honest_delay_p95_s": percentile(
            [delivered[p] - s.at if p in delivered else math.inf for p, s in wanted.items()], 0.95
        ),
        "spam_submitted": len(bad),
        "spam_delivered": sum(1 for pair in bad if pair in delivered),
        "spam_moved": _moved(events, blamed, bad),
        "refusals": len(refused),
        "episodes": len(listings),
        "listed_hours": round(sum(min(x.end, end) - x.start for x in listings) / 3600, 3),
        "relistings": _relistings(listings, contained, viewer is not None),
        "duplicates": sum(len(c) - 1 for c in copies.values()),
        "resent": sum(
            1
            for pair, s in wanted.items()
            if pair in blamed and message_id(s.data) in copies.get(pair, ())
        ),
    }
    recovered = None
    if first is not None and last_refusal is not None and all(x.end <= end for x in listings):
        recovered = max([last_refusal, *(x.end for x in listings)]) - first
    told_us: dict[str, float | int | None] = {}
    if viewer is not None:
        told_us = _told(lane, world, viewer, first, end)
        told_us |= msgspec.structs.asdict(answers(lane, world, spam, viewer, end))
    return Score(**result, recovered_s=_rounded(recovered), **told_us)  # type: ignore[arg-type]


def percentile(values: Iterable[float], share: float) -> float | None:
    ordered = sorted(values)
    if not ordered:
        return None
    value = ordered[max(0, math.ceil(share * len(ordered)) - 1)]
    return None if math.isinf(value) else round(value, 3)


def attribute(
    events: Sequence[Event], submissions: Iterable[Submission]
) -> dict[Pair, list[Event]]:
    """The refusals for the list of each pair. At RCPT a site sees the reverse-path and the
    recipient but no token: among the messages under way between the two, the one refused least often
    is meant, the oldest of these. In a greeting it sees nothing."""
    between: dict[tuple[str, str], list[tuple[float, str]]] = {}
    for s in submissions:
        for r in s.recipients:
            key = (s.reverse_path.lower(), r.lower())
            between.setdefault(key, []).append((s.at, s.token))
    arrived: dict[Pair, float] = {}
    found: dict[Pair, list[Event]] = {}
    for e in events:
        if e.kind == "delivered":
            arrived.setdefault((e.token, e.mailbox), e.at)
        elif e.kind == "refused" and e.mailbox:
            for mailbox in e.mailbox.split():
                token = e.token
                if not token:
                    under_way = [
                        (len(found.get((t, mailbox), ())), at, t)
                        for at, t in between.get((e.sender.lower(), mailbox), ())
                        if at <= e.at and (t, mailbox) not in arrived
                    ]
                    token = min(under_way)[2] if under_way else ""
                if token:
                    found.setdefault((token, mailbox), []).append(e)
    return found


def _moved(events: Sequence[Event], blamed: dict[Pair, list[Event]], bad: set[Pair]) -> int:
    moved: set[Pair] = set()
    first: dict[Pair, Event] = {}
    for pair in bad & blamed.keys():
        first[pair] = blamed[pair][0]
        if any(e.address != first[pair].address for e in blamed[pair]):
            moved.add(pair)
    for e in events:
        if e.kind in ("delivered", "content", "hung") and e.token:
            for mailbox in e.mailbox.split() or sorted(m for t, m in first if t == e.token):
                before = first.get((e.token, mailbox))
                if before is not None and e.at >= before.at and e.address != before.address:
                    moved.add((e.token, mailbox))
    return len(moved)


def _relistings(listings: Sequence[Listing], contained: float | None, with_api: bool) -> int:
    before: set[str] = set()
    count = 0
    for listing in sorted(listings, key=lambda x: (x.start, x.address)):
        if listing.address in before and (
            not with_api or (contained is not None and listing.start > contained)
        ):
            count += 1
        before.add(listing.address)
    return count


def _culprits(world: World) -> dict[str, float]:
    """Hijacked senders, and since when."""
    everybody = population(world)
    since: dict[str, float] = {}
    for n, h in enumerate(world.hijacks):
        since.setdefault(everybody.of(n).id, world.start + h.start_h * 3600)
    return since


def _first_containment(world: World, viewer: Viewer) -> float | None:
    culprits = _culprits(world)
    acts = [
        h.at
        for h in viewer.holds.values()
        if culprits.get(str(h.row.get("sender")), math.inf) <= h.at
    ]
    return min(acts, default=None)


def _told(
    lane: Lane, world: World, viewer: Viewer, first: float | None, end: float
) -> dict[str, float | int | None]:
    culprits = _culprits(world)
    held = {str(h.row.get("sender")): h.at for h in viewer.holds.values()}
    caught = {
        str(h.row.get("sender"))
        for h in viewer.holds.values()
        if culprits.get(str(h.row.get("sender")), math.inf) <= h.at
    }
    posts = viewer.posts_of()
    promised = met = 0
    for thread in posts.values():
        for n, post in enumerate(thread):
            if post.next_update_by is None or (n + 1 == len(thread) and post.next_update_by > end):
                continue  # nothing promised, or not yet due
            promised += 1
            following = thread[n + 1].at if n + 1 < len(thread) else math.inf
            met += following <= post.next_update_by
    every = [post for thread in posts.values() for post in thread]
    closed = [post.at for post in every if post.kind == "final"]
    contained = _first_containment(world, viewer)

    def after(at: float | None) -> float | None:
        return None if at is None or first is None else _rounded(at - first)

    return {
        "deadlines_met": met,
        "deadlines_total": promised,
        "first_post_s": after(min((p.at for p in every), default=None)),
        "resolved_s": None if viewer.open_incident else after(max(closed, default=None)),
        "detect_s": after(min((e.at for e in viewer.episodes.values()), default=None)),
        "detect_refusals_max": detect_refusals_max(lane, viewer, end),
        "contain_s": after(contained),
        "culprits_missed": len(culprits.keys() - caught),
        "honest_senders_held": len([s for s in held if s and s not in caught]),
    }


def detect_refusals_max(lane: Lane, viewer: Viewer, end: float) -> int:
    """See MEANINGS."""
    most = 0
    refused = [e for e in lane.log.events if e.kind == "refused"]
    listings = sorted(
        (x for state in lane.lists.values() for x in state.listings() if x.start <= end),
        key=lambda x: (x.address, x.start),
    )
    for n, listing in enumerate(listings):
        following = listings[n + 1] if n + 1 < len(listings) else None
        over = end if following is None or following.address != listing.address else following.start
        shown = over
        for episode in viewer.episodes.values():
            closed = moment(episode.row.get("closed_at"))
            mine = episode.row.get("address") == listing.address
            if mine and episode.at <= over and (closed is None or closed > listing.start):
                shown = min(shown, episode.at)
        most = max(
            most,
            sum(
                e.address == listing.address and listing.start <= e.at <= shown + SAME_S
                for e in refused
            ),
        )
    return most


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def table(scores: dict[str, Score]) -> str:
    """The scores side by side, at most 80 columns; without the rows on rival explanations where
    the world had none, so that it fits a terminal."""
    names = list(scores)
    lines = [f"{'':<24}" + "".join(f"{name:>16}" for name in names)]
    rivals = ("mistakes", "range_listings", "list_drops")
    some = any(getattr(one, field) for one in scores.values() for field in rivals)
    left_out = () if some else Answers.__struct_fields__
    for field in Score.__struct_fields__:
        if field in left_out:
            continue
        cells = [_cell(getattr(scores[name], field)) for name in names]
        lines.append(f"{field:<24}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def _cell(value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
