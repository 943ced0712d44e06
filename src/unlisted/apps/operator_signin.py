"""The operator's door: sign-in by name and password, by a one-time link, by the token; sign-out; people.

The cookie is HttpOnly and SameSite=Lax; a sign-in that another site's page sends is refused. People
are changed by whoever holds the token alone; passwords come in the body and go no further than
their hash.
"""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unlisted.apps import access, web
from unlisted.apps.signing import SESSION_S, Signing, Wait
from unlisted.edge.staff import Person, StaffError, named, sound, sound_roles

if TYPE_CHECKING:
    from unlisted.apps.operator import Operator

log = logging.getLogger("unlisted.signing")

COOKIE = "unlisted_session"
LINK_S = 600.0
MAX_LINKS = 32
_GOAL = re.compile(
    r"/|/message\?id=m\d{1,18}(\.\d{1,6})?|/episode\?id=e\d{1,18}[a-z]?"
)  # our own pages, nothing else
_LOST = "It could not be recorded. Nothing was changed."


class SignIns:
    """The routes. Who is signed in is `signing`'s to say."""

    def __init__(self, face: Operator, signing: Signing) -> None:
        self._face = face
        self._signing = signing
        self._links: dict[str, tuple[str, float, str]] = {}  # code -> actor, until, goal

    def routes(self) -> list[Route]:
        return [
            Route("/signin", self.signin, methods=["POST"]),
            Route("/signin/{code}", self.follow_link),
            Route("/signout", self.signout, methods=["POST"]),
            Route("/api/signin-links", self.make_link, methods=["POST"]),
            Route("/api/session", self.session),
            Route("/api/people", self.people),
            Route("/api/people", self.put_person, methods=["POST"]),
            Route("/api/people/{name}/remove", self.remove_person, methods=["POST"]),
        ]

    # ------------------------------------------------------------ links

    async def make_link(self, request: Request) -> Response:
        given = await web.object_of(request)
        try:
            actor = self._face.actor(request, given)
        except ValueError as exc:
            return web.failed(request, 400, str(exc))
        goal = given.get("path", "/")
        if not isinstance(goal, str) or not _GOAL.fullmatch(goal):
            return web.failed(request, 400, "path: expected / or /message?id=m17")
        now = time.monotonic()
        self._links = {c: v for c, v in self._links.items() if v[1] > now}
        while len(self._links) >= MAX_LINKS:
            del self._links[next(iter(self._links))]
        code = secrets.token_urlsafe(24)
        self._links[code] = (actor, now + LINK_S, goal)
        url = f"{self._face.base}/signin/{code}"
        return web.data(request, {"url": url, "expires_in_s": LINK_S}, 201)

    async def follow_link(self, request: Request) -> Response:
        if request.method == "HEAD":
            # Mail and chat programs look at links before people do; that must not use them up.
            return Response(status_code=204)
        actor, until, goal = self._links.pop(request.path_params["code"], ("", 0.0, "/"))
        if until <= time.monotonic():
            return self.ask(request, "This link was used already, or is too old.")
        return await self._signed_in(request, actor, access.Who(actor, access.EVERY), goal)

    # ------------------------------------------------------------ in and out

    async def signin(self, request: Request) -> Response:
        if request.headers.get("sec-fetch-site", "none") == "cross-site":
            raise HTTPException(403, "Sign in on this page, not from another.")
        form = await web.form(request)
        if "token" in form or "name" not in form:
            if not self._face.is_token(form.get("token", "")):
                self._signing.refused()
                return self.ask(request, "That is not the token.")
            return await self._signed_in(request, "operator", access.Who("operator", access.EVERY))
        try:
            person = await self._tried(request, form)
        except Wait as exc:
            answer = self.ask(request, f"Too many tries. Wait {exc.seconds:.0f} s.", 429)
            answer.headers["retry-after"] = f"{exc.seconds + 1:.0f}"
            return answer
        except StaffError:
            return self.ask(request, "The file of people cannot be read; the log says why.", 503)
        if person is None:
            return self.ask(request, "Name or password is wrong.")
        who = access.Who(person.name, person.roles)
        return await self._signed_in(request, person.name, who, stored=person.stored)

    async def _tried(self, request: Request, form: dict[str, str]) -> Person | None:
        client = request.client.host if request.client else ""
        name = form["name"].strip().lower()
        return await self._signing.verified(name, form.get("password", ""), client)

    async def _signed_in(
        self, request: Request, actor: str, who: access.Who, goal: str = "/", stored: str = ""
    ) -> Response:
        try:
            await self._face.act(actor, "sign_in", "operator", "", who.recorded)
        except Exception:  # the runner has logged why
            return self.ask(request, _LOST, 503)
        answer = RedirectResponse(goal, status_code=303)
        # Not Strict: a browser that follows the link from a mail or another page would then not
        # send the cookie along this redirect, and the person just signed in be asked again. What
        # a link can reach only reads; every act is a POST with the session's CSRF token.
        answer.set_cookie(
            COOKIE, self._signing.opened(actor, stored), max_age=int(SESSION_S), path="/",
            httponly=True, samesite="lax",
        )  # fmt: skip
        answer.headers["cache-control"] = "no-store"
        return answer

    async def signout(self, request: Request) -> Response:
        session = self._face.session(request)
        if session is None:
            return self.ask(request)
        await self._face.form_of(request, session)
        role = self._face.role(request)
        self._signing.closed(request.cookies.get(COOKIE, ""))
        try:
            await self._face.act(session.actor, "sign_out", "operator", "", role)
        except Exception as exc:  # the session is over in any case
            log.error("a sign-out of %s could not be recorded: %s", session.actor, exc)
        answer = RedirectResponse("/", status_code=303)
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")
        answer.headers["cache-control"] = "no-store"
        return answer

    def ask(self, request: Request, notice: str = "", status: int = 0) -> Response:
        status = status or (403 if notice else 401)
        return self._face.page(
            request, "operator_signin.html", status, csrf="", notice=notice,
            people=bool(self._signing.people()),
        )  # fmt: skip

    async def session(self, request: Request) -> Response:
        """Who asks; a session's `csrf` goes into the header X-CSRF-Token of its acts by the API."""
        who, session = self._face.who(request), self._face.session(request)
        assert who is not None  # the gate let it through
        mine = session is not None and not self._face.bearer(request)
        found: dict[str, Any] = {"actor": who.actor or None, "roles": list(who.roles)}
        return web.data(request, found | ({"csrf": session.csrf} if mine and session else {}))

    # ------------------------------------------------------------ people

    async def people(self, request: Request) -> Response:
        people = self._signing.people()
        found = [{"name": one.name, "roles": list(one.roles)} for _, one in sorted(people.items())]
        return web.data(request, found)

    async def put_person(self, request: Request) -> Response:
        staff = self._signing.staff
        given = await web.object_of(request)
        name, roles, password = (given.get(key) for key in ("name", "roles", "password"))
        if staff is None or not isinstance(name, str) or not isinstance(password, str):
            return web.failed(request, 400, "expected name, roles, password")
        if not isinstance(roles, list) or not all(isinstance(one, str) for one in roles):
            return web.failed(request, 400, "roles: expected a list of names")
        try:
            kept = sound_roles(tuple(roles))
            sound(password)
            what = "change_person" if named(name) in staff.people() else "add_person"
            await self._face.acted(request, given, what, name, ", ".join(kept))
            new = await asyncio.to_thread(staff.put, name, kept, password)
        except StaffError as exc:
            return web.failed(request, 400, str(exc))
        except OSError:
            return web.failed(request, 503, _LOST)
        return web.data(request, {"name": name, "roles": list(kept)}, 201 if new else 200)

    async def remove_person(self, request: Request) -> Response:
        staff, name = self._signing.staff, request.path_params["name"]
        given = await web.object_of(request)
        try:
            if staff is None or name not in staff.people():
                return web.failed(request, 404, "There is nobody of this name.")
            await self._face.acted(request, given, "remove_person", name, "")
            staff.remove(name)
        except StaffError as exc:
            return web.failed(request, 400, str(exc))
        except OSError:
            return web.failed(request, 503, _LOST)
        return web.data(request, {"name": name, "roles": []})
