"""What three clients of Microsoft Graph read at a base URL, as one JSON object on standard output.

Runs in an environment of its own (requirements.lock). Their sign-in is replaced by a token that is
there already; everything else is theirs. Arguments: the base URL, a bearer token, an issue's id.
"""

from __future__ import annotations

import asyncio
import json
import sys
from types import SimpleNamespace
from typing import Any

BASE, TOKEN, ISSUE = sys.argv[1:4]


def time(moment: Any) -> str | None:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment is not None else None


async def sdk() -> dict[str, Any]:
    """msgraph-sdk."""
    from kiota_abstractions.authentication import AuthenticationProvider
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from kiota_abstractions.headers_collection import HeadersCollection
    from msgraph import GraphServiceClient
    from msgraph.generated.admin.service_announcement.issues.issues_request_builder import (
        IssuesRequestBuilder,
    )
    from msgraph.graph_request_adapter import GraphRequestAdapter
    from msgraph_core.tasks import PageIterator

    class Bearer(AuthenticationProvider):
        async def authenticate_request(self, request: Any, *_: Any, **__: Any) -> None:
            request.headers.add("Authorization", f"Bearer {TOKEN}")

    adapter = GraphRequestAdapter(Bearer())
    adapter.base_url = BASE
    announced = GraphServiceClient(request_adapter=adapter).admin.service_announcement
    asked = IssuesRequestBuilder.IssuesRequestBuilderGetQueryParameters(
        filter="classification eq 'incident' and isResolved eq true",
        orderby=["lastModifiedDateTime desc"],
        count=True,
    )
    headers = HeadersCollection()
    headers.add("Prefer", "odata.maxpagesize=2")
    first = await announced.issues.get(
        request_configuration=RequestConfiguration(query_parameters=asked, headers=headers)
    )
    seen: list[str] = []

    def keep(item: Any) -> bool:
        seen.append(item.id)
        return True

    await PageIterator(first, adapter).iterate(keep)
    overviews = await announced.health_overviews.get()
    one = announced.issues.by_service_health_issue_id(ISSUE)
    issue = await one.get()
    report = await one.incident_report.get()
    try:
        await announced.issues.by_service_health_issue_id("none").get()
        refused = ""
    except Exception as exc:
        refused = f"{exc.response_status_code} {exc.error.code}"
    return {
        "overviews": {one.service: one.status.value for one in overviews.value},
        "count": first.odata_count,
        "ids": seen,
        "title": issue.title,
        "service": issue.service,
        "feature_group": issue.feature_group,
        "feature": issue.feature,
        "classification": issue.classification.value,
        "status": issue.status.value,
        "origin": issue.origin.value,
        "resolved": issue.is_resolved,
        "start": time(issue.start_date_time),
        "end": time(issue.end_date_time),
        "last_modified": time(issue.last_modified_date_time),
        "impact": issue.impact_description,
        "posts": [time(post.created_date_time) for post in issue.posts],
        "kinds": sorted({post.post_type.value for post in issue.posts}),
        "bodies": sorted({post.description.content_type.value for post in issue.posts}),
        "first": issue.posts[0].description.content,
        "report": report[:15].decode(),
        "refused": refused,
    }


def rest() -> dict[str, Any]:
    """office365-rest-python-client."""
    from office365.graph_client import GraphClient

    class Here(GraphClient):
        @property
        def service_root_url(self) -> str:
            return BASE

    client = Here(lambda: {"access_token": TOKEN, "token_type": "Bearer"})
    announced = client.admin.service_announcement
    issues = announced.issues.get().execute_query()
    overviews = announced.health_overviews.get().execute_query()
    (issue,) = [one for one in issues if one.properties["id"] == ISSUE]
    return {
        "overviews": {
            one.properties["service"]: str(one.properties["status"]) for one in overviews
        },
        "issues": len(issues),
        "title": issue.properties["title"],
        "classification": issue.properties["classification"].name,
        "start": time(issue.properties["startDateTime"]),
        "end": time(issue.properties["endDateTime"]),
        "impact": issue.properties["impactDescription"],
        "posts": len(issue.properties["posts"]),
    }


async def mcp() -> dict[str, Any]:
    """m365-service-comms-mcp."""
    from m365_service_comms_mcp.errors import GraphError
    from m365_service_comms_mcp.graph_client import GraphClient

    signed_in: Any = SimpleNamespace(get_token=lambda: SimpleNamespace(token=TOKEN))
    async with GraphClient(auth=signed_in, base_url=BASE, max_attempts=1) as client:
        found = await client.list_health_overviews(top=5)
        try:
            await client.list_messages()
            refused = ""
        except GraphError as exc:
            refused = f"{exc.status_code} {exc.code}"
    return {
        "overviews": {one["service"]: one["status"] for one in found["value"]},
        "refused": refused,
    }


json.dump({"sdk": asyncio.run(sdk()), "rest": rest(), "mcp": asyncio.run(mcp())}, sys.stdout)
