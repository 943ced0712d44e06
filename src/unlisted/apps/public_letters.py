"""The page behind a report's link: `GET /mail/TOKEN` shows, `POST` to the same has it sent again.

Not to be kept by anybody on the way, and not to be found by search. A post from another site's page
is refused (Sec-Fetch-Site, Origin) before the form's word is looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unlisted.apps import web
from unlisted.apps.letters import Letters, Refused

MAX_TOKEN = 64
_HEADERS = {"cache-control": "no-store, private", "x-robots-tag": "noindex, nofollow"}
Rendered = Callable[..., bytes]


def letter_pages(rendered: Rendered, letters: Letters) -> list[Route]:
    """The routes. `rendered` makes a page of a template with the site's name."""

    def failed(request: Request, refused: Refused) -> Response:
        return web.failed(request, refused.status, refused.said, _HEADERS)

    async def show(request: Request) -> Response:
        found = letters.shown(request.path_params["token"][:MAX_TOKEN])
        if isinstance(found, Refused):
            return failed(request, found)
        body = rendered("public_letter.html", letter=found)
        return Response(body, media_type=web.HTML, headers=_HEADERS)

    async def again(request: Request) -> Response:
        if _foreign(request):
            return web.failed(request, 403, "This form came from another site's page.", _HEADERS)
        given = await web.form(request)
        token = request.path_params["token"][:MAX_TOKEN]
        found = await letters.again(token, given.get("confirm", "")[:64])
        if isinstance(found, Refused):
            return failed(request, found)
        return RedirectResponse(request.url.path, status_code=303, headers=_HEADERS)

    return [
        Route("/mail/{token}", show),
        Route("/mail/{token}", again, methods=["POST"]),
    ]


def _foreign(request: Request) -> bool:
    """Whether a browser says that the form stands on another site. What says nothing is no browser
    of today, and must still know the form's word."""
    site = request.headers.get("sec-fetch-site", "")
    if site:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin", "")
    host = request.headers.get("host", "")
    # "null": the page's own policy tells no referrer, so its form has no origin either.
    return origin not in ("", "null") and urlsplit(origin).netloc.lower() != host.lower()
