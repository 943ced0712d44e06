"""The stage: the page of a run, on a free port of loopback, served from a thread of its own.

The world's thread only hands over pictures (`publish`), between two steps and at most twice a real
second; everything a browser asks for is answered from the last of them, so nobody who looks can
touch the run. The operator's API is read only while somebody looks, at most every two real seconds.
Refuses to be anywhere but on loopback.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
import time
import webbrowser
from collections.abc import Callable

import msgspec

from unlisted_sandbox import stage_page
from unlisted_sandbox.stage_ask import AskError, Faces, Told, read_all, sign_in_link
from unlisted_sandbox.stage_http import Answer, PageServer, plain
from unlisted_sandbox.stage_view import Stage

HOST = "127.0.0.1"
PICTURE_EVERY_REAL_S = 0.5
TOLD_EVERY_REAL_S = 2.0
START_REAL_S = 10.0
_MESSAGE = re.compile(r"/story/(m\d{1,18})")
FILES = {
    "/stage.css": "text/css; charset=utf-8",
    "/stage.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml",
}


class StageError(Exception):
    """The page cannot be served."""


class StageServer:
    """One page for one run."""

    def __init__(self) -> None:
        self.url = ""
        self._stage: Stage | None = None
        self._faces: Faces | None = None
        self._told = Told()
        self._told_real = -1e9
        self._told_number = 0
        self._asking: asyncio.Lock | None = None
        self._drawn: tuple[Stage | None, Told, bytes] = (None, self._told, b"")
        self._published_real = -1e9
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._failure = ""

    # For the world's thread

    def start(self) -> str:
        """Serve; the address of the page."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="stage", daemon=True)
        self._thread.start()
        if not ready.wait(START_REAL_S) or not self.url:
            raise StageError(f"the stage page cannot be served: {self._failure or 'no answer'}")
        return self.url

    def meet(self, faces: Faces) -> None:
        """The product answers there from now on."""
        self._faces = faces

    def is_due(self) -> bool:
        """Whether a new picture is wanted."""
        return time.monotonic() - self._published_real >= PICTURE_EVERY_REAL_S

    def publish(self, stage: Stage) -> None:
        self._published_real = time.monotonic()
        self._stage = stage

    def stop(self) -> None:
        loop, stop, thread = self._loop, self._stop, self._thread
        if loop is not None and stop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        if thread is not None:
            thread.join(5.0)

    # In the thread of the page

    def _run(self, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(ready))
        except OSError as error:
            self._failure = error.strerror or str(error)
        finally:
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._asking = asyncio.Lock()
        server = PageServer(self.give)
        host, port = await server.start(HOST)
        self.url = f"http://{host}:{port}/"
        ready.set()
        await self._stop.wait()
        server.stop()

    async def give(self, path: str) -> Answer:
        """What there is at a path."""
        if path in FILES:
            return Answer(stage_page.file(path[1:]), FILES[path])
        if path == "/public" or path == "/operator" or path.startswith("/story/"):
            return await self._go(path)
        stage = self._stage
        if path not in ("/", "/parts.json", "/stage.json"):
            return plain(404, "there is no such page")
        if stage is None:
            if path == "/":
                return Answer(stage_page.waiting("The world is being made ready; one moment."))
            return Answer(b'{"number":-1,"title":"","over":false,"parts":{}}', "application/json")
        if path == "/stage.json":
            return Answer(msgspec.json.encode(stage), "application/json")
        told = await self._ask()
        if path == "/":
            return Answer(stage_page.page(stage, told, self._faces is not None))
        if self._drawn[0] is not stage or self._drawn[1] is not told:
            body = msgspec.json.encode(
                {
                    # Grows with either: a picture or an answer of the product.
                    "number": f"{stage.number}/{self._told_number}",
                    "title": stage_page.title(stage),
                    "over": stage.over,
                    "parts": stage_page.parts(stage, told),
                }
            )
            self._drawn = (stage, told, body)
        return Answer(self._drawn[2], "application/json")

    async def _ask(self) -> Told:
        """What the operator's API says, as of two seconds ago at most."""
        if self._faces is None or self._asking is None or self._asking.locked():
            return self._told  # somebody asks already: what was told before will do
        async with self._asking:
            if time.monotonic() - self._told_real >= TOLD_EVERY_REAL_S:
                told = await read_all(self._faces, self._told)
                self._told_real = time.monotonic()
                if told != self._told:
                    self._told, self._told_number = told, self._told_number + 1
        return self._told

    async def _go(self, path: str) -> Answer:
        """On to a page of the product; a link to the operator's is made now and works once."""
        faces = self._faces
        if faces is None:
            return Answer(stage_page.waiting("unlisted is not running yet, or not in this run."))
        if path == "/public":
            return Answer(status=302, location=faces.public_url)
        goal = "/"
        if path != "/operator":
            found = _MESSAGE.fullmatch(path)
            if found is None:
                return plain(404, "there is no such message")
            goal = f"/message?id={found[1]}"
        try:
            return Answer(status=302, location=await sign_in_link(faces, goal))
        except AskError as error:
            return Answer(stage_page.waiting(f"No sign-in link just now: {error}."), status=502)


def show(url: str, say: Callable[[str], None] | None = None) -> None:
    """Tell the person where to look, and open it where there is a screen."""
    (say or _say)(f"Open {url}")
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        # In a thread: some browsers are run, not asked, and block whoever opens them.
        threading.Thread(target=_open, args=(url,), daemon=True).start()


def _open(url: str) -> None:
    try:
        webbrowser.open(url)
    except (webbrowser.Error, OSError):
        return  # the line with the address stands in the terminal


def _say(line: str) -> None:
    print(line, flush=True)
