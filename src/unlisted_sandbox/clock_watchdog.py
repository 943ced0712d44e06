"""The watchdog of the stepping clock: it names who holds time, in real seconds.

A process that is stopped or gone makes time stand; that is said aloud, ever less often, and is a
failure after the limits that were given.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from unlisted_sandbox.clock_acts import Holds
from unlisted_sandbox.clock_platforms import Platforms

WATCHDOG_S = 2.0
RESTING_S = 3600.0


class Watchdog:
    """`absence_limit_s`: for a platform that is not here; `stall_limit_s`: for any reason."""

    def __init__(
        self,
        platforms: Platforms,
        holds: Holds,
        report: Callable[[str], None],
        absence_limit_s: float,
        stall_limit_s: float | None,
    ):
        self.resting = False  # time stands on purpose: the watchdog sleeps
        self._platforms = platforms
        self._holds = holds
        self._report = report
        self._absence_limit_s = absence_limit_s
        self._stall_limit_s = stall_limit_s
        self.moved()

    def moved(self) -> None:
        """Time moves, or could."""
        self._stands_since = time.monotonic()
        self._warn_after_s = WATCHDOG_S

    def look_in(self) -> float:
        """Real seconds until it wants to look."""
        if self.resting:
            return RESTING_S
        look_at = self._stands_since + self._warn_after_s
        for since in self._platforms.absent_since.values():
            look_at = min(look_at, since + self._absence_limit_s)
        if self._stall_limit_s is not None:
            look_at = min(look_at, self._stands_since + self._stall_limit_s)
        return max(0.01, look_at - time.monotonic())

    def look(self) -> str | None:
        """Name who holds time, if it has stood too long; why it can never move again, if so."""
        if self.resting:
            return None
        now = time.monotonic()
        for name, since in sorted(self._platforms.absent_since.items()):
            if now - since > self._absence_limit_s:
                return f"{name} has been absent for {now - since:.0f} s"
        stood = now - self._stands_since
        if self._stall_limit_s is not None and stood > self._stall_limit_s:
            return f"time has stood for {stood:.0f} s: {'; '.join(self.holders())}"
        if stood < self._warn_after_s:
            return None
        self._warn_after_s = min(self._warn_after_s * 2, stood + 30.0)
        self._report(f"clock: time stands for {stood:.1f} s: {'; '.join(self.holders())}")
        for participant in self._platforms.here.values():
            if not participant.idle:
                self._platforms.tell(participant, "who")
        return None

    def holders(self) -> list[str]:
        """Who makes time stand now: the world's holds, the absent, the busy."""
        now = time.monotonic()
        held = [f"world holds {label} {age:.1f} s" for label, age in self._holds.listing()]
        held += [
            f"{n}: absent {now - at:.1f} s"
            for n, at in sorted(self._platforms.absent_since.items())
        ]
        for name, participant in sorted(self._platforms.here.items()):
            state = _process_state(participant.pid)
            # One that was stopped while idle does not even know that it has been asked.
            if not participant.idle or state not in ("R", "S"):
                doing = "idle" if participant.idle else "busy"
                age = now - participant.since
                held.append(f"{name}: {doing} {age:.1f} s, process state {state}")
        return held or ["the world's own loop"]


def _process_state(pid: int) -> str:
    """The letter of /proc/PID/stat: R runs, S sleeps, T is stopped, Z is dead."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "gone"
