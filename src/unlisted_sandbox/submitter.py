"""Those who write: honest people and machines, hijackers, and people who send bounced mail again.

One `Submitter` per lane plays the world's script against one platform by SMTP submission. Whoever
gets a 4yz tries again, as mail programs do; who gets a 5yz has failed. A hijacker goes on until a number
of submissions in a row is permanently refused or the scripted days end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Literal

from unlisted_sandbox.home import message_id, read_notice
from unlisted_sandbox.lanes import Lane
from unlisted_sandbox.receiver import Complaint
from unlisted_sandbox.script import Submission, by_hand, hijack
from unlisted_sandbox.smtp_client import Lost, Outcome
from unlisted_sandbox.world import World

PATIENCE_S = 300.0
AGAIN_S = (60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0)
Fate = Literal["accepted", "refused", "later"]


class Tasks:
    """Tasks in the background, kept alive, whose failures are faults."""

    def __init__(self, faults: list[str]) -> None:
        self._faults = faults
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._faults.append(repr(error))


class Submitter:
    """Everybody's mail programs, in one lane."""

    def __init__(self, lane: Lane, world: World, honest: Sequence[Submission]) -> None:
        self.lane = lane
        self.world = world
        self.submitted: dict[str, Submission] = {}  # by Message-ID
        self.spam: list[Submission] = []
        self.stopped: dict[int, float] = {}  # hijacks that gave up, and when
        self.taken: dict[str, str] = {}  # by Message-ID: the words with which it was accepted
        self._honest = honest
        self._tasks = Tasks(lane.faults)

    def begin(self) -> None:
        self.lane.pending += 1
        self._scripted(0)
        for number in range(len(self.world.hijacks)):
            self.lane.pending += 1
            self._hijack(number, hijack(self.world, number), 0)

    def _scripted(self, n: int) -> None:
        if n >= len(self._honest):
            self.lane.pending -= 1
            return
        submission = self._honest[n]

        def due() -> None:
            self._tasks.start(self._honestly(submission, 0))
            self._scripted(n + 1)

        self.lane.clock.call_at(submission.at, due)

    async def _honestly(self, submission: Submission, attempt: int) -> None:
        fate = await self._submit(submission, submission.recipients)
        if fate == "later" and attempt < len(AGAIN_S):
            self.lane.pending += 1

            def due() -> None:
                self.lane.pending -= 1
                self._tasks.start(self._honestly(submission, attempt + 1))

            self.lane.clock.call_at(self.lane.clock.now() + AGAIN_S[attempt], due)

    def _hijack(self, number: int, stream: Iterator[Submission], refused: int) -> None:
        lane, row = self.lane, self.world.hijacks[number]
        submission = None if refused >= row.gives_up_after else next(stream, None)
        if submission is None:
            lane.pending -= 1
            self.stopped[number] = lane.clock.now()
            return
        following = submission

        async def act() -> None:
            self.spam.append(following)
            fate = await self._submit(following, following.recipients)
            self._hijack(number, stream, refused + 1 if fate == "refused" else 0)

        lane.clock.call_at(following.at, lambda: self._tasks.start(act()))

    async def _submit(self, submission: Submission, recipients: tuple[str, ...]) -> Fate:
        lane, clock = self.lane, self.lane.clock
        self.submitted[message_id(submission.data)] = submission
        line = lane.line(submission.client)
        outcome: Outcome | None = None
        with clock.hold(line.label):
            stamp, client = clock.now(), None
            try:
                async with clock.patience(PATIENCE_S):
                    client = await line.connect()
                    name = f"[{submission.client}]"
                    hello = await client.hello(name, submission.login, submission.password)
                    if hello.code >= 400:
                        outcome = Outcome(hello, None, (), None)
                    else:
                        outcome = await client.transaction(
                            submission.reverse_path, recipients, submission.data
                        )
                        clock.check(stamp, f"submission {submission.id}")
                    await client.quit()
            except (Lost, TimeoutError):
                if client is not None:
                    client.abort()
            return self._note(submission, recipients, outcome)

    def _note(
        self, submission: Submission, recipients: tuple[str, ...], outcome: Outcome | None
    ) -> Fate:
        replies = {r: None if outcome is None else outcome.of(r) for r in recipients}
        taken = [r for r, reply in replies.items() if reply is not None and reply.code < 400]
        failed = [r for r, reply in replies.items() if reply is not None and reply.code >= 500]
        first = next((reply for reply in replies.values() if reply is not None), None)
        if taken and outcome is not None and outcome.data is not None:
            self.taken[message_id(submission.data)] = outcome.data.text
        self.lane.log.add(
            self.lane.clock.now(),
            "submitted" if taken else "turned away",
            token=submission.token,
            mailbox=" ".join(r.lower() for r in (taken or recipients)),
            sender=submission.sender,
            id=submission.id,
            text="no reply" if first is None else f"{first.code}",
        )
        for recipient in failed if taken else ():
            self._bounced(submission, (recipient.lower(),))
        if taken:
            return "accepted"
        if len(failed) == len(replies):
            self._bounced(submission, tuple(r.lower() for r in failed))
            return "refused"
        return "later"

    # What comes back

    def received(self, content: bytes, recipients: tuple[str, ...]) -> None:
        """A mail for a tenant: a notice is acted upon."""
        notice = read_notice(content)
        now = self.lane.clock.now()
        if notice is None:
            self.lane.log.add(now, "mail home", mailbox=" ".join(recipients))
            return
        for number in notice.message_ids:
            submission = self.submitted.get(number)
            if submission is not None:
                self._bounced(submission, notice.failed)
                return
        self.lane.log.add(now, "notice of nothing", mailbox=" ".join(recipients))
        self.lane.faults.append(f"a notice to {' '.join(recipients)} encloses no message of theirs")

    def _bounced(self, submission: Submission, failed: tuple[str, ...]) -> None:
        """The sender learns that these recipients have not got it."""
        now = self.lane.clock.now()
        known = {r.lower(): r for r in submission.recipients}
        mine = tuple(known[r] for r in failed if r in known)
        for recipient in mine:
            self.lane.log.add(
                now, "bounced", token=submission.token, mailbox=recipient.lower(), id=submission.id
            )
        copy = by_hand(self.world, submission, now, mine) if mine else None
        if copy is not None:
            self._later(copy.at, lambda: self._honestly(copy, 0))

    def _later(self, at: float, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.lane.pending += 1

        def due() -> None:
            self.lane.pending -= 1
            self._tasks.start(act())

        self.lane.clock.call_at(at, due)

    # Feedback reports

    def complain(self, complaint: Complaint, source: str) -> None:
        self._later(complaint.at, lambda: self._report(complaint, source))

    async def _report(self, complaint: Complaint, source: str) -> None:
        lane, clock = self.lane, self.lane.clock
        line = lane.line(source)
        with clock.hold(line.label):
            client, said = None, "no reply"
            try:
                async with clock.patience(PATIENCE_S):
                    client = await line.connect()
                    if (await client.hello(complaint.site)).code < 400:
                        outcome = await client.transaction("", (lane.abuse,), complaint.data)
                        said = f"{outcome.of(lane.abuse).code}"
                    await client.quit()
            except (Lost, TimeoutError):
                if client is not None:
                    client.abort()
            lane.log.add(clock.now(), "complaint", site=complaint.site, text=said)
