"""Re-sends between people and the stations: plans as plain objects, and the switch as a fact.

The plan is made of the states that would carry it out: the running service's, or those that the
journal leads to when none runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from unlisted.apps import words
from unlisted.edge.clock import Clock
from unlisted.edge.runner import Runner
from unlisted.facts import ResendOrdered
from unlisted.loop import _plan
from unlisted.loop._fixpoint import States

MAX_ITEMS = 5000
Name = Callable[[str], str]


class BadOrder(ValueError):
    """A request that is no order; the text says what was expected."""


def shown(plan: _plan.Plan, name: Name, items: int = MAX_ITEMS) -> dict[str, Any]:
    """A plan for the API. `name` gives the readable name behind a keyed hash."""
    return {
        "episode": plan.episode,
        "at": words.iso(plan.at),
        "messages": plan.messages,
        "recipients": plan.recipients,
        "left_out": [_counted(why, count) for why, count in plan.left_out],
        "gone": [_counted(how, count) for how, count in plan.gone],
        "sites": [msgspec.to_builtins(one) for one in plan.sites],
        "letters": [_letter(one, name) for one in plan.items[:items]],
        "more_letters": max(0, len(plan.items) - items),
    }


def _counted(why: str, count: int) -> dict[str, Any]:
    return {"why": why, "recipients": count, "words": words.LEFT_OUT.get(why, why)}


def _letter(one: _plan.Item, name: Name) -> dict[str, Any]:
    return {
        "id": one.key,
        "sender": name(one.sender),
        "tenant": one.tenant,
        "recipient": name(one.recipient),
        "receiver": one.receiver,
        "address": one.address,
        "accepted_at": words.iso(one.first_at),
        "bounced_at": words.iso(one.bounced_at),
        "kept_until": words.iso(one.until),
        "state": one.state,
        "left_out": one.left_out,
        "words": words.LEFT_OUT.get(one.state, one.state),
    }


class Resending:
    """Through the runner of a service."""

    def __init__(self, runner: Runner, clock: Clock) -> None:
        self._runner = runner
        self._clock = clock

    @property
    def states(self) -> States:
        """As they are now; a failed commit replaces them."""
        return self._runner.states

    def plans(self) -> list[_plan.Plan]:
        """Every episode's, newest first."""
        return _plan.plans(self.states, self._clock.now())

    def plan(self, episode: str) -> _plan.Plan | None:
        """One episode's; None: there is no such episode."""
        if episode not in self.states.sense.episodes:
            return None
        return _plan.plan(self.states, episode, self._clock.now())

    async def order(self, given: ResendOrdered) -> int:
        """Switch it on; the number of the fact. `given.at` is set here."""
        with self._clock.hold("act"):
            return await self._runner.record(msgspec.structs.replace(given, at=self._clock.now()))


def parsed(actor: str, given: dict[str, Any]) -> ResendOrdered:
    """The order of a request. Raises BadOrder."""
    episode, reason = given.get("episode"), given.get("reason", "")
    unknown = given.get("unknown_outcome", False)
    if not isinstance(episode, str) or not 0 < len(episode) <= 40:
        raise BadOrder("episode: expected its name, as e12")
    if not isinstance(reason, str) or not reason.strip() or len(reason) > 500:
        raise BadOrder("reason: expected up to 500 characters")
    if not isinstance(unknown, bool):
        raise BadOrder("unknown_outcome: expected true or false")
    return ResendOrdered(
        at=0.0, actor=actor, reason=reason.strip(), episode=episode, unknown_outcome=unknown
    )
