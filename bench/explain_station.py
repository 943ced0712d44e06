"""The explain station itself under four weeks of a large site's mail: memory, and CPU of a ranking.

A world of `explain_world.py` is played to the station fact by fact, hour by hour: each message comes
in, is drawn, leaves and is answered; its listings open and end. While an address is listed nobody is
drawn to it, as in the product. Beside the station nothing of the platform runs: campaigns are those
of the world, one letter in six goes to somebody its sender never wrote to.

Peak memory is the whole process, the world included. A ranking is what the last listing's opening
costs, with four weeks of draws behind it; one in the middle of the time is told as well.

Not in figures.tsv: about fifteen CPU minutes at the shipped size. By itself:
PYTHONPATH=. python -m bench.explain_station [--params FILE] [--kind NAME] [--seed N]
"""

import argparse
import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bench import explain, explain_world
from bench.explain_world import HOUR, START, World
from bench.harness import Options
from unlisted.facts import (
    CausesRanked,
    Configured,
    Delisted,
    Delivery,
    EpisodeOpened,
    Fact,
    ListTerm,
    Pool,
    ProbeAnswered,
    Reception,
    Recipient,
    Routed,
    Row,
    Settled,
)
from unlisted.loop import accept, deliver, sense
from unlisted.loop import explain as station
from unlisted.loop._fixpoint import States

ZONE = "zen.list.test"
FRIEND = frozenset({"friend"})
STRANGERS = 6  # one letter in so many


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--params", type=Path, help="laid over explain.toml")
    parser.add_argument("--kind", default="guilty_15_mid_16", help="of explain.toml")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    params = explain.parameters(Options(params=chosen.params).parameters())
    params["replays"] = 0
    world = explain_world.make(params, explain_world.base(params), chosen.kind, chosen.seed)
    print(json.dumps(Played(world, int(params["days"]) * 24).run(), indent=1))
    return 0


class Played:
    """One world, and the station that hears of it."""

    def __init__(self, world: World, hours: int) -> None:
        self.world, self.hours = world, hours
        self.states = States(b"key")
        self.n = 0
        x = world.exposures
        self.names = [f"10.0.{number // 256}.{number % 256}" for number in range(x.addresses)]
        size = int(np.bincount(x.pool_of)[0])
        self.pools = [self.names[i : i + size] for i in range(0, x.addresses, size)]
        pools = tuple(
            Pool(name=f"p{i}", addresses=tuple(some), helo="out.test")
            for i, some in enumerate(self.pools)
        )
        terms = (ListTerm(zone=ZONE, term_s=24 * HOUR),)
        configured = Configured(at=START, hostname="mx.test", pools=pools, lists=terms)
        for part in (accept, deliver, sense):
            list(part.step(self.states, configured, 1) or ())
        self.size = size
        self.order = np.argsort(x.bucket, kind="stable").astype(np.int32)
        self.begins = np.searchsorted(x.bucket[self.order], np.arange(hours + 1))
        c = world.campaigns
        self.alike = np.lexsort((c.sender, c.bucket)).astype(np.int32)
        self.alike_begins = np.searchsorted(c.bucket[self.alike], np.arange(hours + 1))

    def shared(self, hour: int) -> dict[int, list[tuple[int, int]]]:
        """sender → (campaign, messages) of what several send alike in this hour."""
        c = self.world.campaigns
        rows = self.alike[self.alike_begins[hour] : self.alike_begins[hour + 1]]
        found: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for who, campaign, many in zip(
            *(a[rows].tolist() for a in (c.sender, c.campaign, c.messages)), strict=True
        ):
            found[who].append((campaign, many))
        return found

    def say(self, fact: Fact) -> list[Fact]:
        self.n += 1
        return [one for one in station.step(self.states, fact, self.n) if isinstance(one, Fact)]

    def run(self) -> dict[str, object]:
        acts: dict[int, list[tuple[float, int, str]]] = defaultdict(list)
        for place, one in enumerate(self.world.listings):
            acts[int((one.opened[1] - START) // HOUR)].append((one.opened[1], place, "open"))
            if one.released is not None:
                acts[int((one.released[1] - START) // HOUR)].append((one.released[1], place, "end"))
        began, world_mb = time.process_time(), resident_mb()
        rankings: list[float] = []
        said: list[Fact] = []
        for hour in range(self.hours):
            listed = self.listed()  # what is listed within the hour had its mail of the hour before
            for at, place, what in sorted(acts[hour]):
                # The first listing of a week is ranked, as every one is in the product.
                rank = what == "open" and hour // 168 >= len(rankings)
                used = time.process_time()
                said += self.act(at, place, what, rank=rank)
                if rank:
                    rankings.append(time.process_time() - used)
            self.mail(hour, listed)
        counted = time.process_time() - began
        at = START + self.hours * HOUR
        memory = peak_mb()
        if self.world.listings:  # there is something to rank for
            list(self.states.sense.episodes.values())[-1].closed_at = None
        used = time.process_time()
        found = list(station._ranked(self.states, at, self.n, anew=True))
        ranking = time.process_time() - used
        used = time.process_time()
        list(station._ranked(self.states, at + 120.0, self.n, anew=False))
        quick = time.process_time() - used
        answer = self.states.explain.found
        named = sorted(
            {n for one in (*said, *found) if isinstance(one, CausesRanked) for n in one.named}
        )
        guilty = sorted(f"login:{one}" for one in self.world.guilty_senders)
        return {
            "senders": len(self.states.explain.senders),
            "messages": int(self.world.exposures.messages.sum()),
            "book_rows": len(self.states.explain.book),
            "listings": len(self.world.listings),
            "counting_us_per_message": round(
                1e6 * counted / self.world.exposures.messages.sum(), 1
            ),
            "world_mb": round(world_mb),
            "peak_mb_before_ranking": round(memory),
            "peak_mb": round(peak_mb()),
            "ranking_cpu_s": round(ranking, 2),
            "quick_answer_cpu_s": round(quick, 2),
            "earlier_rankings_cpu_s": [round(cpu, 2) for cpu in rankings],
            "named": len(answer.answer.named()) if answer else 0,
            "wrong": len(set(named) - set(guilty)),
            "guilty": len(guilty),
        }

    def act(self, at: float, place: int, what: str, *, rank: bool) -> list[Fact]:
        """A listing opens or ends."""
        one = self.world.listings[place]
        address, states = self.names[one.address], self.states
        opened = EpisodeOpened(
            at=at, episode=one.episode_id, address=address, zone=ZONE, receiver=None,
            basis="reply+dns", since=at, refusals=1, attempts=1,
        )  # fmt: skip
        if what == "open":
            clean = ProbeAnswered(at=one.opened[0], zone=ZONE, address=address, state="clean")
            self.say(clean)
            states.sense.episodes[one.episode_id] = sense.Episode(opened)
            return self.say(opened) if rank else []
        assert one.released is not None
        low, high = one.released
        self.say(Delisted(at=at, episode=one.episode_id, low=low, high=high))
        states.sense.episodes[one.episode_id].closed_at = at
        states.sense.episodes[one.episode_id].delisted_at = at
        return []

    def listed(self) -> set[str]:
        every = self.states.sense.episodes.values()
        return {one.address for one in every if one.closed_at is None}

    def mail(self, hour: int, listed: set[str]) -> None:
        x = self.world.exposures
        rows = self.order[self.begins[hour] : self.begins[hour + 1]]
        at = START + hour * HOUR
        shared = self.shared(hour)
        for who, where, many in zip(
            x.sender[rows].tolist(),
            x.address[rows].tolist(),
            x.messages[rows].tolist(),
            strict=True,
        ):
            for number, campaign in enumerate(letters(shared.get(who, ()), many)):
                # Spread over the hour without a random stream.
                self.letter(at + (who * 7 + number * 61) % 3600, who, where, campaign, listed)

    def letter(self, at: float, who: int, where: int, campaign: str, listed: set[str]) -> None:
        self.n += 1
        name, key = f"login:{who}", f"m{self.n}"
        address, why = self.names[where], "draw"
        if address in listed:
            pool = self.pools[where // self.size]
            free = [one for one in pool if one not in listed] or pool
            address, why = free[who % len(free)], "redraw"
        known = (who + self.n) % STRANGERS > 0
        person = "friend" if known else "stranger"
        self.states.accept.campaign = campaign = campaign or key
        self.states.accept.correspondents.setdefault(name, FRIEND)
        tenant = f"t{self.world.tenants[who]}"
        self.say(
            Reception(
                at=at, id=key, sender=name, tenant=tenant, origin="login", reverse_path="",
                recipients=(Recipient(person, "home.test"),), size=2000, digest="", fingerprint="",
            )
        )  # fmt: skip
        self.say(
            Routed(
                at=at, key=key, message=key, sender=name, domain="home.test", pool="", address=address,
                probability=1.0 / self.size, epoch=int(at // HOUR), among=self.size, why=why,
            )
        )  # fmt: skip
        row = Row(
            key=key, message=key, sender=name, tenant=tenant, recipient=person, domain="home.test",
            first_at=at, address=address, drawn=address, campaign=campaign, known=known,
        )  # fmt: skip
        self.say(Delivery(at=at, row=row, address=address, receiver="home.test", code=250))
        self.say(Settled(at=at, key=key, message=key, how="delivered"))


def letters(shared: Sequence[tuple[int, int]], many: int) -> Iterator[str]:
    """The campaign of each letter; "": its own."""
    for campaign, alike in shared:
        for _ in range(min(alike, many)):
            many -= 1
            yield f"c{campaign}"
    for _ in range(many):
        yield ""


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    sys.exit(main())
