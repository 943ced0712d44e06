"""Carries out the commands that tell somebody outside: webhooks and notices, beside the mail.

Two lanes of their own, so that a receiver that hangs keeps neither mail nor a call to the person on
duty waiting. On a stepping clock each takes its turn as every act of the edge does. Without an
outcome a command stays in the outbox, and the next start carries it out again under the same id.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from unlisted.commands import CallWebhook, Notify
from unlisted.edge.clock import Clock, Hold
from unlisted.edge.notice_board import Board, Told
from unlisted.edge.webhook import Answered, Webhooks
from unlisted.facts import NoticeSent, Observed, WebhookAnswered

log = logging.getLogger("unlisted.telling")

Telling = CallWebhook | Notify
AT_ONCE: dict[type[Telling], int] = {CallWebhook: 8, Notify: 2}
Record = Callable[[Callable[[], Observed]], Coroutine[Any, Any, None]]
Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Messengers:
    """Who carries tellings. Without `webhooks` or `board` such a command ends as not configured."""

    def __init__(self, clock: Clock, webhooks: Webhooks | None, board: Board | None) -> None:
        self._clock = clock
        self._webhooks = webhooks
        self._board = board
        self._waiting: dict[type[Telling], deque[Telling]] = {CallWebhook: deque(), Notify: deque()}
        self._running: dict[type[Telling], int] = {CallWebhook: 0, Notify: 0}
        self.stopped = False
        self._failing: dict[str, str] = {}  # hook or "notices": why its last telling failed

    def take(self, command: Telling, record: Record, spawn: Spawn) -> None:
        """Carry it out as soon as its lane is free."""
        self._waiting[type(command)].append(command)
        self._next(type(command), record, spawn)

    def _next(self, lane: type[Telling], record: Record, spawn: Spawn) -> None:
        waiting = self._waiting[lane]
        while waiting and self._running[lane] < AT_ONCE[lane] and not self.stopped:
            self._running[lane] += 1
            spawn(self._run(waiting.popleft(), record, spawn))

    async def _run(self, command: Telling, record: Record, spawn: Spawn) -> None:
        try:
            with self._clock.hold(command.key) as hold:
                async with self._clock.turn():
                    outcome = await self._outcome(command, hold)
                    await record(lambda: outcome)
        finally:
            self._running[type(command)] -= 1
            self._next(type(command), record, spawn)

    async def _outcome(self, command: Telling, hold: Hold) -> Observed:
        if isinstance(command, CallWebhook):
            return await self._call(command, hold)
        told = Told() if self._board is None else await self._board.tell(command, self._clock.now())
        self._note("notices", "" if told.reached else told.why)
        return NoticeSent(
            at=self._clock.now(), done=command.key, notice=command.notice, what=command.what,
            reached=told.reached, failed=told.failed, why=told.why,
        )  # fmt: skip

    async def _call(self, command: CallWebhook, hold: Hold) -> Observed:
        answer = Answered(0, "not configured")
        if self._webhooks is not None:
            answer = await self._webhooks.call(command, hold)
        well = 200 <= answer.code < 300
        self._note(command.hook, "" if well else answer.why or f"status {answer.code}")
        return WebhookAnswered(
            at=self._clock.now(), done=command.key, hook=command.hook, delivery=command.delivery,
            event=command.event, code=answer.code, why=answer.why,
        )  # fmt: skip

    def _note(self, who: str, why: str) -> None:
        if why and self._failing.get(who) != why:
            log.warning("%s: %s", who, why)
        if why:
            self._failing[who] = why
        else:
            self._failing.pop(who, None)
