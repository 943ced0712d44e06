"""`unlisted notify test`: a test to every webhook and every address of the settings.

It needs no running service and leaves no fact. Exit codes: 0 all were reached, 1 one was not, 2 the
configuration is wrong, 3 there is nobody to tell. Addresses are shown by their kind and host only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
from typing import Any

from unlisted.apps.cli import FOUND, NO_SUCH, OK
from unlisted.apps.serve import site_secret
from unlisted.apps.settings import Settings, load
from unlisted.apps.telling import Telling, read_telling
from unlisted.apps.terminal import complain
from unlisted.commands import CallWebhook
from unlisted.config_rules import endpoint
from unlisted.edge.clock import Clock, WallClock
from unlisted.edge.dns_client import DnsClient
from unlisted.edge.notice_board import scheme, told
from unlisted.edge.webhook import Webhooks

TITLE, TEXT = "unlisted: a test", "If you read this, notices of {} reach you."


def notify_test(args: argparse.Namespace) -> int:
    """Tell everybody once, and print what came back."""
    settings = load(args.config, args.state)
    # Without a state folder yet any secret will do: it names webhooks, and nothing is kept.
    there = settings.config.secret or settings.secret.exists()
    telling = read_telling(settings, site_secret(settings) if there else bytes(32))
    rows = asyncio.run(_tested(settings, telling, args))
    if args.json:
        print(json.dumps(rows))
    else:
        for row in rows:
            print(f"{row['to']:<50} {row['said']}")
    if not rows:
        complain("nobody to tell: no [[webhooks]], [notify] or [[duty.people]] in the settings")
        return NO_SUCH
    return OK if all(row["reached"] for row in rows) else FOUND


async def _tested(
    settings: Settings, telling: Telling, args: argparse.Namespace
) -> list[dict[str, Any]]:
    clock = WallClock()
    every = args.webhooks == args.notices
    rows = []
    if every or args.webhooks:
        rows += await _webhooks(settings, telling, clock)
    if telling.board is not None and (every or args.notices):
        urls = telling.board.everybody
        name = settings.config.hostname
        found = await told(urls, TITLE, TEXT.format(name))
        for url, (_, reached) in zip(urls, found.services, strict=True):
            said = "reached" if reached else "NOT REACHED"
            rows.append({"to": f"notice by {scheme(url)}", "reached": reached, "said": said})
    return rows


async def _webhooks(settings: Settings, telling: Telling, clock: Clock) -> list[dict[str, Any]]:
    config = settings.config
    resolver = endpoint(config.dns.resolver) if config.dns.resolver else None
    client = DnsClient(*resolver) if resolver else None
    caller = Webhooks(telling.hooks, clock, client, link=config.http.public_url)
    rows = []
    for hook in telling.hooks:
        delivery = "msg_test_" + secrets.token_hex(8)
        command = CallWebhook(
            key=delivery, hook=hook.name, delivery=delivery, event="test",
            occurred_at=clock.now(), data='{"test":true}',
        )  # fmt: skip
        with clock.hold(delivery) as hold:
            answer = await caller.call(command, hold)
        reached = 200 <= answer.code < 300
        said = f"status {answer.code}" if answer.code else "NOT REACHED"
        said += f" ({answer.why})" if answer.why else ""
        to = f"webhook {hook.name} at {hook.target.authority}"
        rows.append(
            {"to": to, "hook": hook.name, "reached": reached, "code": answer.code, "said": said}
        )
    return rows
