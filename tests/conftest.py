"""What every test stands on: nothing leaves loopback, no silent skip, the same examples each run.

Fixtures: `requires("strace")` skips with a reason where a program is absent, `free_port()` gives a
port nobody else in this run was given, `left_loopback` is what the guard caught in this test.
Markers: `browser` requires Chromium, `debian("postfix")` requires the programs it names.
UNLISTED_NO_SKIPS=1 (set by .ci/run) turns every skip into a failure.
"""

import ipaddress
import os
import shutil
import socket
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # for `bench`, which is no part of the installed source

if TYPE_CHECKING:
    from tests.browser import Chromium

# Derandomized by default: a change fails by its own fault, not by the day's luck. A hunt with
# fresh examples is `./dev test --hypothesis-profile=hunt`.
slow_is_fine = [HealthCheck.too_slow]
settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=slow_is_fine)
settings.register_profile(
    "hunt", deadline=None, max_examples=5000, print_blob=True, suppress_health_check=slow_is_fine
)
settings.load_profile("ci")

# --- nothing leaves loopback ----------------------------------------------------------------------

LEFT_LOOPBACK: list[str] = []


def stays(host: Any) -> bool:
    """Whether talking to (or looking up) this host stays on this machine."""
    if host is None or host in ("", b"", "localhost", b"localhost", socket.gethostname()):
        return True
    text = host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else str(host)
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False  # a name: looking it up would ask a resolver
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def is_literal(host: Any) -> bool:
    try:
        ipaddress.ip_address(str(host).partition("%")[0])
    except ValueError:
        return False
    return True


def guard(event: str, args: tuple[Any, ...]) -> None:
    # An audit hook rather than patched methods: it also sees what C code and asyncio do, and
    # no test can take it off.
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        connection, address = args
        if connection.family not in (socket.AF_INET, socket.AF_INET6) or address is None:
            return
        host = address[0]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = args[0]
        if is_literal(host):  # nobody is asked for a literal; connecting to it is seen above
            return
    elif event == "socket.gethostbyaddr":
        host = args[0]
    else:
        return
    if not stays(host):
        LEFT_LOOPBACK.append(f"{event} to {host!r}")
        raise AssertionError(f"a test must not leave loopback: {LEFT_LOOPBACK[-1]}")


sys.addaudithook(guard)


@pytest.fixture
def left_loopback() -> list[str]:
    """What the guard caught; whatever is still in it at the end fails the test."""
    return LEFT_LOOPBACK


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if LEFT_LOOPBACK and report.outcome != "failed":
        # The code under test may have swallowed the guard's error.
        report.outcome = "failed"
        report.longrepr = "left loopback: " + "; ".join(LEFT_LOOPBACK)
    LEFT_LOOPBACK.clear()
    return no_skip(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return no_skip((yield))


def no_skip(report: Report) -> Report:
    if os.environ.get("UNLISTED_NO_SKIPS") and report.skipped and not hasattr(report, "wasxfail"):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {why}"
    return report


# --- what a test may ask for ----------------------------------------------------------------------


def require(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"needs the program {program}: apt install {program}")
    return found


@pytest.fixture
def requires() -> Callable[[str], str]:
    """`requires("strace")` is its path; the test is skipped where it is absent."""
    return require


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("browser"):
        require("chromium")
    for marker in item.iter_markers("debian"):
        for program in marker.args:
            require(program)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Chromium]":
    """One headless Chromium for the run (of this worker): `with browser.page(360) as page`."""
    from tests.browser import Chromium

    made = Chromium(require("chromium"), tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


GIVEN: set[int] = set()


@pytest.fixture
def free_port() -> Callable[..., int]:
    """`free_port(host="127.0.0.1")`: free for TCP and UDP, and given to one test only."""
    return find_free_port


def find_free_port(host: str = "127.0.0.1") -> int:
    # Below the kernel's own range for outgoing connections, so that no client takes the port
    # between here and the listener; each worker begins elsewhere.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    start = os.getpid() * 97
    for i in range(20_000):
        port = 11_000 + (start + i) % 20_000
        if port in GIVEN:
            continue
        try:
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                with socket.socket(family, kind) as tried:
                    tried.bind((host, port))
        except OSError:
            continue
        GIVEN.add(port)
        return port
    raise AssertionError("no free port")
