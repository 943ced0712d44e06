"""Who sends in a world: people by tenant, machines with a login or without, and hijackers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from unlisted_sandbox.world_keys import Amount, Name, Share, Some, means


class Tenants(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[tenants]`: who is on the platform."""

    count: Annotated[int, Meta(ge=1, le=1000), means("tenants")] = 40
    senders_median: Annotated[float, Meta(ge=1), means("people per tenant, median (lognormal)")] = (
        8.0
    )
    senders_sigma: Annotated[Amount, means("spread of people per tenant")] = 0.5
    senders_min: Annotated[Some, means("people per tenant, fewest")] = 2
    senders_max: Annotated[Some, means("people per tenant, most")] = 40


class Honest(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[honest]`: how people write."""

    volume_sigma: Annotated[Amount, means("spread of people's daily volumes (lognormal)")] = 0.9
    weekend: Annotated[Share, means("volume of a Saturday or Sunday, against a weekday")] = 0.25
    weekdays: Annotated[
        tuple[Amount, ...],
        Meta(max_length=7),
        means("volume of each day, Monday first; seven, 1 is usual; empty = 1, and `weekend`"),
    ] = ()
    holidays: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=60)], ...],
        means("days of the script, the first is 0, on which people write as on a Sunday"),
    ] = ()
    hours: Annotated[
        tuple[Amount, ...], Meta(min_length=24, max_length=24), means("weight of each hour, UTC")
    ] = (1, 1, 1, 1, 1, 2, 4, 8, 14, 16, 15, 14, 11, 12, 14, 14, 13, 11, 8, 6, 5, 4, 3, 2)
    weekend_hours: Annotated[
        tuple[Amount, ...],
        Meta(max_length=24),
        means("the same of a Saturday, Sunday or holiday; empty = as `hours`"),
    ] = ()
    more_share: Annotated[
        Annotated[float, Meta(ge=0, lt=1)],
        means("chance of one more recipient after each (geometric, all single mails, spam too)"),
    ] = 0.18
    more_max: Annotated[Some, means("recipients per message, most")] = 8
    new_a: Annotated[float, Meta(gt=0), means("share of mail to new recipients: Beta(a, b)")] = 1.5
    new_b: Annotated[float, Meta(gt=0), means("the same, b")] = 10.5
    contacts_median: Annotated[float, Meta(ge=1), means("correspondents per person, median")] = 30.0
    contacts_sigma: Annotated[Amount, means("spread of correspondents per person")] = 0.6
    unknown_min: Annotated[Share, means("unknown users per recipient, lowest sender")] = 0.002
    unknown_max: Annotated[Share, means("unknown users per recipient, highest sender")] = 0.02
    reply_share: Annotated[Share, means("share of mail that answers an earlier one")] = 0.35
    complaint_rate: Annotated[Share, means("feedback reports per delivered recipient")] = 0.0002
    report_rate: Annotated[Share, means("reports to a list per delivered recipient")] = 0.0
    roaming_share: Annotated[
        Share, means("share of mail submitted from an address the login has not used (spam too)")
    ] = 0.1
    newcomer_share: Annotated[Share, means("share of people whose history is under 20 days")] = 0.03


class Newsletter(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[newsletters]]`: a known list, written to before."""

    name: Annotated[Name, means("stable name; the login's local part")]
    size: Annotated[Some, means("recipients of an issue")]
    at_h: Annotated[Amount, means("hours after the start of the first scripted issue")]
    tenant: Annotated[int, Meta(ge=-1), means("tenant number; -1 = drawn")] = -1
    every_days: Annotated[
        Amount, means("days between issues, before and within the script; 0 = one issue")
    ] = 7.0
    over_s: Annotated[Amount, means("seconds an issue takes to submit")] = 3600.0
    per_message: Annotated[Some, means("recipients per submission")] = 1
    unknown_rate: Annotated[Share, means("unknown users on the list")] = 0.005
    new_share: Annotated[Share, means("subscribers since the last issue")] = 0.015
    complaint_rate: Annotated[Share, means("feedback reports per delivered recipient")] = 0.001
    words_varied: Annotated[Share, means("share of words that differ between copies")] = 0.02


class Letter(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[letters]]`: a first bulk mail by a person, such as a school's to all parents."""

    name: Annotated[Name, means("stable name; the login's local part")]
    size: Annotated[Some, means("recipients")]
    at_h: Annotated[Amount, means("hours after the start")]
    tenant: Annotated[int, Meta(ge=-1), means("tenant number; -1 = drawn")] = -1
    over_s: Annotated[Amount, means("seconds it takes to submit")] = 1800.0
    per_message: Annotated[Some, means("recipients per submission")] = 1
    known_share: Annotated[Share, means("share of recipients the person wrote to before")] = 0.05
    unknown_rate: Annotated[Share, means("unknown users among the recipients")] = 0.015
    complaint_rate: Annotated[Share, means("feedback reports per delivered recipient")] = 0.0005
    words_varied: Annotated[Share, means("share of words that differ between copies")] = 0.02


class TicketSystem(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[tickets]]`: a login that answers customers with near-duplicate notices, in bursts."""

    name: Annotated[Name, means("stable name; the login's local part")]
    per_day: Annotated[Amount, means("notices on a weekday, mean")]
    tenant: Annotated[int, Meta(ge=-1), means("tenant number; -1 = drawn")] = -1
    burst: Annotated[float, Meta(ge=1), means("notices per burst, mean")] = 4.0
    new_share: Annotated[Share, means("share of notices to new recipients")] = 0.6
    unknown_rate: Annotated[Share, means("unknown users per recipient")] = 0.012
    complaint_rate: Annotated[Share, means("feedback reports per delivered recipient")] = 0.0002
    words_varied: Annotated[Share, means("share of words that differ between notices")] = 0.12


class WebForm(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[webforms]]`: a script on a host, without login, known by its address only."""

    name: Annotated[Name, means("stable name; the first label of the host's name")]
    per_day: Annotated[Amount, means("confirmations a day, mean")]
    tenant: Annotated[int, Meta(ge=-1), means("tenant number; -1 = drawn")] = -1
    new_share: Annotated[Share, means("share of confirmations to new recipients")] = 0.9
    unknown_rate: Annotated[Share, means("unknown users per recipient")] = 0.018
    complaint_rate: Annotated[Share, means("feedback reports per delivered recipient")] = 0.0002
    words_varied: Annotated[Share, means("share of words that differ between confirmations")] = 0.08


class ByHand(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[by_hand]`: people who send bounced mail again themselves."""

    share: Annotated[Share, means("share of people who do")] = 0.2
    delay_s: Annotated[Amount, means("seconds from the bounce to the copy, median")] = 2400.0
    delay_sigma: Annotated[Amount, means("spread of the delay")] = 0.7


class Hijack(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[hijacks]]`: one account used by someone else, until it is refused or the days end."""

    name: Annotated[Name, means("stable name, never sent")]
    start_h: Annotated[Amount, means("hours after the start of its first mail")]
    per_hour: Annotated[Amount, means("messages an hour, mean; 0 = see `per_day`")] = 0.0
    per_day: Annotated[Amount, means("messages a day, mean, evenly spaced; 0 = see `per_hour`")] = (
        0.0
    )
    burst: Annotated[
        Some, means("messages in one burst; the rate above is the mean over bursts and pauses")
    ] = 1
    burst_s: Annotated[Amount, means("seconds a burst takes")] = 0.0
    total_max: Annotated[Some, means("messages, most")] = 500
    tenant: Annotated[int, Meta(ge=-1), means("tenant number; -1 = drawn")] = -1
    person: Annotated[int, Meta(ge=-1), means("person number within the tenant; -1 = drawn")] = -1
    habit: Annotated[
        Literal["low", "middle", "high", "any"],
        means("which third of people's volumes the account is drawn from"),
    ] = "any"
    owner_writes: Annotated[bool, means("whether the owner goes on writing meanwhile")] = True
    unknown_rate: Annotated[Share, means("unknown users per recipient")] = 0.15
    trap_share: Annotated[Share, means("traps per recipient")] = 0.05
    report_share: Annotated[Share, means("delivered recipients who report to the list")] = 0.03
    arf_share: Annotated[
        Share, means("delivered recipients whose site sends a feedback report")
    ] = 0.02
    again: Annotated[
        str,
        means("name of an earlier hijack whose account this one takes once more; empty = another"),
    ] = ""
    family: Annotated[str, means("topic of its text in the phrase bank; empty = drawn")] = ""
    campaign: Annotated[
        str,
        means("rows with the same one send near-duplicates of one text; empty = a text of its own"),
    ] = ""
    words_varied: Annotated[Share, means("share of words that differ between copies")] = 0.1
    gives_up_after: Annotated[
        Some, means("permanently refused submissions in a row after which it stops")
    ] = 3
