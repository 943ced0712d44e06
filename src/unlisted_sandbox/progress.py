"""How far a run is, for whoever waits for it at a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from unlisted_sandbox.lanes import Lane
from unlisted_sandbox.world import World

SETTLE_S = 6 * 3600.0  # mail may wait so long without anything to be seen from outside


def progress(world: World, lanes: Mapping[str, Lane], now: float, real_s: float) -> str:
    """One line of 80 columns for the time, one for each platform: terminals and logs alike."""
    share = (now - world.start) / (world.end + SETTLE_S - world.start)
    left = f", about {real_s / share - real_s:.0f} s left" if 0.01 < share < 1 else ""
    at = datetime.fromtimestamp(now, UTC).strftime("%a %d %b %H:%M UTC")
    day = min(math.ceil((now - world.start) / 86400), math.ceil(world.world.days))
    told = [f"{at}  day {day} of {world.world.days:g}, {real_s:.0f} s so far{left}"]
    for name, lane in lanes.items():
        mails, refusals = (lane.log.counts.get(x, 0) for x in ("submitted", "refused"))
        listings = sum(x.start <= now for one in lane.lists.values() for x in one.listings())
        told.append(
            f"  {name[:12]:<12}{mails:>9,} mails{listings:>5,} listings{refusals:>8,} refusals"
        )
    return "\n".join(told)
