"""Carries out what stations ask for, and records what came of it under the command's key.

A command stands in the outbox until its outcome is committed, so a crash repeats at most the acts
whose outcome was not yet durable. On the wall clock acts run side by side, bounded in all and per
path; on a stepping clock they take turns in the order of their commands. Each act holds time from
before its first byte until its outcome is committed. An outcome is never dropped: while the
journal cannot be written, it is recorded again and again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from unlisted.commands import (
    CallWebhook,
    CancelTimer,
    Command,
    Deliver,
    Notify,
    Probe,
    SendNdr,
    SetTimer,
    Sweep,
    TestPath,
    Wake,
)
from unlisted.edge import ndr, queue
from unlisted.edge.clock import Clock, Hold, RealSeconds, Timer
from unlisted.edge.delivery import Attempt, Courier
from unlisted.edge.delivery_paths import Path, Paths
from unlisted.edge.dns_prober import DnsProber
from unlisted.edge.journal import JournalError
from unlisted.edge.loader import Loader
from unlisted.edge.messengers import Messengers
from unlisted.edge.routes import NoRoute, Routes
from unlisted.edge.runner import Quarantined, Runner
from unlisted.edge.smtp_client import Answer, Connection
from unlisted.facts import (
    Bounce,
    Delivery,
    Departing,
    NotAttempted,
    Observed,
    PathTested,
    TimerFired,
    TransientFailure,
    Woken,
)
from unlisted.loop import deliver
from unlisted.loop._fixpoint import Followed

log = logging.getLogger("unlisted.performer")

MAX_ACTS = 100  # deliveries and tests under way at once
MAX_ERRANDS = 16  # other commands under way at once
MAX_IN_HAND = 5000  # commands not begun; above this no mail is taken in and no row is loaded
SWEEP_LIMIT = 100_000
CHUNK = 100
AGAIN_S = RealSeconds(1.0)  # until a journal that could not be written is tried again
STOP_S = RealSeconds(3.0)  # acts under way may end this long after a stop; serve allows 5 s in all

PathAct = Deliver | TestPath


class Performer:
    """`on_commit` is the runner's; `start` takes up what an earlier process left."""

    def __init__(
        self,
        runner: Runner,
        clock: Clock,
        routes: Routes,
        courier: Courier,
        prober: DnsProber,
        notices: ndr.Notices,
        messengers: Messengers | None = None,
    ) -> None:
        self._runner = runner
        self._clock = clock
        self._routes = routes
        self._courier = courier
        self._prober = prober
        self._notices = notices
        self._messengers = messengers or Messengers(clock, None, None)
        self._paths: Paths[PathAct] = Paths(clock, self._begin, self._farewell, MAX_ACTS)
        self._errands: deque[Command] = deque()
        self._errands_running = 0
        self._timers: dict[str, Timer] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._loader = Loader(runner, clock, self.is_full, self._spawn)

    # ------------------------------------------------------------ in

    def start(self) -> None:
        """Take up timers, the outbox and rows that came due meanwhile."""
        self._runner.on_commit = self.on_commit
        for key, due in self._runner.journal.timers():
            self._set(key, due)
        lost = set(self._runner.states.resend.departing.values())
        for command in self._runner.journal.outbox():
            if isinstance(command, Deliver) and command.key in lost:
                self._spawn(self._unknown(command))
            else:
                self._take(command)
        self._loader.look()

    async def stop(self) -> None:
        """Let acts under way end, begin no other. What is left stands in the outbox."""
        self._stopping = self._paths.stopped = self._messengers.stopped = True
        self._loader.stop()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=STOP_S)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        for connection in self._paths.close_all():
            with self._clock.hold(connection.label):
                await connection.quit()

    @property
    def in_hand(self) -> int:
        """Commands given and not yet done."""
        paths = self._paths
        return paths.waiting + paths.running + len(self._errands) + self._errands_running

    def is_full(self) -> bool:
        """Whether no more work should be let in."""
        return self.in_hand >= MAX_IN_HAND

    def on_commit(self, followed: Followed) -> None:
        """What to do now that it is durable. Never raises: the runner tells others after us."""
        try:
            for timer in followed.timers:
                if isinstance(timer, SetTimer):
                    self._set(timer.key, timer.due)
                elif isinstance(timer, CancelTimer):
                    self._cancel(timer.key)
            for command in followed.commands:
                self._take(command)
            self._loader.note(followed)
        except Exception:
            log.exception("commands of a committed fact were not begun; a restart takes them up")

    def _take(self, command: Command) -> None:
        if self._stopping:
            return
        if isinstance(command, Deliver):
            route = self._routes.known(command.row.domain)
            if route is not None or not self._routes.routable(command.row.domain):
                receiver = route.receiver if route else command.row.domain
                self._enter(receiver, command)
            else:
                self._errand(command)  # a look-up first: only then is its path known
        elif isinstance(command, TestPath):
            self._enter(command.receiver, command)
        elif isinstance(command, CallWebhook | Notify):
            self._messengers.take(command, self._record, self._spawn)
        else:
            self._errand(command)

    def _enter(self, receiver: str, command: PathAct) -> None:
        alone = command.cautious if isinstance(command, Deliver) else True
        self._paths.enter((command.address, receiver), command, alone=alone)

    # ------------------------------------------------------------ acts on paths

    def _begin(self, path: Path[PathAct], command: PathAct) -> None:
        self._spawn(self._act(path, command))

    async def _act(self, path: Path[PathAct], command: PathAct) -> None:
        attempt = Attempt(None, None)
        try:
            with self._clock.hold(command.key) as hold:
                async with self._clock.turn():
                    if isinstance(command, Deliver):
                        attempt = await self._deliver(path, command, hold)
                    else:
                        attempt = await self._test(path, command, hold)
        finally:
            self._paths.leave(path, attempt.connection, went_well=attempt.went_well)
            self._loader.room()

    async def _deliver(self, path: Path[PathAct], command: Deliver, hold: Hold) -> Attempt:
        row, receiver = command.row, path.key[1]
        why = deliver.closed(self._runner.states, row, command.address)
        if why is not None:
            skipped = NotAttempted(
                at=self._clock.now(),
                done=command.key,
                row=row,
                address=command.address,
                receiver=receiver,
                text=why,
                stage="connect",
            )
            await self._record(lambda: skipped)
            return Attempt(None, None)
        kept = self._paths.take_idle(path)
        departs = partial(self._departs, command) if row.again else None
        attempt = await self._tried(
            hold, lambda: self._courier.deliver(hold, command, kept, departs)
        )
        answer = attempt.answer
        assert answer is not None
        kind = Delivery if answer.positive else Bounce if answer.code >= 500 else TransientFailure
        outcome = kind(
            at=self._clock.now(),
            done=command.key,
            row=row,
            address=command.address,
            receiver=receiver,
            code=answer.code,
            enhanced=answer.enhanced,
            text=answer.text,
            stage=answer.stage,
        )
        await self._record(lambda: outcome)
        return attempt

    async def _departs(self, command: Deliver) -> None:
        """On disk before the first byte: an earlier process's re-send may have arrived."""
        row = command.row
        await self._runner.record(
            Departing(at=self._clock.now(), key=row.key, message=row.message, command=command.key)
        )

    async def _unknown(self, command: Deliver) -> None:
        """A process ended over it; whether the receiver has it, nobody knows."""
        row = command.row
        outcome = TransientFailure(
            at=self._clock.now(),
            done=command.key,
            row=row,
            address=command.address,
            receiver=self._runner.states.deliver.receiver_of(row.domain),
            text="the service ended before the answer came",
            stage="eod",
        )
        await self._record(lambda: outcome)

    async def _test(self, path: Path[PathAct], command: TestPath, hold: Hold) -> Attempt:
        attempt = await self._tried(
            hold, lambda: self._courier.test(hold, command, self._paths.take_idle(path))
        )
        answer = attempt.answer
        assert answer is not None
        tested = PathTested(
            at=self._clock.now(),
            done=command.key,
            address=command.address,
            receiver=command.receiver,
            code=answer.code,
            enhanced=answer.enhanced,
            text=answer.text,
            stage=answer.stage,
        )
        await self._record(lambda: tested)
        return attempt

    async def _tried(self, hold: Hold, act: Callable[[], Coroutine[Any, Any, Attempt]]) -> Attempt:
        try:
            return await act()
        except Exception:
            # Our own fault is temporary to the message; without an outcome it would be stuck.
            log.exception("an act failed by our own fault")
            return Attempt(Answer("connect", 0, None, "local error"), None)

    def _farewell(self, connection: Connection) -> None:
        self._spawn(self._quit(connection))

    async def _quit(self, connection: Connection) -> None:
        with self._clock.hold(connection.label):
            async with self._clock.turn():
                await connection.quit()

    # ------------------------------------------------------------ errands

    def _errand(self, command: Command) -> None:
        self._errands.append(command)
        self._next_errand()

    def _next_errand(self) -> None:
        while self._errands and self._errands_running < MAX_ERRANDS and not self._stopping:
            self._errands_running += 1
            self._spawn(self._run_errand(self._errands.popleft()))

    async def _run_errand(self, command: Command) -> None:
        try:
            with self._clock.hold(command.key) as hold:
                async with self._clock.turn():
                    await self._carry_out(command, hold)
        finally:
            self._errands_running -= 1
            self._next_errand()
            self._loader.room()

    async def _carry_out(self, command: Command, hold: Hold) -> None:
        match command:
            case Probe():
                await self._probe(command, hold)
            case Wake():
                rows, left = queue.waiting(
                    self._runner.journal.database, command.waits_for, command.limit
                )
                taken = await self._loader.bring([(row, command.why) for row in rows])
                await self._woken(command.key, command.waits_for, taken, left)
            case Sweep():
                found = queue.of_sender(self._runner.journal.database, command.sender, SWEEP_LIMIT)
                taken = await self._loader.bring([(row, command.why) for row in found])
                await self._woken(command.key, f"sender:{command.sender}", taken, 0)
            case SendNdr():
                await self._notify(command)
            case Deliver():
                try:
                    receiver = (await self._routes.find(command.row.domain, hold)).receiver
                except NoRoute:
                    receiver = command.row.domain  # the act finds the same, and says so
                self._enter(receiver, command)
            case _:
                log.error("no such command: %s", type(command).__name__)

    async def _woken(self, key: str, waits_for: str, taken: int, left: int) -> None:
        at = self._clock.now()
        await self._record(
            lambda: Woken(at=at, done=key, waits_for=waits_for, taken=taken, left=left)
        )

    async def _probe(self, command: Probe, hold: Hold) -> None:
        fact = await self._prober.answered(command, hold)
        await self._record(lambda: fact)

    async def _notify(self, command: SendNdr) -> None:
        notice = self._notices.of(command, self._clock.now())
        if notice is None:
            # RFC 5321 section 6.1: nobody to tell. The command is done all the same.
            await self._woken(command.key, f"ndr:{command.row.key}", 0, 0)
            return
        await self._record(
            lambda: notice.reception(f"m{self._runner.upcoming}"),
            body=notice.content,
            personal=notice.personal,
        )

    # ------------------------------------------------------------ timers

    def _set(self, key: str, due: float) -> None:
        self._cancel(key)
        if not self._stopping:
            self._timers[key] = self._clock.call_at(due, lambda: self._fired(key))

    def _cancel(self, key: str) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    def _fired(self, key: str) -> None:
        self._timers.pop(key, None)
        at = self._clock.now()
        self._spawn(self._record(lambda: TimerFired(at=at, key=key)))

    # ------------------------------------------------------------ out

    async def _record(
        self,
        make: Callable[[], Observed],
        *,
        body: bytes | None = None,
        personal: dict[str, str] | None = None,
    ) -> None:
        """Record until it is durable. `make` is called each time: an id follows the number."""
        while True:
            try:
                await self._runner.record(make(), body=body, personal=personal)
                return
            except Quarantined as exc:
                log.error("%s", exc)
                return
            except JournalError as exc:
                log.error("an outcome waits for the journal: %s", exc)
                await asyncio.sleep(AGAIN_S)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the edge failed", exc_info=task.exception())
