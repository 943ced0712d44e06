"""The shapes that the public face answers with, as JSON Schema 2020-12 in an OpenAPI document.

Written by hand, so that it is a promise and not a print of the code: the contract test holds the
two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unlisted.health import graph

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
TIME: Schema = {"type": "string", "format": "date-time"}
TIME_OR_NULL: Schema = {"type": ["string", "null"], "format": "date-time"}


def named(name: str) -> Schema:
    """A reference to a schema below."""
    return {"$ref": f"#/components/schemas/{name}"}


def many(item: Schema) -> Schema:
    return {"type": "array", "items": item}


def one_of(*values: str | None) -> Schema:
    return {"enum": list(values)}


def closed(fields: Mapping[str, Schema], *optional: str) -> Schema:
    """An object with these properties and no others, all there but the optional ones."""
    return {
        "type": "object",
        "properties": dict(fields),
        "required": [name for name in fields if name not in optional],
        "additionalProperties": False,
    }


_ISSUE: dict[str, Schema] = {
    **{name: TEXT for name, kind in graph.KINDS.items() if kind == "string"},
    "classification": one_of("advisory", "incident"),
    "origin": one_of("microsoft", "thirdParty", "customer"),
    "status": one_of(*graph.STATUSES),
    "isResolved": FLAG,
    "startDateTime": TIME,
    "endDateTime": TIME_OR_NULL,
    "lastModifiedDateTime": TIME,
    "details": many(closed({"name": TEXT, "value": TEXT})),
    "posts": many(named("Post")),
}
_OVERVIEW: dict[str, Schema] = {
    "id": TEXT,
    "service": TEXT,
    "status": one_of(*graph.STATUSES),
    "issues": many(named("Issue")),
}
_CONTEXT: dict[str, Schema] = {"@odata.context": {"type": "string", "format": "uri"}}


def _collection(item: str) -> Schema:
    extra = {"@odata.count": COUNT, "@odata.nextLink": TEXT}
    return closed({**_CONTEXT, **extra, "value": many(named(item))}, *extra)


_PAGE = closed({"id": TEXT, "name": TEXT, "url": TEXT, "time_zone": TEXT, "updated_at": TIME})
_STATUS = closed({"indicator": one_of("none", "minor", "major", "critical"), "description": TEXT})
_COMPONENT = closed(
    {
        **dict.fromkeys(("id", "name", "page_id"), TEXT),
        "status": one_of("operational", "degraded_performance", "partial_outage", "major_outage"),
        **dict.fromkeys(("created_at", "updated_at"), TIME),
        "position": COUNT,
        **dict.fromkeys(("description", "group_id"), TEXT_OR_NULL),
        **dict.fromkeys(("showcase", "group", "only_show_if_degraded"), FLAG),
    }
)
_UPDATE = closed(
    {
        **dict.fromkeys(("id", "status", "body", "incident_id"), TEXT),
        **dict.fromkeys(("created_at", "updated_at", "display_at"), TIME_OR_NULL),
        "affected_components": {"type": "null"},
    }
)
_STATUSPAGE_INCIDENT = closed(
    {
        **dict.fromkeys(("id", "shortlink", "page_id"), TEXT),
        "name": TEXT_OR_NULL,
        "status": one_of("investigating", "identified", "monitoring", "resolved", "postmortem"),
        "impact": one_of("none", "minor", "major", "critical"),
        **dict.fromkeys(
            ("created_at", "updated_at", "monitoring_at", "resolved_at", "started_at"), TIME_OR_NULL
        ),
        "incident_updates": many(_UPDATE),
        "components": many(_COMPONENT),
    }
)
STATUSPAGE: dict[str, Schema] = {
    "page": _PAGE,
    "status": _STATUS,
    "components": many(_COMPONENT),
    "incidents": many(_STATUSPAGE_INCIDENT),
    "scheduled_maintenances": {"type": "array", "maxItems": 0},
}
_FIGURE = closed(
    {
        **dict.fromkeys(("name", "unit", "query"), TEXT),
        **dict.fromkeys(("value", "low", "high"), NUMBER_OR_NULL),
        "n": COUNT,
        **dict.fromkeys(("start", "end"), TIME_OR_NULL),
    }
)
POST_FIELDS: dict[str, Schema] = {
    "number": COUNT,
    "at": TIME,
    "kind": TEXT,
    "corrects": {"type": ["integer", "null"]},
    "status": TEXT,
    **dict.fromkeys(("next_update_by", "deadline"), TIME_OR_NULL),
    "deadline_met": {"type": ["boolean", "null"]},
    "sections": many(closed({"label": TEXT, "text": TEXT})),
    "figures": many(_FIGURE),
}
_INCIDENT = {
    # Open for more: what is added to an incident breaks no reader.
    **closed(
        {
            **dict.fromkeys(("id", "title", "classification", "severity"), TEXT),
            **dict.fromkeys(("since", "opened_at", "updated_at"), TIME),
            "closed_at": TIME_OR_NULL,
            "posts": many(closed(POST_FIELDS)),
            "deadlines_moved": many({"type": "object"}),
        }
    ),
    "additionalProperties": True,
}
SCHEMAS: dict[str, Schema] = {
    "Issue": closed(_ISSUE, *_ISSUE),  # $select leaves out what was not asked for
    "IssueAlone": closed({**_CONTEXT, **_ISSUE}, *_ISSUE),
    "Issues": _collection("Issue"),
    "Overview": closed(_OVERVIEW, *_OVERVIEW),
    "OverviewAlone": closed({**_CONTEXT, **_OVERVIEW}, *_OVERVIEW),
    "Overviews": _collection("Overview"),
    "Post": closed(
        {
            "createdDateTime": TIME,
            "postType": one_of("regular", "quick", "strategic"),
            "description": closed({"contentType": one_of("html"), "content": TEXT}),
        }
    ),
    "GraphError": closed(
        {
            "error": closed(
                {
                    "code": TEXT,
                    "message": TEXT,
                    "innerError": closed(
                        dict.fromkeys(("date", "request-id", "client-request-id"), TEXT)
                    ),
                }
            )
        }
    ),
    "Error": closed({"error": closed({"code": COUNT, "message": TEXT})}),
    "Incident": _INCIDENT,
}
