"""The OpenAPI 3.1 document of the operator's API: a table with one row per route below /api/.

Written by hand like the public one's, and held against the routes, their roles and their answers by
tests. The pages and forms of the operator's face are for people and in no document (decision 21).
"""

from __future__ import annotations

from typing import Any

import msgspec

from unlisted.apps import access
from unlisted.apps import openapi_operator_schemas as shapes
from unlisted.apps.openapi_schemas import SCHEMAS, TEXT, Schema, many, named

JSON = "application/json"
SAID = {
    200: "as asked",
    201: "it is in the journal",
    202: "it is in the journal, and waits",
    400: "the request has not this shape; nothing was changed",
    401: "a token or a session is missing",
    403: "the asker has not the role",
    404: "there is none",
    409: "it is not as it was; nothing was changed",
    422: "refused, with every reason; nothing was changed",
    431: "the request's head is too long",
    503: "it could not be recorded; nothing was changed",
}


class Operation(msgspec.Struct, frozen=True):
    """`answers`: what a success is, by status; `fails`: the errors besides 401, 403 and 431."""

    method: str
    path: str
    summary: str
    answers: dict[int, Schema]
    body: Schema | None = None
    query: tuple[Schema, ...] = ()
    fails: tuple[int, ...] = ()


def _list(name: str, summary: str, item: str) -> Operation:
    return Operation("GET", f"/api/{name}", summary, {200: many(named(item))})


def _act(
    path: str, summary: str, answers: dict[int, Schema], body: Schema, *fails: int
) -> Operation:
    return Operation("POST", path, summary, answers, body, fails=(400, *fails, 503))


_INCIDENT = "/api/incidents/{id}"
_DRAFT = f"{_INCIDENT}/drafts/{{number}}"
OPERATIONS: tuple[Operation, ...] = (
    _list("episodes", "Listings and blocks of our addresses, newest first", "Episode"),
    _list("causes", "Each change of a verdict with its latest shares, newest first", "Cause"),
    _list("holds", "Holds on senders, newest first", "Hold"),
    _list("rules", "Rules as they stand, newest step first", "Rule"),
    _list("pools", "Pools and their addresses", "Pool"),
    _list("incidents", "Our incidents, whole", "Incident"),
    _list("untold", "What should have been told and was not, newest first", "Untold"),
    Operation(
        "GET", "/api/messages", "Recipients in the queue, oldest first",
        {200: many(named("Queued"))}, query=shapes.MESSAGES, fails=(400,),
    ),
    Operation("GET", "/api/messages/{id}", "What became of one message", {200: named("Story")}, fails=(404,)),
    *(
        Operation("GET", f"/api/{kind}s/{{id}}/explain", f"Why, of one {kind}",
                  {200: named("Explained")}, fails=(404,))
        for kind in ("episode", "sender")
    ),
    _act("/api/holds/{id}/release", "End a hold", {200: named("Hold")}, shapes.REASON, 404, 409),
    Operation(
        "GET", "/api/resend", "What would be sent again: all plans, or one with its letters",
        {200: {"anyOf": [many(named("Plan")), named("Plan")]}}, query=shapes.EPISODE, fails=(404,),
    ),
    _act("/api/resend", "Switch a re-send on", {200: named("Plan"), 202: named("Plan")}, shapes.RESEND, 404),
    _act("/api/reports", "A mail of an abuse, feedback or bounce mailbox", {200: shapes.REPLY}, shapes.MAIL, 404),
    _act("/api/records", "Publish a record of another source", {201: shapes.IMPORTED}, shapes.PAGE, 404),
    _act(f"{_INCIDENT}/posts", "Write a post",
         {200: named("Post"), 201: named("Post"), 202: named("Draft")}, shapes.POST, 404, 422),
    Operation("GET", f"{_INCIDENT}/revisions", "What was revised and by whom",
              {200: many(named("Revision"))}, fails=(404,)),
    _act(f"{_INCIDENT}/revisions", "Revise what the incident tells",
         {201: shapes.REVISED, 202: named("Draft")}, shapes.REVISION, 404, 422),
    _act(f"{_INCIDENT}/merge", "Make it a part of another", {201: shapes.MERGED}, shapes.MERGE, 404, 422),
    _act(f"{_INCIDENT}/split", "Make some of its episodes an incident of their own",
         {201: shapes.SPLIT_OFF}, shapes.SPLIT, 404, 422),
    Operation("GET", f"{_INCIDENT}/drafts", "What waits for an approver, and what went back",
              {200: named("Drafts")}, fails=(404,)),
    _act(f"{_DRAFT}/approve", "Publish a draft as measured now",
         {201: {"anyOf": [named("Published"), shapes.APPROVED]}}, shapes.WHY, 404, 409, 422),
    _act(f"{_DRAFT}/reject", "Send a draft back to its author", {200: named("Returned")}, shapes.WHY, 404, 422),
    _act(f"{_INCIDENT}/review", "Add to the post-incident review, or publish it",
         {201: shapes.REVIEWED}, shapes.REVIEW, 404, 422),
    _act("/api/signin-links", "A link that signs in once", {201: shapes.LINK}, shapes.GOAL),
    Operation("GET", "/api/session", "Who asks", {200: named("Session")}),
    Operation("GET", "/api/people", "Who may sign in", {200: many(named("Person"))}),
    _act("/api/people", "Add or change a person", {200: named("Person"), 201: named("Person")}, shapes.PERSON),
    _act("/api/people/{name}/remove", "Remove a person", {200: named("Person")}, shapes.ACTOR, 404),
    Operation("GET", "/api/openapi.json", "This document", {200: {"type": "object"}}),
)  # fmt: skip


def document(name: str) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _described(one)
    return {
        "openapi": "3.1.0",
        "info": {"title": f"Operator's API of {name}", "version": "1"},
        "security": [{"bearer": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": {
                **shapes.SCHEMAS,
                "Incident": SCHEMAS["Incident"],
                "Error": SCHEMAS["Error"],
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "unlisted_session"},
            },
        },
    }


def role(one: Operation) -> str:
    """Who may, as the gate has it; `token`: only who holds the state folder's token."""
    return access.needed(one.method, one.path.replace("{number}", "{number:int}"))


def _described(one: Operation) -> dict[str, Any]:
    answers = {str(status): _answer(status, shape) for status, shape in one.answers.items()}
    for status in sorted({401, 403, 431, *one.fails}):
        kind = "Refused" if status in (409, 422) and "{id}/" in one.path else "Error"
        answers[str(status)] = _answer(status, named("Error" if "holds" in one.path else kind))
    if one.method == "GET":
        answers["304"] = {"description": "the client has it already (If-None-Match)"}
    found: dict[str, Any] = {"summary": one.summary, "x-role": role(one), "responses": answers}
    places = [shapes.PLACES[part[1:-1]] for part in one.path.split("/") if part.startswith("{")]
    if places or one.query:
        found["parameters"] = [*places, *one.query]
    if one.body is not None:
        # X-CSRF-Token: of a session, whose cookie alone acts nowhere.
        found["parameters"] = [*found.get("parameters", ()), shapes.CSRF]
        content = {JSON: {"schema": one.body}}
        found["requestBody"] = {"required": bool(one.body.get("required")), "content": content}
    return found


def _answer(status: int, shape: Schema) -> dict[str, Any]:
    return {"description": SAID[status], "content": {JSON: {"schema": shape or TEXT}}}
