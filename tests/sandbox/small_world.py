"""A small world for end-to-end tests: half a day, a few hundred submissions, one loud hijack."""

from __future__ import annotations

import msgspec

from unlisted_sandbox.world import World
from unlisted_sandbox.world_senders import Tenants
from unlisted_sandbox.worldfile import shipped


def small(seed: int = 1, **changes: object) -> World:
    """Cut out of the world that ships: its sites and words, less of everything else."""
    world = shipped("demo", seed)
    frame = msgspec.structs.replace(
        world.world, name="small", days=0.5, tail_h=24, submissions=440, pool_size=4, history_days=5
    )
    entry = msgspec.structs.replace(
        world.lists[0], term_h=3, trap_lag_s=30, report_lag_s=120, listing_lag_s=10
    )
    hijack = msgspec.structs.replace(
        world.hijacks[0],
        start_h=5.0,
        per_hour=60,
        total_max=150,
        trap_share=0.15,
        report_share=0.1,
        arf_share=0.3,
        habit="any",
    )
    form = msgspec.structs.replace(world.webforms[0], per_day=30)
    world = msgspec.structs.replace(
        world,
        world=frame,
        lists=(entry,),
        hijacks=(hijack,),
        newsletters=(),
        letters=(),
        tickets=(),
        webforms=(form,),
        tenants=Tenants(count=4, senders_median=5),
    )
    return msgspec.structs.replace(world, **changes)
