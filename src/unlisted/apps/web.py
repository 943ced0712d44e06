"""What both faces share: templates, the stylesheet, error answers, ETag and HEAD (RFC 9110 §8.8.3).

Templates are strict: a page whose value is missing fails rather than shows nothing. Everything is
escaped. Errors are small: JSON below /api/, a page elsewhere, never a traceback.
"""

from __future__ import annotations

import hashlib
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec
from msgspec import structs
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from unlisted.apps import words
from unlisted.apps.terminal import plain

if TYPE_CHECKING:
    from jinja2 import Environment

HTML = "text/html; charset=utf-8"
PAGES = Path(__file__).parent / "pages"
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
    '<rect width="16" height="16" rx="3" fill="#1d5fa8"/>'
    '<path d="M3 5h10v6H3z M3 5l5 4 5-4" fill="none" stroke="#fff" stroke-width="1.3"/></svg>'
)


@cache
def _environment() -> Environment:
    # Imported with the first page: 0.2 CPU s that a start need not wait for.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_tame,
    )
    made.filters["clock"] = words.clock
    made.filters["minute"] = lambda at: words.clock(at, seconds=False)
    made.filters["iso"] = words.iso
    made.filters["basis"] = lambda basis: words.BASIS.get(basis, basis)
    made.filters["span"] = words.span
    return made


def _tame(value: Any) -> Any:
    # What a receiver answered must not turn round the words beside it (UTS 39, bidi controls).
    return plain(value) if type(value) is str else value


def tamed(value: Any) -> Any:
    """The same with each text in it as a page would show it: for readers that are programs."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, msgspec.Struct):
        fields = value.__struct_fields__
        return structs.replace(value, **{name: tamed(getattr(value, name)) for name in fields})
    if isinstance(value, dict):
        return {tamed(name): tamed(one) for name, one in value.items()}
    return type(value)(map(tamed, value)) if isinstance(value, tuple | list) else value


def rendered(template: str, **values: Any) -> str:
    """A page as text."""
    return _environment().get_template(template).render(**values)


def page(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A rendered page with its ETag."""
    return tagged(request, rendered(template, **values).encode(), HTML, status)


def data(request: Request, value: Any, status: int = 200) -> Response:
    """A JSON answer with its ETag."""
    return tagged(request, msgspec.json.encode(value), "application/json", status)


class Copy:
    """A body with its ETag, made once and answered often."""

    def __init__(self, body: bytes, kind: str, status: int = 200) -> None:
        self.tag = '"' + hashlib.sha256(body).hexdigest()[:24] + '"'
        headers = {"etag": self.tag, "cache-control": "no-cache"}
        self._whole = Response(body, status_code=status, media_type=kind, headers=headers)
        self._same = Response(status_code=304, headers=headers) if status == 200 else None

    def answer(self, request: Request) -> Response:
        """The body, or 304 when the client has it already."""
        given = request.headers.get("if-none-match")
        if given is None or self._same is None:
            return self._whole
        asked = [one.strip().removeprefix("W/") for one in given.split(",")]
        return self._same if self.tag in asked or "*" in asked else self._whole


def tagged(request: Request, body: bytes, kind: str, status: int = 200) -> Response:
    """The body, or 304 when the client has it already."""
    return Copy(body, kind, status).answer(request)


async def form(request: Request) -> dict[str, str]:
    """An urlencoded form, last value of each name. Multipart is refused: no form here sends it."""
    if request.headers.get("content-type", "").split(";")[0] != "application/x-www-form-urlencoded":
        raise HTTPException(415, "expected a form")
    body = (await request.body()).decode("utf-8", "replace")
    try:
        return {name: values[-1] for name, values in parse_qs(body, max_num_fields=20).items()}
    except ValueError:
        raise HTTPException(400, "too many fields") from None


async def style(request: Request) -> Response:
    """The one stylesheet."""
    return tagged(request, _style(), "text/css; charset=utf-8")


@cache
def _style() -> bytes:
    return (PAGES / "style.css").read_bytes()


async def icon(request: Request) -> Response:
    """The icon, so that a browser's question does not end in the log."""
    return tagged(request, ICON.encode(), "image/svg+xml")


def failed(request: Request, status: int, message: str, headers: Any = None) -> Response:
    """An error as JSON below /api/, else as a page."""
    if request.url.path.startswith("/api/"):
        answer = data(request, {"error": {"code": status, "message": message}}, status)
    else:
        phrase = HTTPStatus(status).phrase
        answer = page(request, "error.html", status, code=status, phrase=phrase, message=message)
    answer.headers.update(headers or {})
    return answer


async def object_of(request: Request) -> dict[str, Any]:
    """A JSON object; nothing: an empty one."""
    body = await request.body()
    if not body:
        return {}
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise HTTPException(400, "expected a JSON object") from None


async def on_error(request: Request, exc: Exception) -> Response:
    """Starlette's handler for refusals that a route raised."""
    assert isinstance(exc, HTTPException)
    known = {404: "There is no such page.", 405: "This page cannot be used that way."}
    message = known.get(exc.status_code, exc.detail)
    headers = dict(exc.headers or {})
    if exc.status_code == 405:
        headers["allow"] = _allowed(request)
    return failed(request, exc.status_code, message, headers)


def _allowed(request: Request) -> str:
    """Every method of this address (RFC 9110 §10.2.1): Starlette names those of one route only."""
    found: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return ", ".join(sorted(found))


async def on_fault(request: Request, exc: Exception) -> Response:
    """A fault of ours: the log has the traceback, the client a sentence."""
    return failed(request, 500, "The page failed. The service's log says why.")
