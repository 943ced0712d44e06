"""Notices by apprise to real local services; failures are counts, never words with a password."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope
from tests.edge.hook_receiver import HANG, receiving

from unlisted.commands import Notify
from unlisted.edge import notice_board
from unlisted.edge.clock import VirtualClock
from unlisted.edge.notice_board import Board, Told, told
from unlisted.edge.rota import Rota, Shift

PASSWORD = "s3cr3t-word"
COMMAND = Notify(key="tell/n7/1", notice="n7", what="duty", title="UL000001: due", text="Post it.")
WEEK = Rota(
    "Europe/Berlin",
    ("anna", "ben"),
    (Shift("anna", (0, 1, 2, 3, 4), 8 * 60, 18 * 60), Shift("ben", (4, 5), 18 * 60, 8 * 60)),
)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 100))


class Mailbox:
    def __init__(self) -> None:
        self.mails: list[Envelope] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        self.mails.append(envelope)
        return "250 Ok"


def test_a_notice_reaches_json_and_mail_services_and_a_dead_one_is_counted(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    box = Mailbox()

    async def work() -> None:
        loop = asyncio.get_running_loop()
        smtp = await loop.create_server(lambda: SMTP(box, hostname="there"), "127.0.0.1", 0)
        port = smtp.sockets[0].getsockname()[1]
        async with receiving(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as there:
            async with receiving() as gone:
                pass
            urls = [
                f"json://pat:{PASSWORD}@127.0.0.1:{there.port}/",
                f"mailto://127.0.0.1:{port}?from=platform@ops.example&to=pat@ops.example",
                f"json://pat:{PASSWORD}@127.0.0.1:{gone.port}/",
                f"nosuchservice://{PASSWORD}",
            ]
            found = await Board(urls, {}, Rota()).tell(COMMAND, 0.0)
        smtp.close()
        assert [ok for _, ok in found.services] == [True, True, False, False]
        assert found.why == "failed: json, nosuchservice"
        said = json.loads(there.requests[0].body)
        assert said["title"] == COMMAND.title and said["message"] == COMMAND.text

    run(work())
    (mail,) = box.mails
    assert mail.rcpt_tos == ["pat@ops.example"] and b"Post it." in (mail.original_content or b"")
    printed = capfd.readouterr()
    assert PASSWORD not in caplog.text + printed.out + printed.err


def test_a_service_that_hangs_is_left_and_the_others_are_reached(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notice_board, "TELL_S", 8.0)

    async def work() -> None:
        async with (
            receiving(HANG) as hangs,
            receiving(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as there,
        ):
            urls = [f"json://127.0.0.1:{hangs.port}/?rto=60", f"json://127.0.0.1:{there.port}/"]
            found = await told(urls, "a", "b")
        assert (found.reached, found.failed) == (1, 1)

    run(work())


def test_the_worker_that_cannot_start_is_a_failed_notice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(notice_board.sys, "executable", str(tmp_path / "no-python"))

    async def work() -> None:
        found = await told(["json://127.0.0.1:1/"], "a", "b")
        assert found == Told((("json", False),))

    run(work())


def test_nobody_to_tell_is_said() -> None:
    async def work() -> None:
        assert (await Board((), {}, Rota()).tell(COMMAND, 0.0)).why == "nobody to tell"

    run(work())


@pytest.mark.parametrize(
    ("when", "who"),
    [
        ("2026-11-23T07:00Z", ("anna",)),  # Monday 08:00 in Berlin
        ("2026-11-23T06:59Z", ("anna", "ben")),  # before it: nobody's shift is everybody's
        ("2026-11-23T17:00Z", ("anna", "ben")),
        ("2026-11-27T17:30Z", ("ben",)),  # Friday evening
        ("2026-11-28T06:30Z", ("ben",)),  # Saturday morning: the shift that began on Friday
        ("2026-11-28T07:30Z", ("anna", "ben")),
        ("2026-11-29T06:59Z", ("ben",)),  # Sunday: the one that began on Saturday
        ("2026-07-06T06:00Z", ("anna",)),  # summer time
    ],
)
def test_who_is_on_duty_follows_the_week_in_its_zone(when: str, who: tuple[str, ...]) -> None:
    at = datetime.fromisoformat(when).astimezone(UTC).timestamp()
    assert tuple(WEEK.on_duty(at)) == who


def test_calls_go_to_whoever_is_on_duty_and_all_else_to_the_common_addresses() -> None:
    board = Board(("ntfy://common",), {"anna": ("ntfy://anna",), "ben": ("ntfy://ben",)}, WEEK)
    monday = datetime(2026, 11, 23, 9, tzinfo=UTC).timestamp()
    for what in ("duty", "draft", "deadline"):
        assert board.addresses(what, monday) == ("ntfy://anna",)
    assert board.addresses("episode", monday) == ("ntfy://common",)
    assert board.addresses("duty", monday - 8 * 3600) == ("ntfy://anna", "ntfy://ben")
    only_people = Board((), {"anna": ("ntfy://anna",)}, Rota("UTC", ("anna",)))
    assert only_people.addresses("feed", monday) == ("ntfy://anna",)
    only_common = Board(("ntfy://common",), {}, Rota())
    assert only_common.addresses("duty", monday) == ("ntfy://common",)


def test_the_worker_refuses_what_is_no_order() -> None:
    async def work() -> None:
        process = await asyncio.create_subprocess_exec(
            notice_board.sys.executable, "-m", "unlisted.edge.notice_worker",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=dict(os.environ),
        )  # fmt: skip
        out, err = await process.communicate(b"[]")
        assert (process.returncode, out, err) == (2, b"", b"")

    run(work())


def test_a_notice_ends_on_a_led_clock_too_while_time_stands() -> None:
    clock = VirtualClock()
    loop = clock.new_event_loop()

    async def work() -> None:
        async with receiving(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as there:
            with clock.hold("tell/n1/1"):
                found = await told([f"json://127.0.0.1:{there.port}/"], "a", "b")
            assert found.reached == 1 and clock.now() == 0.0

    try:
        loop.run_until_complete(work())
    finally:
        loop.close()
