"""What to send again, once: letters that bounced for a block and did not arrive since.

A letter (message and recipient) is decided from all its refused attempts together. It is left out
when it arrived after all, when it still waits in the queue (it goes by itself), when it bounced for
a reason of its own, and when its sender is a suspect. Refuses to call a letter safe whose fate
is unknown (the connection was lost after DATA: the receiver may have it).
"""

from collections.abc import Iterator
from typing import Literal

import msgspec
import numpy as np

from unlisted.report.blame import blamed_by
from unlisted.report.cells import OTHER, UNKNOWN_USER, UNSURE, Names
from unlisted.report.episodes import Episode
from unlisted.report.gathered import DEFERRED, Kept
from unlisted.report.nameless import Shift
from unlisted.report.places import Places

Outcome = Literal["resend", "unsure", "queued", "delivered", "suspect", "other"]
OUTCOMES: tuple[Outcome, ...] = ("resend", "unsure", "queued", "delivered", "suspect", "other")


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One letter that a block kept from its recipient, and why it is (not) to be sent again.

    row: the refused attempt it rests on, a number of `Kept`. wrote_at: the same reverse-path
    reached the same recipient later with another message: perhaps the letter, sent by hand.
    """

    row: int
    outcome: Outcome
    cause: str
    sender: str
    refused_at: float
    tries: int
    file: int
    line: int
    wrote_at: float | None
    not_before: float | None


class Again(msgspec.Struct, frozen=True):
    """All letters that blocks touched, and their counts: in all, and by cause."""

    letters: tuple[Letter, ...]
    counts: dict[str, int]
    by_cause: dict[str, dict[str, int]]

    def listed(self) -> Iterator[Letter]:
        """Those for the list: to be sent, and the doubtful ones marked as such."""
        return (one for one in self.letters if one.outcome in ("resend", "unsure"))


class _Causes:
    """Which episode or block an attempt belongs to."""

    def __init__(
        self, names: Names, places: Places, episodes: list[Episode], shifts: list[Shift]
    ) -> None:
        self._names, self._places = names, places
        self._listed: dict[str, list[Episode]] = {}
        for episode in episodes:
            self._listed.setdefault(episode.place.name, []).append(episode)
        self._shifted: dict[tuple[str, str], list[Shift]] = {}
        for shift in shifts:
            if shift.blocks:
                key = (shift.place.name, shift.receiver)
                self._shifted.setdefault(key, []).append(shift)

    def of(self, kept: Kept, row: int) -> str | None:
        """Its id, for a refused attempt; None if no block explains it."""
        answer = self._names.answers[int(kept.answer[row])]
        if answer is None:
            return None
        receiver = self._names.receivers[int(kept.receiver[row])]
        place = self._places.of_answer(int(kept.route[row]), int(kept.answer[row]))
        name, at = self._places.all[place].name, float(kept.at[row])
        if answer.blames_us:
            key = blamed_by(answer, receiver).key
            for episode in self._listed.get(name, ()):
                if episode.blamed.key == key and episode.first_at <= at <= episode.last_at:
                    return episode.id
        elif answer.doubtful:
            for shift in self._shifted.get((name, receiver), ()):
                if shift.first_at <= at <= shift.last_at:
                    return shift.id
            for episode in self._listed.get(name, ()):
                hit = any(one.name == receiver for one in episode.receivers)
                if hit and episode.first_at <= at <= episode.last_at:
                    return episode.id
        return None


def again(
    names: Names,
    places: Places,
    kept: Kept,
    episodes: list[Episode],
    shifts: list[Shift],
    suspects: set[str],
) -> Again:
    """Decide on every letter that a block refused at least once."""
    causes = _Causes(names, places, episodes, shifts)
    free = {episode.id: _not_before(episode) for episode in episodes}
    letters: list[Letter] = []
    order = np.lexsort((kept.line, kept.at, kept.letter))
    if not len(order):
        return Again((), dict.fromkeys(OUTCOMES, 0), {})
    edges = np.flatnonzero(kept.letter[order][1:] != kept.letter[order][:-1]) + 1
    for rows in np.split(order, edges):
        letter = _decided(names, kept, [int(one) for one in rows], causes, suspects)
        if letter is not None:
            letters.append(msgspec.structs.replace(letter, not_before=free.get(letter.cause)))
    letters.sort(key=lambda one: (one.refused_at, one.file, one.line))
    counts: dict[str, int] = dict.fromkeys(OUTCOMES, 0)
    by_cause: dict[str, dict[str, int]] = {}
    for letter in letters:
        counts[letter.outcome] += 1
        of_cause = by_cause.setdefault(letter.cause, dict.fromkeys(OUTCOMES, 0))
        of_cause[letter.outcome] += 1
    return Again(tuple(letters), counts, by_cause)


def _not_before(episode: Episode) -> float | None:
    """When the list lets go at the latest, if it has not already."""
    return None if episode.ending.state == "over" else episode.release.high


def _decided(
    names: Names, kept: Kept, rows: list[int], causes: _Causes, suspects: set[str]
) -> Letter | None:
    blocked = [(row, cause) for row in rows if (cause := causes.of(kept, row)) is not None]
    if not blocked:
        return None
    row, cause = blocked[-1]
    last = rows[-1]
    sender = names.senders[int(kept.sender[row])]
    outcome: Outcome = "resend"
    if not np.isnan(kept.sent_at[last]):
        outcome = "delivered"
    elif int(kept.status[last]) == DEFERRED:
        outcome = "queued"
    elif any(int(kept.answer[one]) == UNSURE for one in rows):
        outcome = "unsure"
    elif last != row and _own_reason(names, kept, last, causes):
        outcome = "other"
    if outcome in ("resend", "unsure") and sender in suspects:
        outcome = "suspect"
    wrote = float(kept.wrote_at[last])
    return Letter(
        row=row,
        outcome=outcome,
        cause=cause,
        sender=sender,
        refused_at=float(kept.at[row]),
        tries=len(rows),
        file=int(kept.file[row]),
        line=int(kept.line[row]),
        wrote_at=None if np.isnan(wrote) else wrote,
        not_before=None,
    )


def _own_reason(names: Names, kept: Kept, row: int, causes: _Causes) -> bool:
    """Whether an attempt failed for something that is no block: a dead address, say."""
    number = int(kept.answer[row])
    if names.answers[number] is not None:
        return causes.of(kept, row) is None
    return number in (OTHER, UNKNOWN_USER)
