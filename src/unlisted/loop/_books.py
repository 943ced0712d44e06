"""The books: bounced letters that may go out again, and what speaks against each.

A letter stands here from its bounce until it is sent again, its sender's own copy was delivered, or
its time is over. Knows who is a culprit, which copies are on their way, and what is under way now.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from unlisted.facts import EpisodeOpened, Row
from unlisted.loop._resting import Path, path_of

if TYPE_CHECKING:
    from unlisted.loop._fixpoint import States

Same = tuple[str, str, str]  # sender, recipient, digest of the body
Pair = tuple[str, str]  # sender, recipient
CULPRIT, DOUBTFUL, UNKNOWN, COPY = "culprit", "doubtful", "unknown outcome", "copy"
EARLY = 10_000  # letters of another server refused for good that no episode explains yet
REMEMBERED = 200_000  # re-sends delivered, by which a late copy is known
DAY_S = 86400.0


class State:
    """What may go out again, and what did."""

    def __init__(self) -> None:
        self.books: dict[str, Row] = {}
        self.by_body: dict[Same, str] = {}
        self.by_pair: dict[Pair, dict[str, None]] = {}
        self.shelves: dict[Path, dict[str, None]] = {}  # keys by path, in the order of booking
        self.copies: dict[str, str] = {}  # a row that may be a copy by hand -> the booked one
        self.copied: Counter[str] = Counter()  # booked -> such copies under way
        self.ordered: dict[str, tuple[str, int]] = {}  # who switched it on, and in which fact
        self.permitted: set[str] = set()  # unknown outcome, and a person wants it all the same
        self.left: dict[str, str] = {}  # booked and left out, and why
        self.culprits: set[str] = set()
        self.pacing: dict[Path, deque[str]] = {}  # keys still to be looked at
        self.answers: dict[Path, list[int]] = {}  # to re-sends since the last batch: good, doubtful
        self.doubts: dict[Path, int] = {}  # doublings of the pause
        self.out: dict[Path, set[str]] = {}  # re-sends in the edge's hands
        self.departing: dict[str, str] = {}  # row -> command whose content is about to leave
        self.resent: dict[str, tuple[Same, str | None]] = {}  # under way: body, episode
        self.on_its_way: dict[Same, str] = {}
        self.delivered: dict[Same, float] = {}
        self.episodes: dict[str, list[str]] = {}  # by address, oldest first
        self.tally: dict[str, Counter[tuple[str, str]]] = {}  # episode -> (receiver, how) ended
        # Watched letters refused before their episode: when, address, receiver, list.
        self.early: deque[tuple[float, str, str, str | None]] = deque(maxlen=EARLY)
        self.count = 0

    def already(self, row: Row, at: float) -> bool:
        """Whether this very body reached this recipient, or is on its way, by a re-send."""
        if same(row) in self.on_its_way:
            return True
        done = self.delivered.get(same(row))
        return done is not None and at - done <= 3 * DAY_S

    # ------------------------------------------------------------ in and out

    def book(self, row: Row) -> None:
        """A letter bounced."""
        self.books[row.key] = row
        self.by_body[same(row)] = row.key
        self.by_pair.setdefault(pair(row), {})[row.key] = None
        self.shelves.setdefault(path_of(row.waits_for), {})[row.key] = None

    def strike(self, key: str) -> Row | None:
        """It stands here no more; the row as it stood, or None."""
        row = self.books.pop(key, None)
        if row is None:
            return None
        if self.by_body.get(same(row)) == key:
            del self.by_body[same(row)]
        for index, place in ((self.by_pair, pair(row)), (self.shelves, path_of(row.waits_for))):
            keys = index.get(place)
            if keys is not None:
                keys.pop(key, None)
                if not keys:
                    del index[place]
        self.left.pop(key, None)
        self.ordered.pop(key, None)
        self.permitted.discard(key)
        return row

    def send(self, row: Row, episode: str | None) -> None:
        """It goes out again."""
        self.strike(row.key)
        self.resent[row.key] = same(row), episode
        self.on_its_way[same(row)] = row.key

    def over(self, key: str) -> tuple[Same, str | None] | None:
        """A re-send came to its end, whatever it was; its body and episode, or None."""
        found = self.resent.pop(key, None)
        if found is not None and self.on_its_way.get(found[0]) == key:
            del self.on_its_way[found[0]]
        return found

    def arrived(self, body: Same, at: float) -> None:
        """A re-send was delivered."""
        self.delivered[body] = at
        self.count += 1
        while len(self.delivered) > REMEMBERED:
            del self.delivered[next(iter(self.delivered))]

    def tell(self, episode: str | None, receiver: str, how: str) -> None:
        """Count what became of a letter that stands here no more."""
        if episode is not None:
            self.tally.setdefault(episode, Counter())[receiver, how] += 1

    def copy_begun(self, copy: str, key: str) -> None:
        """A letter that looks like the booked one came in."""
        self.copies[copy] = key
        self.copied[key] += 1

    def copy_over(self, copy: str) -> str | None:
        """Its end; the booked letter that it looked like, if that still stands here."""
        key = self.copies.pop(copy, None)
        if key is None:
            return None
        self.copied[key] -= 1
        if not self.copied[key]:
            del self.copied[key]
        return key if key in self.books else None

    # ------------------------------------------------------------ asking

    def likely_copy(self, sender: str, recipient: str, campaign: str, marks: Pair) -> str | None:
        """The booked letter that a new one between the same two looks like: near-duplicate, or of
        the same subject or Message-ID."""
        subject, message_id = marks
        for key in self.by_pair.get((sender, recipient), ()):
            row = self.books[key]
            if (
                (campaign and row.campaign == campaign)
                or (subject and row.subject == subject)
                or (message_id and row.message_id == message_id)
            ):
                return key
        return None


def same(row: Row) -> Same:
    return (row.sender, row.recipient, row.digest)


def pair(row: Row) -> Pair:
    return (row.sender, row.recipient)


def left_out(states: States, row: Row, at: float) -> str:
    """Why a booked letter does not go out again; empty: nothing speaks against it.

    Not as strict as for another address: it leaves by its own, to a receiver that takes its mail
    again, as a new letter of the same sender would.
    """
    state = states.resend
    if (
        row.sender in state.culprits
        or states.contain.hold_of(row.sender) is not None
        or (row.campaign and row.campaign in states.contain.named_campaigns)
    ):
        return CULPRIT
    if row.unknown and row.key not in state.permitted:
        return UNKNOWN
    if row.key in state.copied:
        return COPY
    if states.explain.standing.get(row.sender, "open") in ("guilty", "probable"):
        return DOUBTFUL
    if states.explain.judged(states, row, at)[0] == "suspect":
        return DOUBTFUL
    return ""


def bounced_at(states: States, row: Row) -> float:
    """When its sender was told."""
    return (row.until or 0.0) - states.accept.policy.books_s


def episode_of(states: States, row: Row) -> str | None:
    """The episode that a booked letter bounced for: the path's, else the first that its time in
    the books met. None: nothing proved a block."""
    address, receiver = path = path_of(row.waits_for)
    rest = states.deliver.rests.get(path)
    if rest is not None and rest.episode is not None:
        return rest.episode
    began = bounced_at(states, row) - states.accept.policy.suspicion_wait_s
    for name in states.resend.episodes.get(address, ()):
        one = states.sense.episodes[name]
        if one.receiver in (None, receiver) and (one.closed_at is None or one.closed_at >= began):
            return name
    return None


def opened(state: State, fact: EpisodeOpened) -> None:
    """Known by its address from now on; the watched letters it opened on are its first."""
    state.episodes.setdefault(fact.address, []).append(fact.episode)
    others = []
    for one in state.early:
        at, address, receiver, zone = one
        its = receiver == fact.receiver if fact.receiver else zone in (None, fact.zone)
        if address == fact.address and at >= fact.since and its:
            state.tell(fact.episode, receiver, "not kept")
        else:
            others.append(one)
    state.early = deque(others, maxlen=EARLY)
