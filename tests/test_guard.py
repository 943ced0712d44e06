"""What conftest promises to every test: nothing leaves loopback, no skip passes unseen."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = "192.0.2.1"  # RFC 5737: nobody's


def connect() -> None:
    with socket.socket() as tried:
        tried.connect((OUTSIDE, 25))


def connect_ex() -> None:
    with socket.socket() as tried:
        tried.connect_ex((OUTSIDE, 25))


def sendto() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as tried:
        tried.sendto(b"?", (OUTSIDE, 53))


def sendmsg() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as tried:
        tried.sendmsg([b"?"], [], 0, (OUTSIDE, 53))


def over_ipv6() -> None:
    with socket.socket(socket.AF_INET6) as tried:
        tried.connect(("2001:db8::1", 25))


def by_asyncio() -> None:
    async def talk() -> None:
        await asyncio.open_connection(OUTSIDE, 25)

    asyncio.run(talk())


def look_up() -> None:
    socket.getaddrinfo("mail.example.org", 25)


@pytest.mark.parametrize(
    "leave", [connect, connect_ex, sendto, sendmsg, over_ipv6, by_asyncio, look_up]
)
def test_leaving_loopback_fails_before_anything_is_sent(
    leave: Callable[[], None], left_loopback: list[str]
) -> None:
    with pytest.raises(AssertionError, match="must not leave loopback"):
        leave()
    assert left_loopback
    left_loopback.clear()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.8.7", "localhost", "::1"])
def test_loopback_is_free(host: str, left_loopback: list[str]) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        socket.create_connection((host, server.getsockname()[1])).close()
    assert left_loopback == []


def test_a_free_port_is_given_once_and_can_be_bound(free_port: Callable[..., int]) -> None:
    ports = {free_port() for _ in range(20)}
    assert len(ports) == 20
    with socket.create_server(("127.0.0.1", ports.pop())):
        pass


INNER = """
import socket, pytest

def test_swallows():
    try:
        socket.create_connection(("192.0.2.1", 25))
    except AssertionError:
        pass

def test_skips():
    pytest.skip("no wish to")

def test_fails_as_agreed(request):
    request.applymarker(pytest.mark.xfail(reason="known"))
    assert False

def test_needs(requires):
    requires("no-such-program")
"""


@pytest.mark.parametrize(
    ("no_skips", "outcome"),
    [("", "1 failed, 2 skipped, 1 xfailed"), ("1", "3 failed, 1 xfailed")],
)
def test_a_swallowed_leak_fails_and_so_does_a_skip_where_none_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_skips: str, outcome: str
) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_inner.py").write_text(INNER)
    monkeypatch.setenv("UNLISTED_NO_SKIPS", no_skips)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert outcome in done.stdout, done.stdout
