"""Headless Chromium over its DevTools pipe: what a person's browser does, step by step.

The protocol (Chrome DevTools Protocol 1.3) runs over two inherited pipes, one JSON text per
message, ended by a zero byte: no port, no driver, no second program. One browser serves a whole
run; each test gets a context of its own, so no cookie outlives it. Every request a page makes is
kept in `Page.requests`, names resolve to nothing, and every wait has an end.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0  # real: a loaded machine is slow, a hung browser must not hang the run
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--allow-file-access-from-files",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE 127.0.0.2",
    "--remote-debugging-pipe",
)


class BrowserError(AssertionError):
    """The browser did not do it, or not in time: what was asked, and what it said."""


class Chromium:
    """One browser process; `page()` opens a page in a context without any history."""

    def __init__(self, program: str, folder: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        # It reads from descriptor 3 and writes to 4; a shell puts ours there.
        move = f'exec nice "$@" 3<&{to_browser} 4>&{from_browser}'
        self._log = (folder / "chromium.log").open("wb")
        self._process = subprocess.Popen(
            ["bash", "-c", move, "chromium", program, *FLAGS, f"--user-data-dir={folder / 'user'}"],
            pass_fds=(to_browser, from_browser),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "HOME": str(folder), "NO_AT_BRIDGE": "1"},
        )
        os.close(to_browser)
        os.close(from_browser)
        self._rest = b""
        self._number = 0
        self._events: deque[dict[str, Any]] = deque()

    def close(self) -> None:
        with contextlib.suppress(OSError, BrowserError):
            self.ask("Browser.close")
        for end in (self._out, self._in):
            with contextlib.suppress(OSError):
                os.close(end)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def ask(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """The result of one command; BrowserError if it is refused."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + PATIENCE_S
        while True:
            told = self._next(until, method)
            if told.get("id") != number:
                self._events.append(told)
            elif "error" in told:
                raise BrowserError(f"{method}: {told['error']}")
            else:
                return dict(told["result"])

    def events(self, session: str, wait_s: float = 0.0) -> Iterator[dict[str, Any]]:
        """What this page has told since the last call; waits `wait_s` for the first of it."""
        with contextlib.suppress(TimeoutError):
            if not any(e.get("sessionId") == session for e in self._events):
                self._events.append(self._next(time.monotonic() + wait_s, "", TimeoutError))
        kept: deque[dict[str, Any]] = deque()
        while self._events:
            event = self._events.popleft()
            if event.get("sessionId") == session:
                yield event
            else:
                kept.append(event)
        self._events = kept

    def _next(
        self, until: float, what: str, late: type[Exception] = BrowserError
    ) -> dict[str, Any]:
        while b"\0" not in self._rest:
            left = until - time.monotonic()
            ready, _, _ = select.select([self._in], [], [], max(0.0, left))
            if not ready:
                raise late(f"no answer to {what} in time")
            more = os.read(self._in, 1 << 20)
            if not more:
                raise BrowserError(f"the browser ended during {what}")
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(line))

    @contextlib.contextmanager
    def page(self, width: int = 1400, height: int = 900) -> Iterator[Page]:
        context = self.ask("Target.createBrowserContext")["browserContextId"]
        try:
            target = self.ask("Target.createTarget", url="about:blank", browserContextId=context)[
                "targetId"
            ]
            session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            page = Page(self, session)
            page.size(width, height)
            yield page
        finally:
            self.ask("Target.disposeBrowserContext", browserContextId=context)


class Page:
    """One page: go somewhere, look, measure, click by script of the test's own."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = 0
        self.requests: list[str] = []
        for domain in ("Page", "Network", "Runtime"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.ask(method, self._session, **params)

    def size(self, width: int, height: int) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def media(self, scheme: str = "light", medium: str = "screen") -> None:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.ask("Emulation.setEmulatedMedia", media=medium, features=[feature])

    def script(self, allowed: bool) -> None:
        """Whether the page's own script runs; `look` works either way."""
        self.ask("Emulation.setScriptExecutionDisabled", value=not allowed)

    def goto(self, url: str) -> None:
        """Ends when the page and all it needs has loaded."""
        self.heard()
        before = self._loaded
        error = self.ask("Page.navigate", url=url).get("errorText")
        if error:
            raise BrowserError(f"{url}: {error}")
        until = time.monotonic() + PATIENCE_S
        while self._loaded == before:
            if time.monotonic() > until:
                raise BrowserError(f"{url} did not load")
            self.heard(0.5)

    def heard(self, wait_s: float = 0.0) -> None:
        for event in self._browser.events(self._session, wait_s):
            if event["method"] == "Page.loadEventFired":
                self._loaded += 1
            elif event["method"] == "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])

    def look(self, expression: str) -> Any:
        """The value of a JavaScript expression (a promise is awaited) in the page."""
        result = self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in result:
            raise BrowserError(f"{expression[:80]}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def until(self, expression: str) -> Any:
        """Waits until the expression is true: across redirects and reloads."""
        end = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(BrowserError):  # between two documents there is none
                if seen := self.look(expression):
                    return seen
            if time.monotonic() > end:
                raise BrowserError(f"never true: {expression}; the page says:\n{self.text()}")
            self.heard(0.1)

    def text(self) -> str:
        return str(self.look("document.body ? document.body.innerText : ''"))

    def html(self) -> str:
        return str(self.look("document.documentElement.outerHTML"))

    def overflow(self) -> int:
        """Pixels that the page is wider than its window: 0 where nothing runs over the edge."""
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.look(wide))

    def ground(self) -> float:
        """Brightness (0-255) of what the page is drawn on."""
        colour = self.look(
            "(e => {let c; do {c = getComputedStyle(e).backgroundColor; e = e.parentElement}"
            " while (e && c === 'rgba(0, 0, 0, 0)'); return c.match(/[0-9.]+/g).map(Number)})"
            "(document.body)"
        )
        if len(colour) == 4 and colour[3] == 0:
            return 255.0  # nothing painted: the canvas is white
        return float(sum(colour[:3]) / 3)

    def picture(self, file: Path, whole: bool = False) -> None:
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))
