"""When a world's people write: the weight of days and hours, and the days of a newsletter's issues."""

from __future__ import annotations

from unlisted_sandbox.world import World
from unlisted_sandbox.world_senders import Newsletter


def weekday_factor(world: World, day: int) -> float:
    """Volume of script day `day` (negative: before), against a weekday."""
    weekday = _weekday(world, day)
    if world.honest.weekdays:
        return world.honest.weekdays[weekday]
    return world.honest.weekend if weekday >= 5 else 1.0


def _weekday(world: World, day: int) -> int:
    """Monday is 0; a holiday is a Sunday."""
    return 6 if day in world.honest.holidays else (world.world.start.weekday() + day) % 7


def hours_of(world: World, day: int) -> tuple[float, ...]:
    """Weights of a day's hours, UTC."""
    free = world.honest.weekend_hours and _weekday(world, day) >= 5
    return world.honest.weekend_hours if free else world.honest.hours


def effective_days(world: World) -> float:
    """Scripted days, weighed by weekday and, for a broken last day, by its hours."""
    total, left, day = 0.0, world.world.days, 0
    first = world.world.start.hour
    while left > 0:
        span = round(min(left, 1.0) * 24)
        hours = hours_of(world, day)
        share = sum(hours[(first + h) % 24] for h in range(span)) / sum(hours)
        total += share * weekday_factor(world, day)
        left, day = left - 1.0, day + 1
    return total


def issues(world: World, letter: Newsletter) -> tuple[list[int], list[float]]:
    """Days before the script with an issue, and hours after its start of those within."""
    if not letter.every_days:
        return [], [letter.at_h]
    before: list[int] = []
    at = letter.at_h / 24 - letter.every_days
    while at >= -world.world.history_days:
        if at < 0:
            before.append(int(at // 1))
        at -= letter.every_days
    within, at = [], letter.at_h / 24
    while at < world.world.days:
        within.append(at * 24)
        at += letter.every_days
    return before[::-1], within
