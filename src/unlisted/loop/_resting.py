"""Paths: an egress address towards a receiver. Why one rests, what an address carries, and the names
of the conditions that mail waits for."""

from __future__ import annotations

from unlisted.routing.budget import budget, usual_daily

Path = tuple[str, str]  # egress address, receiver


class Rest:
    """Why a path rests. `canary`: the one row let through to see whether it is over.

    `trial`: nothing waits, so the next row that draws this path becomes the canary.
    """

    __slots__ = ("canary", "episode", "since", "trial")

    def __init__(self, since: float, episode: str | None) -> None:
        self.since = since
        self.episode = episode
        self.canary = ""
        self.trial = False


class Traffic:
    """Messages an address carried per day, newest last, and how many of today's it took over."""

    __slots__ = ("day", "days", "moved")

    def __init__(self) -> None:
        self.day = -1
        self.days: list[int] = []
        self.moved = 0

    def turn(self, at: float) -> None:
        """Begin a new day if `at` lies in one."""
        day = int(at // 86400)
        if self.day < 0:
            self.day, self.days = day, [0]
        while self.day < day:
            self.day += 1
            self.moved = 0
            self.days = [*self.days[-28:], 0]

    def room(self, at: float) -> int:
        """How many more refused messages this address may take over today."""
        self.turn(at)
        return budget(usual_daily(self.days[:-1]), self.moved).left


def path_key(address: str, receiver: str) -> str:
    """The condition on which mail for a resting path waits."""
    return f"path:{address}|{receiver}"


def campaign_key(campaign: str, path: Path) -> str:
    """The condition on which near-duplicates wait: their answers, or the path."""
    return f"campaign:{campaign}|{path[0]}|{path[1]}"


def path_of(condition: str) -> Path:
    """The path in a condition's name."""
    head, _, receiver = condition.rpartition("|")
    return (head.rpartition("|")[2] if "|" in head else head.partition(":")[2]), receiver
