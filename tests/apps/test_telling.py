"""Webhooks and notices of the service as a process: killed, started again, and tried by command."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.apps.test_posting import A, Site
from tests.edge.hook_receiver import HANG, SECRET, genuine, receiving

from unlisted.apps import serve
from unlisted.apps.settings import load
from unlisted.apps.telling import read_telling
from unlisted.config_file import ConfigError
from unlisted.edge.service import open_runner

BASE = f"""
hostname = "mx.example.org"
secret = "{"5a" * 32}"
[smtp]
listen = ["127.0.0.1:0"]
[http]
public = "127.0.0.1:0"
operator = "127.0.0.1:0"
[[pools]]
name = "main"
addresses = ["{A}", "127.0.9.2"]
helo = "out.example.org"
"""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def hook(port: int, more: str = "") -> str:
    return (
        f'[[webhooks]]\nurl = "http://127.0.0.1:{port}/hook"\nsecret = "{SECRET}"\n'
        f'allow = ["127.0.0.0/8"]\n{more}\n'
    )


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 110))


async def started(folder: Path, *words: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "unlisted", *words, cwd=folder, stdout=pipe, stderr=pipe
    )


async def typed(folder: Path, *words: str) -> tuple[int | None, str]:
    process = await started(folder, *words)
    out, err = await process.communicate()
    return process.returncode, (out + err).decode()


async def opened(folder: Path) -> None:
    """A journal whose writer was killed when an incident had opened and nobody was told yet."""
    settings = load(folder / "unlisted.toml")
    secret = serve.site_secret(settings)
    told = read_telling(settings, secret)
    settings.state.mkdir()
    runner = open_runner(settings.state, secret)
    policy = settings.config.policy
    await Site._open(
        runner, time.time(), policy=policy, webhooks=told.subscriptions, notices=told.notices
    )
    runner.journal.close()


def outbox(folder: Path) -> list[str]:
    with sqlite3.connect(f"file:{folder}/var/journal.db?mode=ro", uri=True) as db:
        found = [
            str(key) for (key,) in db.execute("select key from outbox where key like 'tell/%'")
        ]
    db.close()
    return found


def test_a_kill_between_commit_and_answer_repeats_the_call_under_its_id_and_loses_none(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        async with receiving(HANG) as there, receiving(OK) as pager:
            notify = f'[notify]\nurls = ["json://127.0.0.1:{pager.port}/"]\n'
            (tmp_path / "unlisted.toml").write_text(BASE + notify + hook(there.port))
            await opened(tmp_path)
            waiting = outbox(tmp_path)
            assert len(waiting) == 3  # incident opened, post published, the operator's notice
            first = await started(tmp_path, "serve")
            await there.count(2)
            first.send_signal(signal.SIGKILL)
            await first.communicate()
            calls = [key for key in waiting if key.count("/") == 3]
            assert set(calls) <= set(outbox(tmp_path))
            ids = {one.fields["webhook-id"] for one in there.requests}
            there.answers[:] = [204]
            second = await started(tmp_path, "serve")
            await there.count(4)
            await pager.count(1)
            again = there.requests[2:]
            assert {one.fields["webhook-id"] for one in again} == ids and len(ids) == 2
            assert all(genuine(SECRET, one, time.time()) for one in again)
            bodies = [{one.body for one in part} for part in (there.requests[:2], again)]
            assert bodies[0] == bodies[1]
            second.send_signal(signal.SIGTERM)
            _, err = await second.communicate()
            assert second.returncode == 0, err
            # A notice that was being handed over when it stopped would be repeated; no webhook is left.
            assert not set(calls) & set(outbox(tmp_path))
            assert len(there.requests) == 4  # what was answered is not told again
            title = json.loads(pager.requests[0].body)["title"]
            assert A in title and "list" in title
            code, said = await typed(tmp_path, "journal", "replay")
            assert code == 0, said
            _, facts = await typed(tmp_path, "journal", "export")
            assert "/hook" not in facts and SECRET not in facts and "json://" not in facts

    run(work())


def test_a_draft_a_call_and_a_miss_reach_the_person_on_duty(tmp_path: Path) -> None:
    async def work() -> None:
        async with receiving(OK) as anna, receiving(OK) as ben, receiving(OK) as common:
            people = "".join(
                f'[[duty.people]]\nname = "{name}"\nurls = ["json://127.0.0.1:{one.port}/"]\n'
                for name, one in (("anna", anna), ("ben", ben))
            )
            (tmp_path / "unlisted.toml").write_text(
                BASE + "[policy]\nposts_by = \"person\"\nupdate_first_s = 6.0\n"
                "update_margin_s = 1.0\ndraft_margin_s = 4.0\nduty_margin_s = 2.0\n"
                f'[notify]\nurls = ["json://127.0.0.1:{common.port}/"]\n'
                + people + '[[duty.shifts]]\nperson = "anna"\n'
            )  # fmt: skip
            await opened(tmp_path)
            process = await started(tmp_path, "serve")
            await anna.count(3)
            await common.count(1)
            process.send_signal(signal.SIGTERM)
            await process.communicate()
            told = [json.loads(one.body)["title"] for one in anna.requests]
            for word in ("a draft waits", "not posted", "deadline missed"):
                assert any(word in title for title in told), told
            assert not ben.requests and len(common.requests) == 1
            assert "listed on" in json.loads(common.requests[0].body)["title"]

    run(work())


def test_a_test_of_all_says_what_came_back(tmp_path: Path) -> None:
    (tmp_path / "pager.urls").write_text("# common\n")

    async def work() -> None:
        async with receiving(204) as there, receiving(OK) as pager:
            (tmp_path / "pager.urls").write_text(
                f"# all\njson://pat:word@127.0.0.1:{pager.port}/\n"
            )
            (tmp_path / "pager.urls").chmod(0o600)
            file = '[notify]\nurls_file = "pager.urls"\n'
            (tmp_path / "unlisted.toml").write_text(BASE + file + hook(there.port))
            code, said = await typed(tmp_path, "notify", "test")
            assert code == 0, said
            assert "status 204" in said and "reached" in said and "word" not in said
            assert json.loads(there.requests[0].body)["type"] == "test"
            there.answers[:] = [500]
            code, said = await typed(tmp_path, "notify", "test", "--webhooks", "--json")
            (row,) = json.loads(said)
            assert code == 1 and row["code"] == 500 and not row["reached"]
            assert len(pager.requests) == 1
        code, said = await typed(tmp_path, "notify", "test", "--notices")
        assert code == 1 and "NOT REACHED" in said
        (tmp_path / "unlisted.toml").write_text(BASE)
        assert (await typed(tmp_path, "notify", "test"))[0] == 3

    run(work())


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ('[notify]\nurls_file = "open"\n', "0600"),
        ('[notify]\nurls_file = "none"\n', "cannot be read"),
        ('[notify]\nurls_file = "empty"\n', "is empty"),
        ('[notify]\nurls = ["not an address"]\n', "scheme"),
        ('[notify]\nwhat = ["everything"]\n', "duty"),
        (hook(1).replace(SECRET, "whsec_abc"), "base64"),
        (hook(1).replace("secret =", "secret_file = \"open\"\n#"), "0600"),
        (hook(1).replace('allow = ["127.0.0.0/8"]', ""), "https"),
        (hook(1).replace("127.0.0.1:1", "name.example"), "resolver"),
        (hook(1).replace("http:", "ftp:"), "https://HOST"),
        (hook(1).replace("127.0.0.1:1", "pat:word@127.0.0.1"), "https://HOST"),
        (hook(1, 'events = ["mail.sent"]'), "incident.opened"),
        (hook(1).replace("127.0.0.0/8", "here"), "no network"),
        (hook(1, 'ca_file = "none"'), "no file"),
        ('[duty]\nzone = "Mars/Olympus"\n', "no zone"),
        ('[[duty.people]]\nname = "anna"\n', "how to reach"),
        ('[[duty.shifts]]\nperson = "anna"\n', "no \"anna\""),
        ('[[duty.shifts]]\nperson = "a"\ndays = "someday"\n', "mon-fri"),
        ('[[duty.shifts]]\nperson = "a"\nbegin = "25:00"\n', "08:00"),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_named_without_their_secrets(
    tmp_path: Path, more: str, word: str
) -> None:
    (tmp_path / "open").write_text(SECRET)
    (tmp_path / "open").chmod(0o644)
    (tmp_path / "empty").touch(0o600)
    (tmp_path / "unlisted.toml").write_text(BASE + more)
    with pytest.raises(ConfigError, match=word) as found:
        read_telling(load(tmp_path / "unlisted.toml"), bytes(32))
    assert SECRET not in str(found.value) and "word@" not in str(found.value)


def test_a_week_of_duty_is_read(tmp_path: Path) -> None:
    (tmp_path / "unlisted.toml").write_text(
        BASE + '[duty]\nzone = "Europe/Berlin"\n'
        '[[duty.people]]\nname = "anna"\nurls = ["ntfy://anna"]\n'
        '[[duty.people]]\nname = "ben"\nurls = ["ntfy://ben"]\n'
        '[[duty.shifts]]\nperson = "anna"\ndays = "mon-fri"\nbegin = "08:00"\nend = "18:00"\n'
        '[[duty.shifts]]\nperson = "ben"\ndays = "sat,sun"\n'
    )
    telling = read_telling(load(tmp_path / "unlisted.toml"), bytes(32))
    assert telling.board is not None and "duty" in telling.notices
    assert telling.board.addresses("duty", 1_795_392_000.0 + 9 * 3600) == ("ntfy://anna",)
    assert telling.board.addresses("duty", 1_795_392_000.0 - 9 * 3600) == ("ntfy://ben",)


def test_a_webhook_has_another_name_with_another_address_or_secret(tmp_path: Path) -> None:
    other = SECRET.replace("A", "B")
    names = []
    for text in (hook(1), hook(2), hook(1).replace(SECRET, other), hook(1)):
        (tmp_path / "unlisted.toml").write_text(BASE + text)
        (subscription,) = read_telling(load(tmp_path / "unlisted.toml"), bytes(32)).subscriptions
        names.append(subscription.hook)
    assert len(set(names)) == 3 and names[0] == names[3]
