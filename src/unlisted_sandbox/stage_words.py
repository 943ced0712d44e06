"""The ten stations of the loop in words, as they happen: from the operator's API and the world.

Pure. Each caption stands on rows of the API (episodes, causes, holds, rules, incidents) or on what
the world counted; a row that lacks something is told without it. Rows are another program's words:
they are text here and escaped where they are shown.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from unlisted_sandbox import viewer
from unlisted_sandbox.stage_ask import Rows, Told
from unlisted_sandbox.stage_view import Picture, Story

STATIONS = (
    "accept", "deliver", "sense", "explain", "contain", "prevent", "delist", "verify", "resend",
    "tell",
)  # fmt: skip
MAX_TEXT = 300
YEAR_2200 = 7.26e9
Row = dict[str, Any]


class Step(Struct, frozen=True):
    """One station. `state`: quiet (nothing to do), busy, done."""

    name: str
    state: str
    text: str
    at: float | None = None


def steps(told: Told, picture: Picture, stories: tuple[Story, ...], now: float) -> tuple[Step, ...]:
    """Ten captions, in the loop's order."""
    lists = [r for r in told.episodes if r.get("list")]
    opened = [r for r in told.episodes if not r.get("closed_at")]
    return (
        Step("accept", "busy", f"{picture.accepted:,} mails taken; each 250 follows its commit."),
        Step("deliver", "busy", _deliver(picture)),
        _sense(told.episodes, opened),
        _explain(told.causes),
        _contain(told.holds),
        _prevent(told.rules),
        _delist(lists, now),
        _verify(told.episodes, opened),
        _resend(picture, stories),
        _tell(told.incidents),
    )


def _deliver(picture: Picture) -> str:
    free = len(picture.pool) - picture.listed
    rest = f", {picture.listed} rest" if picture.listed else ""
    return f"{free} of {len(picture.pool)} addresses in use{rest}; a keyed draw picks one."


def _sense(episodes: Rows, opened: list[Row]) -> Step:
    if not episodes:
        return Step("sense", "quiet", "No refusal that blames an address.")
    newest = episodes[0]
    where = newest.get("list") or newest.get("receiver")
    n = newest.get("refusals")
    said = f" after {_count(n, 'refusal')}" if isinstance(n, int) and n else ""
    text = (
        f"{_count(len(episodes), 'episode')}, {len(opened)} open. "
        f"The newest: {_text(newest.get('address'))} at {_text(where)}{said}."
    )
    return Step("sense", "busy" if opened else "done", text, moment(newest.get("opened_at")))


def _explain(causes: Rows) -> Step:
    if not causes:
        return Step("explain", "quiet", "Nothing to explain.")
    named = next((r for r in causes if _list(r.get("named"))), None)
    newest = causes[0]
    row = named or newest
    who = _list(row.get("named"))
    if named is not None:
        text = f"{_names(who)}: {_text(row.get('verdict'))}."
        share = next((s for s in _rows(row.get("shares")) if s.get("sender") == who[0]), None)
        if share and isinstance(share.get("share"), float):
            text += f" Its share of the blame: {_percent(share)}."
        state = "done"
    else:
        text = f"{_text(newest.get('verdict')).capitalize()}."
        if newest.get("need"):
            text += f" It would take: {_text(newest.get('need'))}."
        state = "busy"
    return Step("explain", state, text, moment(row.get("at")))


def _contain(holds: Rows) -> Step:
    if not holds:
        return Step("contain", "quiet", "Nobody's mail is held.")
    now = [r for r in holds if not r.get("released_at")]
    senders = sorted({_text(r.get("sender")) for r in holds})
    newest = holds[0]
    text = (
        f"Mail held of {_names(senders)}; {_count(len(now), 'hold')} in force. "
        f"Scope: {_text(newest.get('scope'))}."
    )
    return Step("contain", "busy" if now else "done", text, moment(newest.get("at")))


def _prevent(rules: Rows) -> Step:
    if not rules:
        return Step("prevent", "quiet", "No rule was needed.")
    newest = rules[0]
    enforced = sum(1 for r in rules if r.get("state") == "enforced")
    text = (
        f"{_count(len(rules), 'rule')} against near-duplicates, {enforced} enforced. "
        f"The newest: {_text(newest.get('state'))}, {_count(newest.get('matched'), 'mail')} matched, "
        f"{_text(newest.get('other_senders'))} of other senders."
    )
    return Step("prevent", "done" if enforced else "busy", text, moment(newest.get("at")))


def _delist(lists: list[Row], now: float) -> Step:
    waiting = [r for r in lists if not r.get("delisted_at") and not r.get("closed_at")]
    gone = [r for r in lists if r.get("delisted_at")]
    if waiting:
        ends = [m for r in waiting if (m := moment(r.get("release_predicted_at"))) is not None]
        stopped = all(r.get("source_stopped_at") for r in waiting)
        text = "The source has stopped. " if stopped else "No request before the source stops. "
        if ends:
            text += f"First release expected {clock(min(ends))}."
        at = max((m for r in waiting if (m := moment(r.get("source_stopped_at")))), default=None)
        return Step("delist", "busy", text, at)
    if gone:
        at = max((m for r in gone if (m := moment(r.get("delisted_at")))), default=None)
        return Step("delist", "done", f"{_count(len(gone), 'listing')} over, none left.", at)
    return Step("delist", "quiet", "No address is on a list.")


def _verify(episodes: Rows, opened: list[Row]) -> Step:
    closed = [r for r in episodes if r.get("closed_at")]
    if not episodes:
        return Step("verify", "quiet", "Nothing to verify.")
    if not closed:
        text = "Refusals, the list and a control receiver must agree before it is called over."
        return Step("verify", "busy", text)
    newest = max(closed, key=lambda r: str(r.get("closed_at")))
    text = (
        f"{_count(len(closed), 'episode')} over, the last one because: {_text(newest.get('how'))}."
    )
    state = "busy" if opened else "done"
    return Step("verify", state, text, moment(newest.get("closed_at")))


def _resend(picture: Picture, stories: tuple[Story, ...]) -> Step:
    if not picture.refusals:
        return Step("resend", "quiet", "Nothing was refused.")
    waiting = sum(1 for s in stories if s.delivered_at is None)
    text = "No honest mail was refused."
    if picture.resent:
        text = f"{_count(picture.resent, 'refused honest mail')} sent again and delivered, once."
    elif waiting:
        text = "Refused honest mail is kept."
    if waiting:
        text += f" {waiting} wait for an address that is accepted."
    return Step("resend", "busy" if waiting else "done" if picture.resent else "quiet", text)


def _tell(incidents: Rows) -> Step:
    if not incidents:
        return Step("tell", "quiet", "No incident.")
    newest = incidents[0]
    posts = _rows(newest.get("posts"))
    total = sum(len(_rows(r.get("posts"))) for r in incidents)
    text = f"{_count(len(incidents), 'incident')}, {_count(total, 'post')}."
    at = moment(newest.get("opened_at"))
    if posts:
        last = posts[-1]
        at = moment(last.get("at"))
        text += f" The last says: {_spaced(last.get('status'))}."
        due = moment(last.get("next_update_by"))
        if due is not None and not newest.get("closed_at"):
            text += f" Next by {clock(due)}."
    over = all(r.get("closed_at") for r in incidents)
    return Step("tell", "done" if over else "busy", text, at)


def moment(value: object) -> float | None:
    """A time of the API; None when it is none, or in no year that can be written."""
    try:
        at = viewer.moment(value)
    except (ValueError, OverflowError):
        return None
    return at if at is not None and 0 <= at < YEAR_2200 else None


def clock(at: float | None) -> str:
    """Weekday, time and zone."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%a %H:%M UTC")


def _names(names: list[Any]) -> str:
    shown = [_text(n).partition(":")[2] or _text(n) for n in names]
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


def _percent(share: Row) -> str:
    text = f"{share['share']:.0%}"
    low, high = share.get("low"), share.get("high")
    if isinstance(low, float) and isinstance(high, float):
        text += f" ({low:.0%} to {high:.0%})"
    return text


def _count(n: Any, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}" if isinstance(n, int) else f"some {what}s"


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _rows(value: object) -> list[Row]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _spaced(value: object) -> str:
    """serviceRestored as people say it."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _text(value)).lower()


def _text(value: object) -> str:
    text = "?" if value is None else str(value)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
