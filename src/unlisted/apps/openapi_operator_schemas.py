"""The shapes that the operator's API takes and answers with, as JSON Schema 2020-12."""

from __future__ import annotations

from unlisted.apps import words
from unlisted.apps.openapi_schemas import (
    COUNT,
    FLAG,
    POST_FIELDS,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    TIME_OR_NULL,
    Schema,
    closed,
    many,
    named,
    one_of,
)
from unlisted.edge.staff import LEAST_PASSWORD, MOST_PASSWORD, ROLES
from unlisted.health import written
from unlisted.health.incident import CHOICES, FIELDS

# ---------------------------------------------------------------- what is taken

_NAME: Schema = {"type": "string", "pattern": "^[A-Za-z0-9-]{1,40}$"}
PLACES: dict[str, Schema] = {
    "id": {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[^/\\x00-\\x20]{1,320}$"}},
    "number": {
        "name": "number", "in": "path", "required": True,
        "schema": {"type": "integer", "minimum": 0, "maximum": 10**9},
    },
    "name": {"name": "name", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[a-z0-9._-]{1,40}$"}},
}  # fmt: skip


def _query(name: str, schema: Schema, said: str) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": said}


CSRF: Schema = {
    "name": "X-CSRF-Token", "in": "header", "required": False, "schema": TEXT,
    "description": "with a session: its token, which GET /api/session gives",
}  # fmt: skip
MESSAGES = (
    _query("sender", TEXT, "a name, or its keyed hash"),
    _query("state", one_of(*words.STATES), "as GET /api/messages names them"),
    _query("limit", {"type": "integer", "minimum": 1, "maximum": 9999}, "at most 1000 are given"),
)
EPISODE = (_query("episode", _NAME, "one plan, with its letters"),)
_SAID: Schema = {"type": "string", "maxLength": 500}
_BASE64: Schema = {"type": "string", "contentEncoding": "base64"}


def _taken(fields: dict[str, Schema], *required: str) -> Schema:
    """A body. Who acts by the token names the actor; a field of another name is not looked at."""
    actor: Schema = {
        "type": "string", "pattern": "^[^\\x00-\\x1f\\x7f]{1,100}$", "not": {"const": "policy"},
    }  # fmt: skip
    return {
        "type": "object",
        "properties": {**fields, "actor": actor},
        **({"required": list(required)} if required else {}),
    }


_WRITTEN: dict[str, Schema] = {
    "text": {"type": "string", "maxLength": written.MAX_TEXT},
    "sections": {
        "type": "array",
        "maxItems": 10 * written.MAX_SECTIONS,
        "items": {
            "type": "object",
            "properties": {"label": TEXT, "text": TEXT},
            "required": ["label", "text"],
        },
    },
}
_EITHER: Schema = {"oneOf": [{"required": ["text"]}, {"required": ["sections"]}]}
ACTOR = _taken({})
REASON = _taken({"reason": {**_SAID, "pattern": "\\S"}}, "reason")
WHY = _taken({"reason": TEXT})
RESEND = _taken(
    {"episode": _NAME, "reason": {**_SAID, "pattern": "\\S"}, "unknown_outcome": FLAG, "dry_run": FLAG},
    "episode", "reason",
)  # fmt: skip
MAIL = _taken({"mail": _BASE64}, "mail")
PAGE = _taken(
    {"page": _BASE64, "zone_min": {"type": ["integer", "null"], "minimum": -840, "maximum": 840}},
    "page",
)
POST = {
    **_taken(
        {
            **_WRITTEN,
            "next_update_by": {**TIME, "maxLength": 40},
            "corrects": {"type": ["integer", "null"], "minimum": 1, "maximum": 999_999},
            "dry_run": FLAG,
        }
    ),
    **_EITHER,
}
REVISION = {
    **_taken(
        {
            **{field: {"type": "string", "maxLength": written.MAX_SECTION} for field in FIELDS},
            **{field: one_of(*values) for field, values in CHOICES.items()},
            "why": {"type": "string", "maxLength": written.MAX_SECTION},
        },
        "why",
    ),
    "anyOf": [{"required": [field]} for field in FIELDS],
}
_BECAUSE: Schema = {"type": "string", "maxLength": written.MAX_SECTION}
MERGE = _taken({"into": TEXT, "why": _BECAUSE}, "into", "why")
SPLIT = _taken(
    {"episodes": {"type": "array", "items": TEXT, "maxItems": 1000}, "why": _BECAUSE},
    "episodes",
    "why",
)
REVIEW = {**_taken({**_WRITTEN, "publish": FLAG}), "not": {"required": ["text", "sections"]}}
GOAL = _taken(
    {
        "path": {
            "type": "string",
            "pattern": "^(/|/message\\?id=m[0-9]{1,18}|/episode\\?id=e[0-9]{1,18})$",
        }
    }
)
PERSON = _taken(
    {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9._-]{0,39}$"},
        "roles": {"type": "array", "items": one_of(*ROLES), "minItems": 1},
        "password": {"type": "string", "minLength": LEAST_PASSWORD, "maxLength": MOST_PASSWORD},
    },
    "name", "roles", "password",
)  # fmt: skip

# ---------------------------------------------------------------- what is answered

NUMBER: Schema = {"type": "number"}

REPLY = closed({"reply": TEXT})
IMPORTED = closed({"id": TEXT, "findings": COUNT})
REVISED = closed({"revisions": many(named("Revision"))})
APPROVED = closed({"revisions": many(named("RevisionShown"))})
MERGED = closed({"incident": TEXT, "into": TEXT})
SPLIT_OFF = closed({"incident": TEXT, "part": TEXT, "episodes": many(TEXT)})
REVIEWED = closed({"incident": TEXT, "published": FLAG})
LINK = closed({"url": TEXT, "expires_in_s": NUMBER})
_SHARE = closed(
    {
        **dict.fromkeys(("sender", "tenant"), TEXT),
        **dict.fromkeys(("share", "low", "high"), NUMBER),
        "reasons": many(TEXT),
        "messages": COUNT,
        "guilty": FLAG,
    }
)
_LETTER = closed(
    {
        **dict.fromkeys(
            ("id", "sender", "tenant", "recipient", "receiver", "address", "state", "words"), TEXT
        ),
        "left_out": FLAG,
        **dict.fromkeys(("accepted_at", "bounced_at", "kept_until"), TIME_OR_NULL),
    }
)
_COUNTED = closed({"why": TEXT, "recipients": COUNT, "words": TEXT})
_SECTIONS = many(closed({"label": TEXT, "text": TEXT}))
_DRAFT: dict[str, Schema] = {
    "draft": COUNT,
    "at": TIME,
    "author": TEXT,
    "kind": TEXT,
    "changes": {"type": "object", "additionalProperties": TEXT},
    "why": TEXT,
    "corrects": {"type": ["integer", "null"]},
    "next_update_by": TIME_OR_NULL,
    "sections": _SECTIONS,
}
_REVISION: dict[str, Schema] = {
    "at": TIME,
    **dict.fromkeys(("field", "old", "new", "by", "why"), TEXT),
}
SCHEMAS: dict[str, Schema] = {
    "Refused": closed({"error": closed({"code": COUNT, "message": TEXT, "reasons": many(TEXT)})}),
    "Episode": closed(
        {
            **dict.fromkeys(("id", "address", "basis"), TEXT),
            **dict.fromkeys(
                ("list", "receiver", "parent", "advice", "how", "relisting_of"), TEXT_OR_NULL
            ),
            **dict.fromkeys(("since", "opened_at"), TIME),
            **dict.fromkeys(
                ("closed_at", "release_predicted_at", "source_stopped_at", "delisted_at"),
                TIME_OR_NULL,
            ),
            **dict.fromkeys(("refusals", "attempts"), COUNT),
            "relisted_at": many(TIME),
            "dropped_by": many(closed({"receiver": TEXT, "at": TIME})),
        }
    ),
    "Cause": closed(
        {
            **dict.fromkeys(("episode", "verdict", "need"), TEXT),
            "at": TIME,
            "named": many(TEXT),
            "shares": many(_SHARE),
            "window_s": NUMBER,
            "more": many(TEXT),
        }
    ),
    "Hold": closed(
        {
            **dict.fromkeys(("id", "sender", "tenant", "scope", "reason"), TEXT),
            "campaigns": many(TEXT),
            **dict.fromkeys(("at", "expires_at"), TIME),
            "released_at": TIME_OR_NULL,
            **dict.fromkeys(("released_by", "episode"), TEXT_OR_NULL),
        }
    ),
    "Rule": closed(
        {
            **dict.fromkeys(("id", "campaign", "state", "why"), TEXT),
            "at": TIME,
            "before": TEXT_OR_NULL,
            **dict.fromkeys(("matched", "other_senders"), COUNT),
        }
    ),
    "Pool": closed(
        {
            **dict.fromkeys(("name", "helo"), TEXT),
            "at": TIME,
            "addresses": many(
                closed(
                    {
                        "address": TEXT,
                        "listed": many(TEXT),
                        "mail_today": COUNT,
                        "receivers": many(
                            closed(
                                {**dict.fromkeys(("receiver", "state", "why"), TEXT), "since": TIME}
                            )
                        ),
                    }
                )
            ),
        }
    ),
    "Untold": closed({"at": TIME, **dict.fromkeys(("kind", "what", "why"), TEXT)}),
    "Queued": closed(
        {
            **dict.fromkeys(("id", "sender", "tenant", "domain"), TEXT),
            "state": one_of(*words.STATES),
            "at": TIME,
            **dict.fromkeys(("address", "waiting_for"), TEXT_OR_NULL),
            "attempts": COUNT,
            **dict.fromkeys(("next_try_at", "until"), TIME_OR_NULL),
        }
    ),
    "Story": closed(
        {
            "id": TEXT,
            "lines": many(closed({"at": TIME, "text": TEXT, "facts": many(COUNT)})),
            "now": TEXT,
        }
    ),
    "Explained": closed(
        {
            "title": TEXT,
            "explained": many({"type": "object"}),
            "chain": closed({"steps": many({"type": "object"}), "more": COUNT}),
        }
    ),
    "Plan": closed(
        {
            "episode": TEXT_OR_NULL,
            "at": TIME,
            **dict.fromkeys(("messages", "recipients", "more_letters"), COUNT),
            **dict.fromkeys(("left_out", "gone"), many(_COUNTED)),
            "sites": many(
                closed(
                    {
                        **dict.fromkeys(("address", "receiver"), TEXT),
                        **dict.fromkeys(("recipients", "messages", "left_out"), COUNT),
                        "rests": FLAG,
                        "takes_s": NUMBER,
                    }
                )
            ),
            "letters": many(_LETTER),
        }
    ),
    "Post": closed(POST_FIELDS),
    "Published": closed({**POST_FIELDS, "author": TEXT, "approver": TEXT}),
    "Draft": closed(_DRAFT),
    "Drafts": closed(
        {
            "waiting": many(named("Draft")),
            "returned": many(
                closed({**_DRAFT, "returned_at": TIME, "by": TEXT, "reasons": many(TEXT)})
            ),
        }
    ),
    "Returned": closed({"draft": COUNT, "author": TEXT, "reasons": many(TEXT)}),
    "Revision": closed({**_REVISION, "approver": TEXT_OR_NULL}),
    "RevisionShown": closed(_REVISION),
    "Session": closed({"actor": TEXT_OR_NULL, "roles": many(TEXT), "csrf": TEXT}, "csrf"),
    "Person": closed({"name": TEXT, "roles": many(TEXT)}),
}
