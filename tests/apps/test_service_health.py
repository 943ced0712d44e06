"""Graph, Statuspage and Atom, asked over a socket."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from starlette.applications import Starlette
from tests.health import records

from unlisted.apps.service_health import ServiceHealth
from unlisted.edge.http import HttpServer
from unlisted.health import graph
from unlisted.health.importer import read_record
from unlisted.health.record import Entry, Record

ROOT = graph.ROOT


async def nothing() -> None:
    await asyncio.sleep(0)


class Client:
    """The routes on a real socket, in a thread of their own."""

    def __init__(self, served: ServiceHealth) -> None:
        self._app = Starlette(routes=served.routes())
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(30)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = HttpServer(self._app, "127.0.0.1", 0)
        self._at = await server.start()
        self._ready.set()
        await self._stop.wait()
        await server.stop()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        connection = http.client.HTTPConnection(*self._at, timeout=30)
        with contextlib.closing(connection):
            connection.request("GET", path, headers=headers or {})
            reply = connection.getresponse()
            fields = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, fields, reply.read())


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status_code, self.headers, self.content = status, headers, body

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


MakeClient = Callable[..., Client]


@pytest.fixture
def client() -> Iterator[MakeClient]:
    made: list[Client] = []

    def make(*found: Record, tokens: tuple[str, ...] = ()) -> Client:
        served = ServiceHealth(
            lambda: found,
            nothing,
            lambda: 1_741_000_000.0,
            name="example mail",
            services=("Outgoing mail",),
            url=lambda request: "http://status.example/",
            tokens=tokens,
        )
        made.append(Client(served))
        return made[-1]

    yield make
    for one in made:
        one.close()


def example(number: int = 0) -> Record:
    found = read_record(records.text().replace("MX100200", f"MX{100200 + number}").encode())
    assert found.id == f"MX{100200 + number}"
    return found


def get(where: Client, path: str, **headers: str) -> Any:
    answer = where.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_issue_reads_as_graph_prints_it(client: MakeClient) -> None:
    issue = get(client(example()), f"{ROOT}/issues/MX100200")
    assert issue["@odata.context"].endswith("/$metadata#admin/serviceAnnouncement/issues/$entity")
    assert {n: v for n, v in issue.items() if n not in ("@odata.context", "posts", "details")} == {
        "id": "MX100200",
        "title": "Some users cannot send or receive mail",
        "service": "Exchange Online",
        "feature": "Web portal",
        "featureGroup": "Mail routing",
        "classification": "incident",
        "origin": "microsoft",
        "status": "postIncidentReviewPublished",
        "isResolved": True,
        "startDateTime": "2025-03-03T09:00:00Z",
        "endDateTime": "2025-03-06T09:30:00Z",
        "lastModifiedDateTime": "2025-03-06T12:10:00Z",
        "impactDescription": records.FINAL_IMPACT,
    }
    assert len(issue["posts"]) == 6
    first = issue["posts"][0]
    assert first["createdDateTime"] == "2025-03-03T09:20:00Z"
    assert first["postType"] == "regular"
    assert first["description"]["contentType"] == "html"
    assert f"<br><br>User Impact: {records.IMPACT}<br><br>" in first["description"]["content"]


def test_nothing_that_a_client_dereferences_is_null(client: MakeClient) -> None:
    bare = Record(
        id="X1", service=None, feature_group=None, feature=None, title=None, classification=None,
        severity=None, start=None, end=None, last_updated=None, time_zone=None,
    )  # fmt: skip
    issue = get(client(bare), f"{ROOT}/issues/X1")
    assert [name for name, value in issue.items() if value is None] == ["endDateTime"]


def test_markup_in_a_post_is_escaped(client: MakeClient) -> None:
    hostile = Record(
        id="X1", service="S", feature_group="", feature="", title="<script>", classification="advisory",
        severity=None, start=0.0, end=None, last_updated=0.0, time_zone="+00:00",
        posts=(Entry(at=0.0, kind="current", sections={"Title": "<script>alert(1)</script> & \x00"}),),
    )  # fmt: skip
    where = client(hostile)
    content = get(where, f"{ROOT}/issues/X1")["posts"][0]["description"]["content"]
    assert content.startswith("Title: &lt;script&gt;alert(1)&lt;/script&gt; &amp;")
    ElementTree.fromstring(where.get("/feed.atom").content)


def test_pages_follow_each_other_by_next_link(client: MakeClient) -> None:
    where = client(*[example(n) for n in range(7)])
    path = f"{ROOT}/issues?$orderby=id&$count=true"
    seen: list[str] = []
    sizes = []
    while path:
        answer = where.get(path, headers={"prefer": "odata.maxpagesize=3"})
        assert answer.headers["preference-applied"] == "odata.maxpagesize=3"
        page = answer.json()
        assert page["@odata.count"] == 7
        sizes.append(len(page["value"]))
        seen += [one["id"] for one in page["value"]]
        path = page.get("@odata.nextLink", "").removeprefix("http://status.example")
    assert sizes == [3, 3, 1]
    assert seen == [f"MX{100200 + n}" for n in range(7)]


def test_top_bounds_all_pages_together(client: MakeClient) -> None:
    where = client(*[example(n) for n in range(7)])
    first = get(where, f"{ROOT}/issues?$top=5&$orderby=id", prefer="odata.maxpagesize=3")
    rest = get(where, first["@odata.nextLink"].removeprefix("http://status.example"))
    assert [len(first["value"]), len(rest["value"])] == [3, 2]
    assert "@odata.nextLink" not in rest


def test_an_overview_is_the_worst_of_what_is_open_and_issues_come_when_expanded(
    client: MakeClient,
) -> None:
    where = client(example())
    plain = get(where, f"{ROOT}/healthOverviews")["value"]
    assert [(one["service"], one["status"]) for one in plain] == [
        ("Outgoing mail", "serviceOperational"),
        ("Exchange Online", "serviceOperational"),
    ]
    assert "issues" not in plain[0]
    one = get(where, f"{ROOT}/healthOverviews/Exchange%20Online?$expand=issues")
    assert [issue["id"] for issue in one["issues"]] == ["MX100200"]
    assert get(where, f"{ROOT}/healthOverviews/ExchangeOnline/")["service"] == "Exchange Online"


def test_option_names_may_be_percent_encoded(client: MakeClient) -> None:
    assert len(get(client(example(0), example(1)), f"{ROOT}/issues?%24top=1")["value"]) == 1


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"{ROOT}/issues?$filter=nothing%20eq%201", 400, "BadRequest"),
        (f"{ROOT}/issues?$search=x", 400, "BadRequest"),
        (f"{ROOT}/issues?$filter=" + "(" * 2000, 400, "BadRequest"),
        (f"{ROOT}/issues?$filter=" + "x" * 9000, 400, "BadRequest"),
        (f"{ROOT}/issues/MX100200?$top=1", 400, "BadRequest"),
        (f"{ROOT}/issues/none", 404, "ItemNotFound"),
        (f"{ROOT}/issues/MX100200/incidentReport", 404, "ItemNotFound"),
        (f"{ROOT}/issues/MX100200/incidentReport()", 404, "ItemNotFound"),
        (f"{ROOT}/healthOverviews/none", 404, "ItemNotFound"),
        (f"{ROOT}/messages", 404, "ResourceNotFound"),
    ],
)
def test_an_error_has_graphs_shape(path: str, status: int, code: str, client: MakeClient) -> None:
    answer = client(example()).get(path, headers={"client-request-id": "abc-1"})
    assert answer.status_code == status
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["message"]
    assert error["innerError"]["client-request-id"] == "abc-1"
    assert error["innerError"]["request-id"] == answer.headers["request-id"]


def test_with_tokens_configured_graph_asks_for_one(client: MakeClient) -> None:
    import hashlib

    where = client(example(), tokens=(hashlib.sha256(b"secret").hexdigest(),))
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic secret"}):
        answer = where.get(f"{ROOT}/issues", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "InvalidAuthenticationToken"
    assert get(where, f"{ROOT}/issues", authorization="Bearer secret")["value"]
    assert where.get("/feed.atom").status_code == 200


def test_statuspage_readers_find_their_fields(client: MakeClient) -> None:
    where = client(example())
    summary = get(where, "/api/v2/summary.json")
    assert sorted(summary) == [
        "components",
        "incidents",
        "page",
        "scheduled_maintenances",
        "status",
    ]
    assert summary["status"] == {"indicator": "none", "description": "All Systems Operational"}
    (incident,) = get(where, "/api/v2/incidents.json")["incidents"]
    assert (incident["status"], incident["impact"]) == ("postmortem", "critical")
    assert incident["incident_updates"][0]["status"] == "postmortem"
    assert incident["incident_updates"][-1]["created_at"] == "2025-03-03T09:20:00Z"
    assert get(where, "/api/v2/incidents/unresolved.json")["incidents"] == []
    assert where.get("/api/v2/incidents.json?limit=3").status_code == 400


def test_the_feed_has_one_entry_per_post_with_ids_that_stay(client: MakeClient) -> None:
    atom = "{http://www.w3.org/2005/Atom}"
    feed = ElementTree.fromstring(client(example()).get("/feed.atom").content)
    entries = feed.findall(f"{atom}entry")
    assert [entry.findtext(f"{atom}id") for entry in entries] == [
        f"http://status.example/incidents/MX100200/posts/{n}" for n in (6, 5, 4, 3, 2, 1)
    ]
    assert entries[-1].findtext(f"{atom}updated") == "2025-03-03T09:20:00Z"
    json.dumps([entry.findtext(f"{atom}content") for entry in entries])
