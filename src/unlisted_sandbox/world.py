"""A world: one frozen struct per table of its file. Knows no file and draws no chance."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from unlisted_sandbox.world_keys import Amount, Name, Some, means
from unlisted_sandbox.world_senders import (
    ByHand,
    Hijack,
    Honest,
    Letter,
    Newsletter,
    Tenants,
    TicketSystem,
    WebForm,
)
from unlisted_sandbox.world_sites import BlockList, ListError, RangeListing, Receiver


class Frame(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[world]`: the frame."""

    name: Annotated[Name, means("name on the stage page and in the result")]
    start: Annotated[datetime, means("first simulated instant, UTC")]
    days: Annotated[float, Meta(gt=0, le=60), means("scripted days")] = 4.0
    tail_h: Annotated[
        float, Meta(ge=0, le=72), means("hours the world runs on at most until no listing is left")
    ] = 72.0
    submissions: Annotated[
        Some,
        means("target for honest and hijacked submissions together; people's volumes scale to it"),
    ] = 12000
    pool_size: Annotated[int, Meta(ge=1, le=250), means("egress addresses per platform")] = 8
    seed: Annotated[int, Meta(ge=0), means("seed of all chance, when none is given")] = 1
    time: Annotated[
        Literal["stepping", "virtual"],
        means(
            "how it is run unless asked otherwise: three platforms on real sockets and a stepping "
            "clock, or the product alone on virtual time, for weeks and many mails"
        ),
    ] = "stepping"
    history_days: Annotated[
        int, Meta(ge=1, le=400), means("days of sender history handed to a platform")
    ] = 60


class Content(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[content]`: which phrase bank writes what."""

    honest: Annotated[Name, means("phrase bank of honest mail (`phrases/NAME.toml`)")] = "office"
    spam: Annotated[Name, means("phrase bank of spam")] = "offers"


class Usual(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[usual]`: the usual practice, as good as it can be."""

    limit_per_hour: Annotated[Some, means("recipients an hour and account; more is deferred")] = 500
    alert_refusals: Annotated[Some, means("refusals within the window that raise the alert")] = 10
    alert_window_s: Annotated[float, Meta(gt=0), means("window of the alert, seconds")] = 3600.0
    postmaster_delay_s: Annotated[
        Amount, means("seconds from an alert to the postmaster's act")
    ] = 3600.0
    volume_window_s: Annotated[
        float, Meta(gt=0), means("window in which the postmaster ranks senders by volume, seconds")
    ] = 10800.0
    hold_h: Annotated[float, Meta(gt=0), means("hours a held sender stays held")] = 24.0
    other_address: Annotated[bool, means("whether refused mail is tried from the next address")] = (
        True
    )


class Retry(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[retry]`: the queue of `bare` and `usual` (RFC 5321 section 4.5.4.1)."""

    after_s: Annotated[
        tuple[Annotated[float, Meta(gt=0)], ...],
        Meta(min_length=1),
        means("seconds before each further attempt; the last repeats"),
    ] = (300, 900, 1800, 3600, 7200)
    give_up_h: Annotated[float, Meta(gt=0), means("hours until a deferred message bounces")] = 120.0


class World(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole world; one attribute per table."""

    world: Frame
    lists: tuple[BlockList, ...] = ()
    receivers: tuple[Receiver, ...] = ()
    tenants: Tenants = Tenants()
    honest: Honest = Honest()
    newsletters: tuple[Newsletter, ...] = ()
    letters: tuple[Letter, ...] = ()
    tickets: tuple[TicketSystem, ...] = ()
    webforms: tuple[WebForm, ...] = ()
    by_hand: ByHand = ByHand()
    hijacks: tuple[Hijack, ...] = ()
    list_errors: tuple[ListError, ...] = ()
    ranges: tuple[RangeListing, ...] = ()
    content: Content = Content()
    usual: Usual = Usual()
    retry: Retry = Retry()

    @property
    def seed(self) -> int:
        return self.world.seed

    @property
    def start(self) -> float:
        """First instant, seconds since the epoch."""
        return self.world.start.timestamp()

    @property
    def end(self) -> float:
        """End of the scripted days, seconds since the epoch."""
        return self.start + self.world.days * 86400

    @property
    def until(self) -> float:
        """The latest instant the world may run to."""
        return self.end + self.world.tail_h * 3600

    def list_of(self, receiver: Receiver) -> BlockList | None:
        return next((x for x in self.lists if x.zone == receiver.list), None)

    def receiver_of(self, domain: str) -> Receiver | None:
        domain = domain.lower()
        return next((r for r in self.receivers if domain in r.domains), None)

    def with_seed(self, seed: int) -> World:
        return msgspec.structs.replace(self, world=msgspec.structs.replace(self.world, seed=seed))


TABLES: tuple[type[Struct], ...] = (
    Frame, BlockList, Receiver, Tenants, Honest, Newsletter, Letter, TicketSystem, WebForm, ByHand,
    Hijack, ListError, RangeListing, Content, Usual, Retry,
)  # fmt: skip
