"""Both faces in headless Chromium: nothing overflows, nothing is fetched from elsewhere.

Pages have no script and forbid frames, so the measuring is done on Chromium's own pictures of
them, read here: an edge that is not plain is a text that runs over it.
"""

import http.server
import os
import struct
import subprocess
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.health import records

from unlisted.facts import RecordImported
from unlisted.health.importer import read_record

pytestmark = pytest.mark.browser
WIDTHS = [360, 1400]


class Chromium:
    """One profile, so that a sign-in lasts from one start to the next."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder

    def run(self, url: str, *more: str) -> str:
        done = subprocess.run(
            [
                "nice",
                self.program,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--hide-scrollbars",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                f"--user-data-dir={self.folder / 'profile'}",
                *more,
                url,
            ],
            capture_output=True,
            text=True,
            timeout=100,
            env={**os.environ, "HOME": str(self.folder), "NO_AT_BRIDGE": "1"},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def shot(self, url: str, name: str, size: tuple[int, int], *more: str) -> "Picture":
        file = self.folder / f"{name}.png"
        self.run(url, f"--window-size={size[0]},{size[1]}", f"--screenshot={file}", *more)
        return Picture(file.read_bytes())


class Picture:
    """A PNG as Chromium writes it: 8 bits, RGB or RGBA, not interlaced."""

    def __init__(self, data: bytes) -> None:
        self.width, self.height, depth, kind = struct.unpack(">IIBB", data[16:26])
        assert depth == 8 and kind in (2, 6)
        at, packed = 8, b""
        while at < len(data):
            (length,) = struct.unpack(">I", data[at : at + 4])
            if data[at + 4 : at + 8] == b"IDAT":
                packed += data[at + 8 : at + 8 + length]
            at += 12 + length
        self.step = 3 if kind == 2 else 4
        self.rows = self._unfiltered(zlib.decompress(packed))

    def _unfiltered(self, raw: bytes) -> list[bytes]:
        step, line = self.step, self.width * self.step
        rows: list[bytes] = []
        above = bytearray(line)
        for y in range(self.height):
            start = y * (line + 1)
            kind, row = raw[start], bytearray(raw[start + 1 : start + 1 + line])
            for x in range(line):
                left = row[x - step] if x >= step else 0
                up = above[x]
                corner = above[x - step] if x >= step else 0
                if kind == 1:
                    add = left
                elif kind == 2:
                    add = up
                elif kind == 3:
                    add = (left + up) // 2
                elif kind == 4:
                    guess = left + up - corner
                    near = sorted((abs(guess - v), i, v) for i, v in enumerate((left, up, corner)))
                    add = near[0][2]
                else:
                    add = 0
                row[x] = (row[x] + add) & 255
            rows.append(bytes(row))
            above = row
        return rows

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        at = x * self.step
        red, green, blue = self.rows[y][at : at + 3]
        return red, green, blue

    def brightness(self) -> float:
        """Of the page's ground, top left."""
        return sum(self.pixel(1, 1)) / 3

    def column_is_plain(self, x: int) -> bool:
        """Whether nothing is drawn in this column: no text runs over the edge."""
        return len({self.pixel(x, y) for y in range(self.height)}) == 1


@pytest.fixture
def chromium(requires: Callable[[str], str], tmp_path: Path) -> Chromium:
    (tmp_path / "browser").mkdir()
    return Chromium(requires("chromium"), tmp_path / "browser")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("face", ["public", "imported", "operator"])
def test_a_page_fits_its_window_in_light_and_dark(
    ended: Any, ended_faces: Any, chromium: Chromium, face: str, scheme: str, width: int
) -> None:
    if face == "imported":
        record = msgspec.json.encode(read_record(records.text().encode())).decode()
        ended.add(RecordImported(at=1.0, id="MX100200", record=record, digest="", actor="ada"))
        host, port = ended_faces.public
        url = f"http://{host}:{port}/incidents/MX100200"
    elif face == "public":
        host, port = ended_faces.public
        url = f"http://{host}:{port}/incidents/MX1"
    else:
        url = ended_faces.link()
    wanted = f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}"
    # Shorter windows: reading a picture in plain Python costs time, the top shows enough.
    picture = chromium.shot(url, face, (width, 600), wanted)
    assert (picture.width, picture.height) == (width, 600)
    assert (picture.brightness() > 200) == (scheme == "light")
    assert picture.column_is_plain(width - 2) and picture.column_is_plain(1)


def test_a_page_has_no_script_to_run_and_lets_none_run(
    ended_faces: Any, chromium: Chromium
) -> None:
    host, port = ended_faces.public
    page = chromium.run(f"http://{host}:{port}/incidents/MX1", "--dump-dom")
    assert "Service restored" in page and "<script" not in page and "javascript:" not in page
    policy = ended_faces.get("/incidents/MX1").headers["content-security-policy"]
    assert "script-src" not in policy and policy.startswith("default-src 'none'")


def test_a_sign_in_link_followed_from_another_site_signs_in(
    ended_faces: Any, chromium: Chromium
) -> None:
    # A browser holds Strict cookies back along the redirect after such a click.
    link = ended_faces.post("/api/signin-links", {"path": "/message?id=m1"}).json()["url"]

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'<meta http-equiv="refresh" content="0; url={link}">'.encode()
            self.send_response(200 if self.path == "/" else 404)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(body if self.path == "/" else b"")

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.2", 0), Elsewhere) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = chromium.run(
            f"http://127.0.0.2:{server.server_address[1]}/",
            "--dump-dom",
            "--virtual-time-budget=5000",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE 127.0.0.2",
        )
        server.shutdown()
    assert "Message m1" in page and "Sign in" not in page
