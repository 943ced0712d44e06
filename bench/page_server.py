"""`unlisted serve` with one more route on its public face: /constant/N, N octets that never change.

It is the first route, so that the constant page pays the least for being found; its answer is made
once. Nothing else differs from `unlisted serve`; only bench/page.py starts it.
"""

from __future__ import annotations

import sys
from functools import cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unlisted import __main__
from unlisted.apps import public


@cache
def made(size: int) -> Response:
    return Response(b"x" * size, media_type="text/html; charset=utf-8")


async def constant(request: Request) -> Response:
    return made(request.path_params["size"])


class Measured(public.Public):
    """The public face with the constant page."""

    def __init__(self, *given: object, **named: object) -> None:
        super().__init__(*given, **named)  # type: ignore[arg-type]
        self.starlette.router.routes.insert(0, Route("/constant/{size:int}", constant))


if __name__ == "__main__":
    public.Public = Measured  # type: ignore[misc]
    sys.exit(__main__.main())
