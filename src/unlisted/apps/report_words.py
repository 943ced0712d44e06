"""The report's figures as sentences, the same on the terminal and on the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from unlisted.apps.words import clock, span
from unlisted.rates.interval import Interval
from unlisted.report.episodes import Episode
from unlisted.report.evidence import Evidence
from unlisted.report.nameless import Shift
from unlisted.report.others import Other
from unlisted.report.resend import Again
from unlisted.report.sections import Report
from unlisted.report.senders import Ranking, Suspect

# As Postfix writes it: "host mx.example[192.0.2.1] said: ... (in reply to RCPT TO command)".
_WRAPPER = re.compile(r"^host \S+ (?:said|refused to talk to me): |\s*\(in reply to [^()]*\)$")
KINDS = {
    "address": "block",
    "listed": "likely the listing",
    "suspected": "suspicion",
    "all": "not an address",
    "one_sender": "one sender",
}
STANDINGS = {"probable": "look first", "open": "open", "cleared": "unlikely"}
OUTCOMES = {
    "resend": "to send again",
    "unsure": "fate unknown: check before sending again",
    "queued": "still in the queue, go by themselves",
    "delivered": "arrived meanwhile",
    "suspect": "of suspects, left out",
    "other": "bounced for a reason of their own",
}


def at(when: float | None) -> str:
    return "-" if when is None else clock(when, seconds=False)


def times(count: int) -> str:
    return f"{count:,}"


def percent(rate: float) -> str:
    return f"{rate:.1%}" if 0 < rate < 0.9995 else f"{rate:.0%}"


def rate(interval: Interval) -> str:
    """412 of 430 (95.8 %, 95 % interval 93.5 % to 97.5 %)."""
    if interval.rate is None:
        return "no attempt"
    return (
        f"{times(interval.successes)} of {times(interval.trials)} "
        f"({percent(interval.rate)}, 95% interval {percent(interval.low)} to "
        f"{percent(interval.high)})"
    )


def named(file: str) -> str:
    """A file's name for a person; "-" is how standard input is asked for."""
    return "standard input" if file == "-" else file


def lines(evidence: Evidence, names: list[str], most: int = 4) -> str:
    """mail.log:17, mail.log:99 and 410 more."""
    shown = [
        f"{named(names[file]).rpartition('/')[2] if file < len(names) else file}:{line}"
        for file, line in evidence.lines[:most]
    ]
    more = evidence.count - len(shown)
    return ", ".join(shown) + (f" and {times(more)} more" if more > 0 else "")


def headline(found: Report) -> str:
    """What is blocked, or that nothing is, in a few sentences."""
    cover = found.coverage
    if not cover.attempts:
        return "These logs hold no delivery attempt: nothing can be said."
    parts = []
    now = [one for one in foremost(found) if one.ending.state != "over"]
    past = [one for one in foremost(found) if one.ending.state == "over"]
    on_now = {(one.place.name, one.blamed.key) for one in now}
    past = [one for one in past if (one.place.name, one.blamed.key) not in on_now]
    if now:
        parts.append(f"Blocked, and not seen free again: {_some(_on(now))}")
    if past:
        parts.append(f"Blocked and free again: {_some(_on(past))}")
    if found.blocks:
        where = [f"{one.place.name} at {one.receiver}" for one in found.blocks]
        parts.append(f"Blocked without a list: {_some(where)}")
    if found.outside:
        parts.append(outside(found.outside).rstrip("."))
    if not parts:
        bound = percent(min(1.0, 3 / cover.attempts))
        parts.append(
            "No refusal of an address of yours was found; in "
            f"{times(cover.attempts)} attempts that bounds their share by {bound}"
        )
    if found.domains:
        count = several(sum(one.refusals for one in found.domains), "refusal", "refusals")
        parts.append(f"Not your addresses: {count} of listed domains")
    return ". ".join(parts) + "."


def _on(episodes: list[Episode]) -> list[str]:
    """192.0.2.10 (spamcop, spamhaus)."""
    lists: dict[str, list[str]] = {}
    for one in episodes:
        lists.setdefault(one.place.name, []).append(one.blamed.name)
    return [f"{name} ({_some(sorted(set(blamed)))})" for name, blamed in sorted(lists.items())]


def outside(found: Sequence[Other]) -> str:
    """Refusals that --ours leaves out."""
    by_address: dict[str, int] = {}
    for one in found:
        by_address[str(one.name)] = by_address.get(str(one.name), 0) + one.refusals
    total = several(sum(by_address.values()), "refusal", "refusals")
    named = "named an address" if len(by_address) == 1 else "named addresses"
    most = sorted(by_address, key=lambda name: (-by_address[name], name))
    said = _some((f"{name} ({times(by_address[name])})" for name in most), 5)
    return f"{total} {named} outside --ours: {said}."


def domain(one: Other) -> str:
    """Not your addresses: a domain (example.org, of the sender) is listed on dbl.spamhaus.org."""
    bearer = "" if one.kind == "domain" else f"of the {one.kind}"
    about = ", ".join(part for part in (one.name or "not named", bearer) if part)
    return f"Not your addresses: a domain ({about}) is listed on {one.blames}"


def other(one: Other) -> str:
    """How often, where and when."""
    more = one.receivers_count - min(5, one.receivers_count)
    where = ", ".join(one.receivers[:5]) + (f" and {more} more" if more else "")
    return (
        f"{several(one.refusals, 'refusal', 'refusals')} by "
        f"{several(one.receivers_count, 'receiver', 'receivers')} ({where}), "
        f"{at(one.first_at)} to {at(one.last_at)}"
    )


def quoted(text: str, most: int = 200) -> str:
    """A reply on one line, without the wrapper that says which host said it; of a long one the
    beginning and the end, where the list and the link are."""
    text = " ".join(_WRAPPER.sub("", " ".join(text.split())).split())
    if len(text) <= most:
        return text
    return f"{text[: most * 3 // 5]} ... {text[-(most * 2 // 5) :]}"


def several(count: int, one: str, more: str) -> str:
    """1 file, 2 files."""
    return f"{times(count)} {one if count == 1 else more}"


def _some(names: Iterable[str], most: int = 3) -> str:
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def foremost(found: Report) -> list[Episode]:
    """Those not over first, those with the most refusals first among them."""
    return sorted(
        found.episodes, key=lambda e: (e.ending.state == "over", -e.refusals, e.first_at, e.id)
    )


def title(episode: Episode) -> str:
    """The address, and on which list or by whose own rules."""
    name = episode.place.name
    if episode.blamed.own is not None:
        return f"{name} refused by {episode.blamed.own} itself"
    if episode.row is None and not episode.zones:
        return f"{name} blocked by {episode.blamed.name}"
    return f"{name} on {episode.blamed.name}"


def free(episode: Episode) -> str:
    """When the list lets go, in one sentence."""
    release, ending = episode.release, episode.ending
    if ending.state == "over":
        until = f" and {at(ending.high)}" if ending.high is not None else ""
        return f"Free again: it ended between {at(ending.low)}{until} ({ending.words})."
    if release.high is None:
        return f"No release can be predicted: {_unknown_term(episode)}."
    term = span(episode.row.term_s) if episode.row and episode.row.term_s else ""
    low = f"earliest {at(release.low)}; " if release.low is not None else ""
    return (
        f"Free at {at(release.high)} if nothing new is reported after the last refusal seen "
        f"({low}the list keeps an address {term} from the last report)."
    )


def _unknown_term(episode: Episode) -> str:
    if episode.blamed.own is not None:
        return f"{episode.blamed.own} decides by its own rules"
    if episode.row is not None and not episode.row.alive:
        return "the list is closed; the receiver must drop it"
    return f"how long {episode.blamed.name} lists is not known"


def history(episode: Episode) -> str:
    """First to last, and the how-manieth time."""
    said = f"{at(episode.first_at)} to {at(episode.last_at)} "
    said += f"({span(episode.last_at - episode.first_at)})"
    if episode.times > 1:
        said += f", listing {episode.number} of {episode.times} in this log"
    return said


def reported_again(episode: Episode) -> str | None:
    """What a listing longer than its term gives away."""
    if not episode.longer_than_term or episode.row is None or episode.row.term_s is None:
        return None
    since = at(episode.last_at - episode.row.term_s)
    return (
        f"It lasted longer than one report keeps an address listed: something new was reported "
        f"after {since}, so the source was still at work then."
    )


def attempts(episode: Episode) -> str:
    said = f"{rate(episode.rate)} attempts refused"
    if episode.behind:
        said += (
            f"; the attempts are all of {', '.join(episode.behind)}, by whichever of its addresses, "
            "so this is a lower bound"
        )
    return said


def hits(episode: Episode) -> str:
    """Receivers and users."""
    receivers = ", ".join(
        f"{hit.name} {times(hit.refused)}/{times(hit.attempts)}" for hit in episode.receivers[:5]
    )
    more = episode.receivers_count - min(5, len(episode.receivers))
    said = f"{several(episode.receivers_count, 'receiver', 'receivers')}: {receivers}"
    return said + (f" and {more} more" if more else "")


def users(episode: Episode) -> str:
    if not episode.users_count:
        return "users hit: unknown, the log does not say who sent"
    named = ", ".join(f"{hit.name} {times(hit.refused)}" for hit in episode.users[:4])
    said = f"{several(episode.users_count, 'user', 'users')} hit: {named}"
    if episode.users_count > 4:
        said += f" and {episode.users_count - 4} more"
    if episode.users_unknown:
        said += f"; {times(episode.users_unknown)} refusals of unknown senders"
    return said


def shift(found: Shift) -> str:
    """What a shift is, in one sentence."""
    match found.kind:
        case "address":
            return (
                f"{found.receiver} refuses {found.place.name} and not the other addresses: "
                "a block that names no list."
            )
        case "listed":
            return (
                f"{found.receiver} turned against {found.place.name} while it was listed "
                f"({found.beside}): likely the same block, in words that name no list."
            )
        case "all":
            return (
                f"{found.receiver} refuses all addresses alike: the domain, the content or the "
                "whole network is meant, not this address."
            )
        case "one_sender":
            return f"{found.receiver} refuses one sender's mail: its content, not the address."
    return (
        f"{found.receiver} turned against {found.place.name}; whether the address is meant cannot "
        "be told from this log."
    )


def suspect(one: Suspect) -> str:
    """What a sender's row rests on."""
    # A log holds no complaints, so their absence says nothing.
    told = [reason for reason in one.reasons if "complaints" not in reason]
    return "; ".join(told) if told else "nothing remarkable seen"


def bases(found: Ranking) -> str:
    """What the columns of a ranking count: two of them have not the same base."""
    return (
        f"mail: recipients by {found.place.name} in the window above; no such user: of all the "
        f"sender's answered recipients, by any address, from {at(found.since)} to a day after the "
        "last refusal."
    )


def rests(found: Report, one: Ranking) -> str:
    """What the shares of the cause stand on: the listings of this address that they were weighed for."""
    mine = [episode for episode in found.episodes if episode.place.name == one.place.name]
    if not mine:
        return ""
    told = [
        f"{episode.id} on {episode.blamed.name}, first refused {at(episode.first_at)}, "
        f"{rate(episode.rate)}"
        for episode in mine[:3]
    ]
    more = f"; and {len(mine) - 3} more" if len(mine) > 3 else ""
    return (
        f"Each share weighs what the sender had sent by it before these: {'; '.join(told)}{more}."
    )


def cause(one: Suspect) -> str:
    return f"{one.share:.0%} ({one.low:.0%}-{one.high:.0%})"


def letters(again: Again) -> list[tuple[str, int]]:
    """Outcomes in words with their counts, those that are none left out."""
    return [(words, again.counts[name]) for name, words in OUTCOMES.items() if again.counts[name]]
