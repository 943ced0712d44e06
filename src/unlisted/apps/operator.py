"""The operator's face: its pages and API, behind one gate that knows who may what (`access`).

The API takes `Authorization: Bearer TOKEN`, or a session with its CSRF token in X-CSRF-Token. Every
form carries the session's CSRF token. Every act becomes an `Acted` fact with its actor and role
before it has any effect. Refuses nobody's requests with 401 and says no more, and with 403 what
the asker's role does not cover.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from unlisted.apps import (
    access,
    charts,
    explained,
    openapi_operator,
    operator_api,
    public_views,
    story,
    untold,
    web,
    words,
)
from unlisted.apps.operator_drafts import Drafts
from unlisted.apps.operator_explain import Explanations
from unlisted.apps.operator_incident import Incidents
from unlisted.apps.operator_posts import Posts
from unlisted.apps.operator_resend import Resends
from unlisted.apps.operator_reviews import Reviews
from unlisted.apps.operator_signin import COOKIE, SignIns
from unlisted.apps.posting import Poster
from unlisted.apps.resending import Resending
from unlisted.apps.signing import Record as Audit
from unlisted.apps.signing import Session, Signing
from unlisted.edge.readmodel import ReadModel
from unlisted.edge.staff import Staff
from unlisted.facts import Acted, Observed
from unlisted.health.record import Record

SHOWN = 50
_ACTOR = re.compile(r"[^\x00-\x1f\x7f]{1,100}")

# page, actor, the page's zone in minutes → the record as recorded
Publish = Callable[[bytes, str, int | None], Awaitable[Record]]
# a mail of an abuse, feedback or bounce mailbox → the SMTP reply it would get
Report = Callable[[bytes], Awaitable[str]]
Act = Callable[[str, str, str, str, str], Awaitable[None]]  # actor, act, target, reason, role


class Operator:
    """The application. `act` records an Acted fact and returns when it is durable; `audit`: any."""

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
        staff: Staff | None = None,
        audit: Audit | None = None,
        resends: Resending | None = None,
    ) -> None:
        self.model = model
        self._publish = publish
        self._report = report
        self._resends = Resends(self, resends)
        self.name = name
        self.public_url = public_url
        self._token = token.encode()
        self.act = act
        self.now = now
        self.signing = Signing(staff, audit or _unrecorded, now)
        self._signins = SignIns(self, self.signing)
        self.ask = self._signins.ask
        self.base = ""  # http://ip:port, known once the listener answers
        self.app = Starlette(
            routes=[
                access.guarded(self, one)
                for one in (
                    Route("/", self.index),
                    Route("/message", self.message),
                    *self._signins.routes(),
                    Route("/holds/{id}/release", self.release_form, methods=["POST"]),
                    Route("/api/messages", self.messages),
                    Route("/api/messages/{id}", self.one_message),
                    Route("/api/holds/{id}/release", self.release, methods=["POST"]),
                    Route("/api/reports", self.take_report, methods=["POST"]),
                    Route("/api/records", self.import_record, methods=["POST"]),
                    *Posts(self, poster).routes(),
                    *Drafts(self, poster).routes(),
                    *Incidents(self, poster).routes(),
                    *Reviews(self, poster).routes(),
                    *Explanations(self).routes(),
                    *self._resends.routes(),
                    *[Route(f"/api/{kind}", self._list(kind)) for kind in operator_api.LISTS],
                    Route("/api/openapi.json", self.described),
                    Route("/style.css", web.style),
                    Route("/favicon.ico", web.icon),
                    Route("/favicon.svg", web.icon),
                )
            ],
            exception_handlers={HTTPException: web.on_error, Exception: web.on_fault},
        )

    # ------------------------------------------------------------ who asks

    def bearer(self, request: Request) -> bool:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self.is_token(given.strip())

    def is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token)

    def session(self, request: Request) -> Session | None:
        found = self.signing.session(request.cookies.get(COOKIE, ""))
        return found[0] if found is not None else None

    def who(self, request: Request) -> access.Who | None:
        """Whose request this is. A cookie alone acts nowhere: by the API it needs its CSRF token
        in a header, forms carry it."""
        by_api = request.url.path.startswith("/api/")
        if by_api and self.bearer(request):
            return access.Who("", access.EVERY)
        found = self.signing.session(request.cookies.get(COOKIE, ""))
        if found is None or (by_api and request.method == "POST" and not _csrf(request, found[0])):
            return None
        return found[1]

    @staticmethod
    async def form_of(request: Request, session: Session) -> dict[str, str]:
        """A form that carries this session's CSRF token. Raises HTTPException."""
        form = await web.form(request)
        given = form.get("csrf", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, session.csrf.encode()):
            raise HTTPException(403, "This form is not of your session. Open the page anew.")
        return form

    def actor(self, request: Request, given: dict[str, Any]) -> str:
        """Who acts by the API: whose session it is, or who the token's holder says. ValueError."""
        session = self.session(request)
        if session is not None and not self.bearer(request):
            return session.actor
        actor = given.get("actor", "operator")
        if not isinstance(actor, str) or not _ACTOR.fullmatch(actor) or actor == "policy":
            raise ValueError("actor: expected a short name")
        return actor

    def role(self, request: Request) -> str:
        """The asker's roles, as a fact has them."""
        who = self.who(request)
        return who.recorded if who is not None else ""

    def allowed(self, request: Request) -> None:
        """Somebody whom the gate knows. Raises HTTPException."""
        if self.who(request) is None:
            raise HTTPException(
                401, "sign in, or send the operator's token", {"www-authenticate": "Bearer"}
            )

    async def acted(
        self, request: Request, given: dict[str, Any], act: str, target: str, reason: str
    ) -> None:
        """Record an act asked for by the API. Raises HTTPException, or OSError when not durable."""
        try:
            actor = self.actor(request, given)
        except ValueError as exc:
            raise HTTPException(400, str(exc)) from None
        try:
            await self.act(actor, act, target, reason, self.role(request))
        except Exception as exc:
            raise OSError(type(exc).__name__) from exc

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        found = self.signing.session(request.cookies.get(COOKIE, ""))
        values.setdefault("who", found[1] if found else None)
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
            overdue=untold.overdue(model),
            untold=untold.rows(model, now - untold.SHOWN_S),
            untold_new=len(untold.rows(model, now - untold.NEWS_S)),
            incidents=[
                {
                    **public_views.view(one, now),
                    "draft": one.draft,
                    "called": one.called,
                    "drafts": list(one.drafts.values()),
                    # The policy writes its own anew; only people need to know.
                    "returned": [each for each in one.returned if each[0].author != "policy"][-3:],
                }
                for one in reversed(model.incidents.values())
                if one.closed is None
            ],
            past=[one for one in reversed(model.incidents.values()) if one.closed][:10],
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
            asks=model.asks,
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
        name = request.path_params["id"]
        refused = await self._release(name, session.actor, reason, self.role(request))
        if refused:
            return web.failed(request, *refused)
        return RedirectResponse("/?done=released#holds", status_code=303)

    # ------------------------------------------------------------ API

    def _list(self, kind: str) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            await self.model.catch_up()
            return web.data(request, operator_api.LISTS[kind](self.model))

        return answer

    async def described(self, request: Request) -> Response:
        return web.data(request, openapi_operator.document(self.name))

    async def messages(self, request: Request) -> Response:
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
        told = await self._story(request.path_params["id"][:40])
        if told is None:
            return web.failed(request, 404, "no such message; names look like m17 or m17.0")
        lines = [
            {"at": words.iso(one.at), "text": one.text, "facts": list(one.facts)}
            for one in told.lines
        ]
        return web.data(request, {"id": told.message, "lines": lines, "now": told.now})

    async def release(self, request: Request) -> Response:
        given = await web.object_of(request)
        reason = given.get("reason", "")
        try:
            actor = self.actor(request, given)
        except ValueError as exc:
            return web.failed(request, 400, str(exc))
        if not isinstance(reason, str) or len(reason) > 500:
            return web.failed(request, 400, "reason: expected up to 500 characters")
        name = request.path_params["id"]
        refused = await self._release(name, actor, reason, self.role(request))
        if refused:
            return web.failed(request, *refused)
        await self.model.catch_up()
        return web.data(request, operator_api.hold(self.model, self.model.holds[name]))

    async def take_report(self, request: Request) -> Response:
        """A mail out of an abuse, feedback or bounce mailbox; `reply` as LMTP would say it."""
        if self._report is None:
            return web.failed(request, 404, "Nothing takes reports here.")
        given = await web.object_of(request)
        try:
            mail = base64.b64decode(str(given.get("mail", "")), validate=True)
        except ValueError as exc:
            return web.failed(request, 400, f"mail: {exc}")
        return web.data(request, {"reply": await self._report(mail)})

    async def import_record(self, request: Request) -> Response:
        """A record of another source onto the public page, and into Graph, Statuspage and Atom."""
        if self._publish is None:
            return web.failed(request, 404, "Nothing takes records here.")
        given = await web.object_of(request)
        zone = given.get("zone_min")
        try:
            actor = self.actor(request, given)
        except ValueError as exc:
            return web.failed(request, 400, str(exc))
        if zone is not None and (not isinstance(zone, int) or abs(zone) > 14 * 60):
            return web.failed(request, 400, "zone_min: expected minutes east of UTC")
        try:
            page = base64.b64decode(str(given.get("page", "")), validate=True)
            record = await self._publish(page, actor, zone)
        except ValueError as exc:
            return web.failed(request, 400, f"page: {exc}")
        return web.data(request, {"id": record.id, "findings": len(record.findings)}, 201)

    async def _release(
        self, name: str, actor: str, reason: str, role: str
    ) -> tuple[int, str] | None:
        await self.model.catch_up()
        hold = self.model.holds.get(name)
        if hold is None:
            return 404, "There is no hold of this name."
        if hold.released is not None:
            return 409, f"This hold ended already, by {hold.released.actor}."
        if not reason:
            return 400, "A release needs a reason."
        try:
            await self.act(actor, "release_hold", name, reason, role)
        except Exception as exc:
            return 503, f"It could not be recorded: {type(exc).__name__}. Nothing was changed."
        return None


_NOTICES = {
    "posted": "The post is published.",
    "waits": "The post waits for an approver.",
    "returned": "The draft went back to its author.",
    "resend": "The re-send is switched on; it goes in its pace.",
    "released": "The hold was released; its mail goes on now.",
}


def _csrf(request: Request, session: Session) -> bool:
    given = request.headers.get("x-csrf-token", "").encode("utf-8", "replace")
    return hmac.compare_digest(given, session.csrf.encode())


async def _unrecorded(fact: Observed) -> None:
    """Where nothing is recorded: virtual time, tests of pages."""


def acted(at: float, actor: str, act: str, target: str, reason: str, role: str = "") -> Acted:
    """The fact of an act."""
    return Acted(at=at, actor=actor, act=act, target=target, reason=reason, role=role)
