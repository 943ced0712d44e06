"""Which role each route of the operator's page needs, and the one gate that asks.

Roles: a viewer looks; an operator acts on senders, holds and the queue; a communicator writes posts
and revises incidents; an approver publishes what waits, and records. Every role may look.
`token`: only who holds the token of the state folder, which is every role, for the first set-up.
A route that the table does not name may be read by a viewer; nothing else may be done with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from unlisted.apps import web
from unlisted.edge.staff import ROLES

if TYPE_CHECKING:
    from unlisted.apps.operator import Operator

ANYBODY, TOKEN = "", "token"
EVERY = (*ROLES, TOKEN)
VIEWER, OPERATOR, COMMUNICATOR, APPROVER = ROLES
NEEDS: dict[tuple[str, str], str] = {
    ("GET", "/"): ANYBODY,  # asks to sign in
    ("GET", "/style.css"): ANYBODY,
    ("GET", "/favicon.ico"): ANYBODY,
    ("GET", "/favicon.svg"): ANYBODY,
    ("POST", "/signin"): ANYBODY,
    ("GET", "/signin/{code}"): ANYBODY,
    ("POST", "/signout"): VIEWER,
    ("POST", "/holds/{id}/release"): OPERATOR,
    ("POST", "/api/holds/{id}/release"): OPERATOR,
    ("POST", "/api/reports"): OPERATOR,
    ("POST", "/api/resend"): OPERATOR,
    ("POST", "/resend"): OPERATOR,
    ("GET", "/incidents/{id}/post"): COMMUNICATOR,
    ("POST", "/incidents/{id}/post"): COMMUNICATOR,
    ("POST", "/api/incidents/{id}/posts"): COMMUNICATOR,
    ("POST", "/api/incidents/{id}/review"): COMMUNICATOR,  # to publish it: APPROVER
    ("POST", "/incidents/{id}/revise"): COMMUNICATOR,
    ("POST", "/api/incidents/{id}/revisions"): COMMUNICATOR,
    ("POST", "/incidents/{id}/merge"): APPROVER,
    ("POST", "/api/incidents/{id}/merge"): APPROVER,
    ("POST", "/incidents/{id}/split"): APPROVER,
    ("POST", "/api/incidents/{id}/split"): APPROVER,
    ("POST", "/incidents/{id}/drafts/{number:int}"): APPROVER,
    ("POST", "/api/incidents/{id}/drafts/{number:int}/approve"): APPROVER,
    ("POST", "/api/incidents/{id}/drafts/{number:int}/reject"): APPROVER,
    ("POST", "/api/records"): APPROVER,
    ("POST", "/api/signin-links"): TOKEN,
    ("GET", "/api/people"): TOKEN,
    ("POST", "/api/people"): TOKEN,
    ("POST", "/api/people/{name}/remove"): TOKEN,
}


class Who(msgspec.Struct, frozen=True):
    """Somebody who was let in. `actor` empty: the token, whose holder names the actor."""

    actor: str
    roles: tuple[str, ...]

    def may(self, role: str) -> bool:
        return role == VIEWER or role in self.roles

    @property
    def shown(self) -> str:
        """The roles as a person reads them."""
        return "every role" if TOKEN in self.roles else ", ".join(self.roles)

    @property
    def recorded(self) -> str:
        """The roles as a fact has them."""
        return TOKEN if TOKEN in self.roles else ",".join(self.roles)


def needed(method: str, path: str) -> str:
    """The role that a route needs."""
    method = "GET" if method == "HEAD" else method
    return NEEDS.get((method, path), VIEWER if method == "GET" else TOKEN)


def guarded(face: Operator, route: Route) -> Route:
    """The route behind the gate: 401 for nobody, 403 for who has not the role."""
    inside: Callable[[Request], Awaitable[Response]] = route.endpoint

    async def answer(request: Request) -> Response:
        refused = refusal(face, request, needed(request.method, route.path))
        return await inside(request) if refused is None else refused

    methods = sorted(route.methods or ()) or None
    return Route(route.path, answer, methods=methods, name=route.name)


def refusal(face: Operator, request: Request, role: str) -> Response | None:
    """Why not, as an answer; None: go on."""
    if role == ANYBODY:
        return None
    who = face.who(request)
    if who is None:
        if not request.url.path.startswith("/api/"):
            return face.ask(request)
        words = "sign in, or send the operator's token"
        return web.failed(request, 401, words, {"www-authenticate": "Bearer"})
    if who.may(role):
        return None
    what = "the token of the state folder" if role == TOKEN else f"the role {role}"
    said = f"This needs {what}; {who.actor or 'you'} has {who.shown}. Nothing was changed."
    return web.failed(request, 403, said)
