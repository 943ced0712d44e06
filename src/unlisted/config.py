"""Every setting: its type, its default and its help, in one table of structs.

Plain data. `config_file` reads it from the text of an `unlisted.toml`, `config_rules` has what must
hold besides types, `config_help` the words for those who write one. Traffic to the outside is one
setting each, and none is on by default.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from unlisted.config_telling import Duty, Notify, Webhook
from unlisted.facts import ListTerm, Policy, Pool


class RelayHost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A host that may hand in mail without a login."""

    address: Annotated[str, Meta(description="its IP address or network, as 127.0.7.1")]
    name: Annotated[str, Meta(description="what its mail is attributed to, as webform")]
    tenant: Annotated[str, Meta(description="whose it is")]


class Smtp(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail comes in."""

    listen: Annotated[tuple[str, ...], Meta(description="ip:port of each listener")] = (
        "127.0.0.1:2525",
    )
    users: Annotated[
        str,
        Meta(
            description="file of logins (made by unlisted users line), relative to this one; empty: none"
        ),
    ] = ""
    abuse: Annotated[
        tuple[str, ...],
        Meta(description="addresses where feedback reports and bounce mails arrive"),
    ] = ()
    reports: Annotated[
        tuple[str, ...],
        Meta(description="ip:port of LMTP listeners for abuse, feedback and bounce mailboxes"),
    ] = ()
    local_domains: Annotated[
        tuple[str, ...], Meta(description="domains whose mail is ours to receive")
    ] = ()
    size_limit: Annotated[
        int, Meta(description="largest message taken, in bytes", ge=1024, le=1 << 30)
    ] = 26214400
    relay_hosts: Annotated[
        tuple[RelayHost, ...], Meta(description="hosts that hand in mail without a login")
    ] = ()


class Dns(msgspec.Struct, frozen=True, kw_only=True):
    """What may be asked of the DNS. Without a resolver nothing is."""

    resolver: Annotated[
        str | None, Meta(description="ip:port of the resolver; none: nothing is asked")
    ] = None
    lists: Annotated[
        bool, Meta(description="ask the blocklists about our addresses (needs resolver)")
    ] = False
    mx: Annotated[
        bool, Meta(description="deliver by MX to domains without a route (needs resolver)")
    ] = False


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What senders did before the journal began."""

    import_: Annotated[
        str,
        Meta(description="JSON lines of sender, tenant, until, days, correspondents; read once"),
    ] = msgspec.field(default="", name="import")


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """Logs of another MTA, read as they are written."""

    logs: Annotated[
        tuple[str, ...], Meta(description="mail logs to follow, relative to this file")
    ] = ()
    addresses: Annotated[
        dict[str, str],
        Meta(description="the log's transport, pool or instance to the address it sends by"),
    ] = msgspec.field(default_factory=dict)
    zone: Annotated[
        str, Meta(description="zone of stamps that tell none; empty: this machine's")
    ] = ""
    loopback: Annotated[
        bool, Meta(description="what 127.0.0.1 takes has left; false: it is a content filter")
    ] = False
    history: Annotated[bool, Meta(description="keep the attempts as unlisted history add does")] = (
        False
    )


class Http(msgspec.Struct, frozen=True, kw_only=True):
    """The two faces."""

    public: Annotated[str, Meta(description="ip:port of the public incident page")] = (
        "127.0.0.1:8080"
    )
    operator: Annotated[str, Meta(description="ip:port of the operator's page and API")] = (
        "127.0.0.1:8081"
    )
    public_url: Annotated[
        str, Meta(description="address under which others see the public page; empty: none")
    ] = ""
    graph_tokens: Annotated[
        str,
        Meta(
            description="file with the SHA-256 (hex) of each bearer token that may read Graph's "
            "routes, one a line; empty: they are as public as the page"
        ),
    ] = ""


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a service is told."""

    state: Annotated[str, Meta(description="folder of the journal, relative to this file")] = "var"
    hostname: Annotated[str, Meta(description="our name in banners, HELO and NDRs")] = "localhost"
    clock: Annotated[
        str, Meta(description="empty: real time; unix:PATH: another process leads (loopback only)")
    ] = ""
    secret: Annotated[
        str,
        Meta(description="hex, 32 digits or more; empty: made once, kept in the state folder"),
    ] = ""
    smtp: Annotated[Smtp, Meta(description="where mail comes in")] = Smtp()
    pools: Annotated[
        tuple[Pool, ...], Meta(description="egress addresses that share mail; none: 127.0.0.1")
    ] = ()
    routes: Annotated[
        dict[str, str], Meta(description='domain to "host:port"; "*" for all others')
    ] = msgspec.field(default_factory=dict)
    dns: Annotated[Dns, Meta(description="what may be asked of the DNS")] = Dns()
    lists: Annotated[tuple[ListTerm, ...], Meta(description="blocklists to watch")] = ()
    history: Annotated[History, Meta(description="what was before the journal")] = History()
    watch: Annotated[Watch, Meta(description="logs of another MTA to follow")] = Watch()
    http: Annotated[Http, Meta(description="the public and the operator's page")] = Http()
    policy: Annotated[Policy, Meta(description="every figure the stations decide by")] = Policy()
    webhooks: Annotated[
        tuple[Webhook, ...], Meta(description="who is called of public events")
    ] = ()
    notify: Annotated[Notify, Meta(description="how the operator's people are told")] = Notify()
    duty: Annotated[Duty, Meta(description="who gets drafts and calls, and when")] = Duty()


def remarks(config: Config) -> list[str]:
    """What holds but should be said at the start, in words."""
    said = []
    if not config.routes and not config.dns.mx:
        said.append("no route and no MX look-ups: mail is taken and waits ([routes], dns.mx)")
    elif "*" not in config.routes and not config.dns.mx:
        said.append("mail to domains without a route waits (no route for *, dns.mx is off)")
    if not config.smtp.users and not config.smtp.relay_hosts:
        said.append("no logins and no relaying hosts: nobody may submit beyond local domains")
    if not config.dns.lists and not all(pool.watched for pool in config.pools):
        said.append(
            "no list is asked (dns.lists is off): of mail that leaves here a block is seen only when "
            "a receiver's replies turn against one address and not the others"
        )
    if config.policy.posts_by == "person" and not (config.duty.people or _told(config.notify)):
        said.append("a person is to post and nobody can be called ([[duty.people]], [notify])")
    return said


def _told(notify: Notify) -> bool:
    return bool(notify.urls or notify.urls_file)


def pools(config: Config) -> tuple[Pool, ...]:
    """The pools to use: without any, loopback alone, which reaches static routes there."""
    if config.pools:
        return config.pools
    return (Pool(name="default", addresses=("127.0.0.1",), helo=config.hostname),)
