"""A run from its beginning to its end, in an event loop of its clock's."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

from unlisted_sandbox.result import Options, Result
from unlisted_sandbox.running import Running
from unlisted_sandbox.world import World

COLLECT_EVERY = (400_000, 20, 100)


def run(world: World, options: Options) -> Result:
    """Run a world to its end."""
    return finished(Running(world, options))


def finished(running: Running) -> Result:
    """Run it in a loop of its clock's."""
    loop = running.coordinator.new_event_loop()
    try:
        with _seldom_collected():
            return loop.run_until_complete(running.run())
    finally:
        _cancel_all(loop)
        loop.close()


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """A world is large and hardly any of it is garbage: looking for cycles every 700 objects took
    a third of a run."""
    usual = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_EVERY)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
