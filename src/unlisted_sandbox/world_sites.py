"""The others of a world: blocklists, receivers, and the listings nobody here deserved."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from unlisted_sandbox.world_keys import Amount, Count, Name, Share, Some, means


class BlockList(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[lists]]`: one blocklist, its policy and its etiquette."""

    zone: Annotated[Name, means("DNS zone")]
    term_h: Annotated[float, Meta(gt=0), means("hours a listing lasts from the last evidence")] = (
        24.0
    )
    evidence_needed: Annotated[
        float, Meta(gt=0), means("weight of evidence within the window that lists an address")
    ] = 2.0
    evidence_window_h: Annotated[float, Meta(gt=0), means("hours evidence counts")] = 24.0
    trap_weight: Annotated[Amount, means("weight of one mail to a trap")] = 1.0
    report_weight: Annotated[Amount, means("weight of one report by a recipient")] = 1.0
    trap_lag_s: Annotated[Amount, means("seconds from a trap's mail to the evidence, median")] = (
        120.0
    )
    report_lag_s: Annotated[Amount, means("seconds from a mail to its report, median")] = 1800.0
    lag_sigma: Annotated[Amount, means("spread of both lags (sigma of the logarithm)")] = 0.5
    listing_lag_s: Annotated[Amount, means("seconds from the last evidence needed to the zone")] = (
        60.0
    )
    ttl_s: Annotated[Count, means("TTL of a positive answer, seconds")] = 300
    negative_ttl_s: Annotated[Count, means("TTL of a negative answer (SOA minimum), seconds")] = 150
    code: Annotated[
        str,
        Meta(pattern=r"^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$"),
        means("A record of a listed address"),
    ] = "127.0.0.2"
    txt: Annotated[str, means("TXT record; `{ip}` and `{zone}` are filled in")] = (
        "Listed, see https://{zone}/?ip={ip}"
    )
    traps_at: Annotated[
        tuple[str, ...], means("receivers (names) whose traps feed this list; empty = all")
    ] = ()
    told: Annotated[
        bool, means("whether the operator is told the published term and etiquette")
    ] = True
    etiquette: Annotated[
        Literal["no requests", "by form", "by mail"], means("how delisting may be asked for")
    ] = "no requests"
    relists: Annotated[
        bool, means("whether new evidence prolongs a listing and lists again after it")
    ] = True


class Receiver(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[receivers]]`: one remote site and how it talks."""

    name: Annotated[Name, means("stable name; also its host name in greetings")]
    domains: Annotated[tuple[Name, ...], Meta(min_length=1), means("mail domains it receives for")]
    share: Annotated[Amount, means("weight in the choice of a recipient's site")]
    list: Annotated[str, means("zone of the list it uses; empty = none")] = ""
    access: Annotated[
        Literal["dns", "feed", "none"],
        means("asks the list for each session, has a copy of it, or uses none"),
    ] = "none"
    feed_every_s: Annotated[Amount, means("seconds between two copies of the list (`feed`)")] = (
        900.0
    )
    cache: Annotated[bool, means("whether DNS answers are kept for their TTL (`dns`)")] = True
    stage: Annotated[
        Literal["greeting", "rcpt", "data"],
        means("where in the session a listed address is refused"),
    ] = "rcpt"
    wording: Annotated[
        str,
        means(
            "reply to a listed address, lines parted by a line feed; `{ip}` `{zone}` `{helo}`"
            " `{recipient}` `{domain}` `{host}` are filled in"
        ),
    ] = ""
    unknown_wording: Annotated[str, means("reply to RCPT for an unknown user")] = (
        "550 5.1.1 <{recipient}>: Recipient address rejected: User unknown"
    )
    content_wording: Annotated[str, means("reply at the final dot when the content is refused")] = (
        "554 5.6.0 Message content rejected"
    )
    content_honest_share: Annotated[Share, means("share of honest mail refused for content")] = 0.0
    content_spam_share: Annotated[Share, means("share of spam refused for content")] = 0.0
    greylist_s: Annotated[
        Amount, means("seconds a new (network, reverse-path, recipient) is deferred; 0 = never")
    ] = 0.0
    greylist_wording: Annotated[str, means("reply while greylisting")] = (
        "451 4.7.1 <{recipient}>: Greylisted, please try again later"
    )
    tarpit_s: Annotated[Amount, means("seconds it waits before each RCPT reply")] = 0.0
    hang_share: Annotated[Share, means("share of attempts in which it stops answering")] = 0.0
    hang_s: Annotated[Amount, means("seconds such a session hangs before it is closed")] = 400.0
    answer_s: Annotated[Amount, means("seconds from the final dot to its reply, median")] = 0.0
    tempfail_share: Annotated[Share, means("share of attempts deferred for its own reasons")] = 0.0
    tempfail_wording: Annotated[str, means("reply to such an attempt")] = (
        "451 4.3.0 Temporary server error, try again later"
    )
    drops_list_h: Annotated[
        float, means("hours after the start when it stops using the list; below 0 = never")
    ] = -1.0
    arf: Annotated[bool, means("whether it sends feedback reports (RFC 5965) on complaints")] = (
        False
    )
    arf_lag_s: Annotated[Amount, means("seconds from a mail to its feedback report, median")] = (
        1800.0
    )


class ListError(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[list_errors]]`: a list lists addresses of a pool by mistake, until it takes them off."""

    list: Annotated[Name, means("zone of the list")]
    at_h: Annotated[Amount, means("hours after the start when they are listed")]
    for_h: Annotated[float, Meta(gt=0), means("hours until the list takes them off")] = 12.0
    addresses: Annotated[Some, means("addresses of each platform's pool, drawn")] = 2


class RangeListing(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[ranges]]`: a list lists the whole network of a pool, for what a neighbour in it did."""

    list: Annotated[Name, means("zone of the list")]
    at_h: Annotated[Amount, means("hours after the start when it is listed")]
    for_h: Annotated[float, Meta(gt=0), means("hours until the list takes it off")] = 48.0
    txt: Annotated[
        str, means("TXT record of the network's addresses; empty = the list's own, see `[[lists]]`")
    ] = ""
