"""The operator's face: one page and its API, behind one token from the state folder.

The API takes `Authorization: Bearer TOKEN`. A browser gets a session by a sign-in link that works
once, or by the token; its cookie is HttpOnly and SameSite=Lax, every form carries the session's
CSRF token. Every act becomes an `Acted` fact with its actor before it has any effect.
Refuses everything else with 401 and says no more.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unlisted.apps import charts, explained, operator_api, public_views, story, web, words
from unlisted.apps.operator_explain import Explanations
from unlisted.apps.operator_posts import Posts
from unlisted.apps.operator_resend import Resends
from unlisted.apps.operator_reviews import Reviews
from unlisted.apps.posting import Poster
from unlisted.apps.resending import Resending
from unlisted.edge.readmodel import ReadModel
from unlisted.facts import Acted
from unlisted.health.record import Record

COOKIE = "unlisted_session"
LINK_S = 600.0
SESSION_S = 12 * 3600.0
MAX_LINKS = 32
MAX_SESSIONS = 64
SHOWN = 50
_GOAL = re.compile(
    r"/|/message\?id=m\d{1,18}(\.\d{1,6})?|/episode\?id=e\d{1,18}[a-z]?"
)  # our own pages, nothing else
_ACTOR = re.compile(r"[^\x00-\x1f\x7f]{1,100}")

# page, actor, the page's zone in minutes → the record as recorded
Publish = Callable[[bytes, str, int | None], Awaitable[Record]]
# a mail of an abuse, feedback or bounce mailbox → the SMTP reply it would get
Report = Callable[[bytes], Awaitable[str]]
Act = Callable[[str, str, str, str], Awaitable[None]]  # actor, act, target, reason


class Session(msgspec.Struct, frozen=True):
    """Somebody who signed in. Times are real: a session guards a browser, not mail."""

    actor: str
    csrf: str
    until: float


class Operator:
    """The application. `act` records an Acted fact and returns when it is durable."""

    def __init__(
        self,
        model: ReadModel,
        token: str,
        act: Act,
        now: Callable[[], float],
        *,
        name: str,
        public_url: str = "",
        publish: Publish | None = None,
        report: Report | None = None,
        poster: Poster | None = None,
        resends: Resending | None = None,
    ) -> None:
        self.model = model
        self._publish = publish
        self._report = report
        self._resends = Resends(self, resends, _json)
        self.name = name
        self.public_url = public_url
        self._token = token.encode()
        self._act = act
        self.now = now
        self._links: dict[str, tuple[str, float, str]] = {}  # code -> actor, until, goal
        self._sessions: dict[str, Session] = {}
        self.base = ""  # http://ip:port, known once the listener answers
        self.app = Starlette(
            routes=[
                Route("/", self.index),
                Route("/message", self.message),
                Route("/signin", self.signin, methods=["POST"]),
                Route("/signin/{code}", self.follow_link),
                Route("/holds/{id}/release", self.release_form, methods=["POST"]),
                Route("/api/signin-links", self.make_link, methods=["POST"]),
                Route("/api/messages", self.messages),
                Route("/api/messages/{id}", self.one_message),
                Route("/api/holds/{id}/release", self.release, methods=["POST"]),
                Route("/api/reports", self.take_report, methods=["POST"]),
                Route("/api/records", self.import_record, methods=["POST"]),
                *Posts(self, poster, _json).routes(),
                *Explanations(self).routes(),
                *Reviews(self, poster, _json).routes(),
                *self._resends.routes(),
                *[Route(f"/api/{kind}", self._list(kind)) for kind in operator_api.LISTS],
                Route("/style.css", web.style),
                Route("/favicon.ico", web.icon),
                Route("/favicon.svg", web.icon),
            ],
            exception_handlers={HTTPException: web.on_error, Exception: web.on_fault},
        )

    # ------------------------------------------------------------ who asks

    def bearer(self, request: Request) -> bool:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self._is_token(given.strip())

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token)

    def session(self, request: Request) -> Session | None:
        session = self._sessions.get(request.cookies.get(COOKIE, ""))
        return session if session is not None and session.until > time.monotonic() else None

    @staticmethod
    async def form_of(request: Request, session: Session) -> dict[str, str]:
        """A form that carries this session's CSRF token. Raises HTTPException."""
        form = await web.form(request)
        given = form.get("csrf", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, session.csrf.encode()):
            raise HTTPException(403, "This form is not of your session. Open the page anew.")
        return form

    @staticmethod
    def actor(given: dict[str, Any]) -> str:
        """Who acts by the API, as the request says. Raises ValueError."""
        actor = given.get("actor", "operator")
        if not isinstance(actor, str) or not _ACTOR.fullmatch(actor):
            raise ValueError("actor: expected a short name")
        return actor

    def allowed(self, request: Request) -> None:
        """A session, or the token. Raises HTTPException."""
        if not self.bearer(request) and self.session(request) is None:
            raise HTTPException(
                401, "sign in, or send the operator's token", {"www-authenticate": "Bearer"}
            )

    # ------------------------------------------------------------ signing in

    async def make_link(self, request: Request) -> Response:
        if not self.bearer(request):
            return web.failed(
                request, 401, "send the operator's token", {"www-authenticate": "Bearer"}
            )
        given = await _json(request)
        try:
            actor = self.actor(given)
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
        return web.data(request, {"url": f"{self.base}/signin/{code}", "expires_in_s": LINK_S}, 201)

    async def follow_link(self, request: Request) -> Response:
        if request.method == "HEAD":
            # Mail and chat programs look at links before people do; that must not use them up.
            return Response(status_code=204)
        actor, until, goal = self._links.pop(request.path_params["code"], ("", 0.0, "/"))
        if until <= time.monotonic():
            return self.ask(request, "This link was used already, or is too old.")
        return self._signed_in(actor, goal)

    async def signin(self, request: Request) -> Response:
        form = await web.form(request)
        if not self._is_token(form.get("token", "")):
            return self.ask(request, "That is not the token.")
        return self._signed_in("operator")

    def _signed_in(self, actor: str, goal: str = "/") -> Response:
        now = time.monotonic()
        self._sessions = {k: s for k, s in self._sessions.items() if s.until > now}
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        name = secrets.token_urlsafe(32)
        self._sessions[name] = Session(actor, secrets.token_urlsafe(24), now + SESSION_S)
        answer = RedirectResponse(goal, status_code=303)
        # Not Strict: a browser that follows the link from a mail or another page would then not
        # send the cookie along this redirect, and the person just signed in be asked again. What
        # a link can reach only reads; every act is a POST with the session's CSRF token.
        answer.set_cookie(
            COOKIE, name, max_age=int(SESSION_S), path="/", httponly=True, samesite="lax"
        )
        answer.headers["cache-control"] = "no-store"
        return answer

    def ask(self, request: Request, notice: str = "") -> Response:
        status = 403 if notice else 401
        return self.page(request, "operator_signin.html", status, csrf="", notice=notice)

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        answer = web.page(
            request, template, status, name=self.name, public_url=self.public_url, **values
        )
        answer.headers["cache-control"] = "no-store, private"
        return answer

    # ------------------------------------------------------------ pages

    async def index(self, request: Request) -> Response:
        session = self.session(request)
        if session is None:
            return self.ask(request)
        model = self.model
        await model.catch_up()
        now = self.now()
        episodes = list(reversed(model.episodes.values()))
        episodes.sort(key=lambda one: one.closed is not None)
        holds = [self._hold(one) for one in reversed(model.holds.values())]
        holds.sort(key=lambda one: one["released_at"] is not None)
        counts = model.queue_counts()
        honest = model.honest_delivered()
        first = charts.first_hour(now, model.refusals, honest)
        latest = {one.episode: one for one in model.causes}
        return self.page(
            request,
            "operator_index.html",
            csrf=session.csrf,
            notice=_NOTICES.get(request.query_params.get("done", ""), ""),
            now=now,
            faults=model.faults,
            silent=list(model.silent.values()),
            incidents=[
                {**public_views.view(one, now), "draft": one.draft, "called": one.called}
                for one in reversed(model.incidents.values())
                if one.closed is None
            ],
            open=[one for one in episodes if one.closed is None],
            episodes=episodes[:SHOWN],
            more_episodes=max(0, len(episodes) - SHOWN),
            causes=[
                {**operator_api.cause(model, one), "at": one.at}
                for one in list(reversed(latest.values()))[:SHOWN]
            ],
            holds=holds[:SHOWN],
            held=[one for one in holds if one["released_at"] is None],
            pools=operator_api.pools(model),
            resends=self._resends.rows(),
            queued=sum(count for _, _, count in counts),
            counts=[
                {"state": words.STATES.get(s, s), "condition": words.condition(w), "count": c}
                for s, w, c in counts
            ],
            charts=[
                charts.per_hour(
                    "Refusals per hour", "replies that blame an address of ours", "bar",
                    model.refusals, first, now,
                ),
                charts.per_hour(
                    "Honest mail delivered per hour", "deliveries of senders not named as a cause",
                    "bar2", honest, first, now,
                ),
            ],
        )  # fmt: skip

    def _hold(self, one: Any) -> dict[str, Any]:
        held, released = one.held, one.released
        return {
            **operator_api.hold(self.model, one),
            "at": held.at,
            "expires_at": held.expires_at,
            "released_at": released.at if released else None,
            "released_why": released.why if released else "",
        }

    async def message(self, request: Request) -> Response:
        session = self.session(request)
        if session is None:
            return self.ask(request)
        asked = request.query_params.get("id", "")[:40]
        told = await self._story(asked)
        why = explained.message_chain(self.model, told) if told else None
        return self.page(
            request, "operator_message.html", 200 if told else 404, csrf=session.csrf, id=asked,
            story=told, now=self.now(), why=why,
        )  # fmt: skip

    async def _story(self, text: str) -> story.Story | None:
        found = story.parse_id(text)
        await self.model.catch_up()
        return story.told(self.model, *found) if found else None

    async def release_form(self, request: Request) -> Response:
        session = self.session(request)
        if session is None:
            return self.ask(request)
        form = await self.form_of(request, session)
        reason = form.get("reason", "").strip()[:500]
        refused = await self._release(request.path_params["id"], session.actor, reason)
        if refused:
            return web.failed(request, *refused)
        return RedirectResponse("/?done=released#holds", status_code=303)

    # ------------------------------------------------------------ API

    def _list(self, kind: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            self.allowed(request)
            await self.model.catch_up()
            return web.data(request, operator_api.LISTS[kind](self.model))

        return answer

    async def messages(self, request: Request) -> Response:
        self.allowed(request)
        asked = request.query_params
        limit = asked.get("limit", "200")
        if not re.fullmatch(r"[1-9]\d{0,3}", limit):
            return web.failed(request, 400, f"limit: expected 1 to {operator_api.MAX_ROWS}")
        state = asked.get("state", "")
        if state and state not in words.STATES:
            return web.failed(request, 400, f"state: expected {', '.join(words.STATES)}")
        sender = asked.get("sender", "")[:300]
        return web.data(request, operator_api.messages(self.model, sender, state, int(limit)))

    async def one_message(self, request: Request) -> Response:
        self.allowed(request)
        told = await self._story(request.path_params["id"][:40])
        if told is None:
            return web.failed(request, 404, "no such message; names look like m17 or m17.0")
        lines = [
            {"at": words.iso(one.at), "text": one.text, "facts": list(one.facts)}
            for one in told.lines
        ]
        return web.data(request, {"id": told.message, "lines": lines, "now": told.now})

    async def release(self, request: Request) -> Response:
        if not self.bearer(request):
            # A cookie is not enough here: this address takes no CSRF token.
            return web.failed(
                request, 401, "send the operator's token", {"www-authenticate": "Bearer"}
            )
        given = await _json(request)
        actor, reason = given.get("actor", "operator"), given.get("reason", "")
        if not isinstance(actor, str) or not _ACTOR.fullmatch(actor):
            return web.failed(request, 400, "actor: expected a short name")
        if not isinstance(reason, str) or len(reason) > 500:
            return web.failed(request, 400, "reason: expected up to 500 characters")
        name = request.path_params["id"]
        refused = await self._release(name, actor, reason)
        if refused:
            return web.failed(request, *refused)
        await self.model.catch_up()
        return web.data(request, operator_api.hold(self.model, self.model.holds[name]))

    async def take_report(self, request: Request) -> Response:
        """A mail out of an abuse, feedback or bounce mailbox; `reply` as LMTP would say it."""
        if not self.bearer(request) or self._report is None:
            return web.failed(
                request, 401, "send the operator's token", {"www-authenticate": "Bearer"}
            )
        given = await _json(request)
        try:
            mail = base64.b64decode(str(given.get("mail", "")), validate=True)
        except ValueError as exc:
            return web.failed(request, 400, f"mail: {exc}")
        return web.data(request, {"reply": await self._report(mail)})

    async def import_record(self, request: Request) -> Response:
        """A record of another source onto the public page, and into Graph, Statuspage and Atom."""
        if not self.bearer(request) or self._publish is None:
            return web.failed(
                request, 401, "send the operator's token", {"www-authenticate": "Bearer"}
            )
        given = await _json(request)
        actor, zone = given.get("actor", "operator"), given.get("zone_min")
        if not isinstance(actor, str) or not _ACTOR.fullmatch(actor):
            return web.failed(request, 400, "actor: expected a short name")
        if zone is not None and (not isinstance(zone, int) or abs(zone) > 14 * 60):
            return web.failed(request, 400, "zone_min: expected minutes east of UTC")
        try:
            page = base64.b64decode(str(given.get("page", "")), validate=True)
            record = await self._publish(page, actor, zone)
        except ValueError as exc:
            return web.failed(request, 400, f"page: {exc}")
        return web.data(request, {"id": record.id, "findings": len(record.findings)}, 201)

    async def _release(self, name: str, actor: str, reason: str) -> tuple[int, str] | None:
        await self.model.catch_up()
        hold = self.model.holds.get(name)
        if hold is None:
            return 404, "There is no hold of this name."
        if hold.released is not None:
            return 409, f"This hold ended already, by {hold.released.actor}."
        if not reason:
            return 400, "A release needs a reason."
        try:
            await self._act(actor, "release_hold", name, reason)
        except Exception as exc:
            return 503, f"It could not be recorded: {type(exc).__name__}. Nothing was changed."
        return None


_NOTICES = {
    "posted": "The post is published.",
    "resend": "The re-send is switched on; it goes in its pace.",
    "released": "The hold was released; its mail goes on now.",
}


async def _json(request: Request) -> dict[str, Any]:
    body = await request.body()
    if not body:
        return {}
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise HTTPException(400, "expected a JSON object") from None


def acted(at: float, actor: str, act: str, target: str, reason: str) -> Acted:
    """The fact of an act."""
    return Acted(at=at, actor=actor, act=act, target=target, reason=reason)
