"""Letters that a block kept from their recipients and that nobody here kept: who must send them again.

From another MTA's log (`unlisted watch`), and from bounce mails that came after a receiver had taken
the letter. Notices are files, one mail for each sender, for its postmaster to look at and send (as
`sendmail -f '<>' -t < FILE`): nothing is sent from here. Who stands guilty or probable in the
episode, or is held, gets none: a culprit's letters do not go again.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from unlisted.apps import words
from unlisted.edge.readmodel import ReadModel
from unlisted.edge.readmodel_episodes import Episode
from unlisted.facts import EpisodeOpened, FactError, Reception, Refusal, Row, Suspicion, decode
from unlisted.mail.envelope import domain_of
from unlisted.mail.notice import Lost, NoticeMail, render_notice

LIMIT = 300_000
GUILTY = "their sender is named as a cause of this block"
PROBABLE = "their sender is a probable cause of this block"
HELD = "their sender is held, or was held as a cause"
_WATCHED = (
    "select n, at, kind, body from fact where kind in ('Refusal', 'Suspicion') and at between ? and ? "
    "and json_extract(body, '$.address')=? and json_extract(body, '$.row.watched') "
    "and json_extract(body, '$.code')>=500 order by n limit ?"
)


class LostLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One letter. `to`: whom to tell, empty: nobody. `name`: its Message-ID, else the queue's name.
    `maybe`: the refusal's words do not tell. `culprit`: it is not to go again; `why` says for what."""

    at: float
    message: str
    name: str
    sender: str
    to: str
    recipient: str
    receiver: str
    said: str
    maybe: bool
    culprit: bool
    why: str = ""


class Written(msgspec.Struct, frozen=True):
    """What was written, letters for which there is nobody to tell, and those left out: (why, how many)."""

    mails: int
    letters: int
    nobody: int
    left_out: tuple[tuple[str, int], ...] = ()


class NoticeError(OSError):
    """The notices cannot be written; the text says why."""


def shown(one: LostLetter) -> dict[str, Any]:
    """For the API."""
    return {**msgspec.to_builtins(one), "at": words.iso(one.at)}


def letters(model: ReadModel, name: str) -> list[LostLetter]:
    """What the episode's block kept back, oldest first, each letter once. `name`: the episode's."""
    episode = model.episodes[name]
    opened = episode.opened
    until = episode.closed.at if episode.closed else 1e12
    suspects = _suspects(model, episode)
    found: dict[str, LostLetter] = {}
    for _, at, kind, body in model.db.execute(
        _WATCHED, (opened.since - 60.0, until, opened.address, LIMIT)
    ):
        try:
            fact = decode(kind, body)
        except FactError:
            continue
        if isinstance(fact, Refusal | Suspicion) and _of(fact, opened, episode):
            one = _letter(model, fact, at, suspects)
            if not (one.maybe and fact.row.key in found):
                found[fact.row.key] = one
    return sorted(found.values(), key=lambda one: (one.at, one.message, one.recipient))


def left_out(lost: list[LostLetter]) -> tuple[tuple[str, int], ...]:
    """(why, how many letters) of those that nobody is asked to send again."""
    counts = Counter(one.why for one in lost if one.culprit)
    return tuple(sorted(counts.items()))


def _suspects(model: ReadModel, episode: Episode) -> dict[str, str]:
    """Sender → why its letters are no one's to send again. Whom a person released is held for nothing
    and probable for nothing; the evidence that named somebody stands."""
    causes = episode.causes
    if causes is None and episode.opened.parent in model.episodes:
        causes = model.episodes[episode.opened.parent].causes
    free = {hold.held.sender for hold in model.holds.values() if _acquitted(hold)}
    found: dict[str, str] = {}
    for share in causes.shares if causes else ():
        if share.standing == "probable" and share.sender not in free:
            found[share.sender] = PROBABLE
    for hold in model.holds.values():
        if not _acquitted(hold):
            found[hold.held.sender] = HELD
    for share in causes.shares if causes else ():
        if share.standing == "guilty" or share.guilty:
            found[share.sender] = GUILTY
    return found | dict.fromkeys(causes.named if causes else (), GUILTY)


def _acquitted(hold: Any) -> bool:
    return hold.released is not None and hold.released.actor != "policy"


def _of(fact: Refusal | Suspicion, opened: EpisodeOpened, episode: Episode) -> bool:
    if fact.temporary or fact.row.null_sender:
        return False
    if opened.receiver is not None:
        return fact.receiver == opened.receiver
    return isinstance(fact, Suspicion) or fact.zone in (None, opened.zone)


def _letter(
    model: ReadModel, fact: Refusal | Suspicion, at: float, suspects: dict[str, str]
) -> LostLetter:
    row = fact.row
    message_id = model.person(row.message_id) if row.message_id else ""
    recipient = model.person(row.recipient)
    back = _reverse_path(model, row)
    text = " ".join(str(one) for one in (fact.code, fact.enhanced or "", fact.text) if one)
    return LostLetter(
        at=at,
        message=row.message,
        name=message_id if message_id.startswith("<") else row.message,
        sender=model.person(row.sender) if row.sender else back or "unknown",
        to=back if domain_of(back) else "",
        recipient=recipient,
        receiver=fact.receiver,
        said=text.replace(row.recipient, recipient),
        maybe=isinstance(fact, Suspicion),
        culprit=row.sender in suspects,
        why=suspects.get(row.sender, ""),
    )


def _reverse_path(model: ReadModel, row: Row) -> str:
    """The address to tell: of a watched letter as logged, of one of ours as it came in."""
    person = row.reverse_path
    if not person:
        for line in model.lines_of(row.message)[:1]:
            fact = line.fact() if line.kind == "Reception" else None
            person = fact.reverse_path if isinstance(fact, Reception) else ""
    address = model.person(person) if person else ""
    return address if "@" in address else ""


def write_notices(folder: Path, lost: list[LostLetter], hostname: str, at: float) -> Written:
    """One mail for each address, in a folder that is new or empty. Raises NoticeError."""
    by_sender: dict[str, list[LostLetter]] = {}
    for one in lost:
        if one.to and not one.culprit:
            by_sender.setdefault(one.to, []).append(one)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(folder.iterdir()):
            raise NoticeError(f"{folder}: is not empty; notices of before might be sent twice")
        for number, to in enumerate(sorted(by_sender), 1):
            name = f"{number:05d}.eml"
            mail = NoticeMail(
                id=f"{int(at)}.{number}",
                at=at,
                site=hostname,
                postmaster=f"postmaster@{hostname}",
                to=to,
                letters=[
                    Lost(
                        at=one.at,
                        name=one.name,
                        recipient=one.recipient,
                        said=one.said,
                        maybe=one.maybe,
                    )
                    for one in by_sender[to]
                ],
            )
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(render_notice(mail))
    except NoticeError:
        raise
    except OSError as exc:
        raise NoticeError(f"{folder}: cannot be written: {exc.strerror}") from exc
    told = sum(map(len, by_sender.values()))
    nobody = sum(1 for one in lost if not one.to and not one.culprit)
    return Written(len(by_sender), told, nobody, left_out(lost))
