"""Other people's programs against a service of ours: three Graph clients, and schemathesis.

They live in an environment of their own (.tools/contract, made by .ci/run from
tests/contract/requirements.lock) and run in processes that cannot leave loopback.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.apps.test_posting import ID, Site
from tests.apps.test_serve import Served
from tests.health import records

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".tools" / "contract" / "bin" / "python"
CONTRACT = ROOT / "tests" / "contract"
TOKEN = "a-token-of-a-client"
ISSUE = "MX100200"

pytestmark = pytest.mark.skipif(
    not PYTHON.exists(), reason="needs .tools/contract with tests/contract/requirements.lock"
)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    yield made
    for process in made.processes:
        process.kill()
        process.communicate()


def started(served: Served, incidents: int = 5) -> str:
    """The public address of a service with imported incidents, which asks for a token."""
    (served.folder / "tokens").write_text(hashlib.sha256(TOKEN.encode()).hexdigest() + "\n")
    file = served.folder / "unlisted.toml"
    file.write_text(file.read_text().replace("[http]\n", '[http]\ngraph_tokens = "tokens"\n'))
    at = served.ready(served.start())
    for number in range(incidents):
        file = served.folder / f"{number}.txt"
        file.write_text(records.text().replace(ISSUE, f"MX{100200 + number}"))
        done = served.typed("health", "import", file.name, "--publish")
        assert done.returncode == 0, done.stderr
    return str(at["public"])


def run(*words: str, folder: Path, patience_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PYTHON), str(CONTRACT / "only_loopback.py"), *words],
        cwd=folder, capture_output=True, text=True, timeout=patience_s,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
    )  # fmt: skip


def test_three_clients_of_graph_read_an_incident_right(served: Served) -> None:
    base = started(served) + "/v1.0"
    done = run(
        str(CONTRACT / "clients.py"), base, TOKEN, ISSUE, folder=served.folder, patience_s=100
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    overviews = {"Exchange Online": "serviceOperational", "Outgoing mail": "serviceOperational"}
    shown = {
        "title": "Some users cannot send or receive mail",
        "classification": "incident",
        "start": "2025-03-03T09:00:00Z",
        "end": "2025-03-06T09:30:00Z",
        "impact": records.FINAL_IMPACT,
    }
    sdk: dict[str, Any] = found["sdk"]
    assert f"<br><br>User Impact: {records.IMPACT}<br><br>" in sdk.pop("first")
    ids = sdk.pop("ids")
    assert sorted(ids) == [f"MX{100200 + number}" for number in range(5)]
    assert sdk == {
        **shown,
        "overviews": overviews,
        "count": 5,
        "service": "Exchange Online",
        "feature_group": "Mail routing",
        "feature": "Web portal",
        "status": "postIncidentReviewPublished",
        "origin": "microsoft",
        "resolved": True,
        "last_modified": "2025-03-06T12:10:00Z",
        "posts": [
            "2025-03-03T09:20:00Z", "2025-03-04T01:30:00Z", "2025-03-05T00:10:00Z",
            "2025-03-06T00:00:00Z", "2025-03-06T11:50:00Z", "2025-03-06T12:10:00Z",
        ],
        "kinds": ["regular"],
        "bodies": ["html"],
        "report": "<!doctype html>",
        "refused": "404 ItemNotFound",
    }  # fmt: skip
    assert found["rest"] == {**shown, "overviews": overviews, "issues": 5, "posts": 6}
    assert found["mcp"] == {"overviews": overviews, "refused": "404 ResourceNotFound"}


def test_schemathesis_finds_no_server_error_and_no_contract_break(served: Served) -> None:
    base = started(served, 2)
    with_token = ["-H", f"Authorization: Bearer {TOKEN}"]
    # Values that exist, so that more than "there is none" is tried; the rest is as served.
    document = json.loads(fetched(base + "/openapi.json"))
    examples = {"id": ISSUE, "service": "Exchange Online", "number": 2}
    for path in document["paths"].values():
        for one in path["get"].get("parameters", ()):
            if one["name"] in examples:
                one["example"] = examples[one["name"]]
    (served.folder / "openapi.json").write_text(json.dumps(document))
    done = run(
        "schemathesis.cli", "--config-file", str(CONTRACT / "schemathesis.toml"), "run",
        "openapi.json", "--url", base, *with_token, "--no-color",
        # No --max-time: fuzzing would be repeated until it is spent.
        "--generation-deterministic", "--max-examples", "3",
        "--phases", "examples,coverage,fuzzing",
        folder=served.folder, patience_s=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-1000:]
    assert f"Tested: {len(document['paths'])}" in done.stdout


def test_schemathesis_breaks_nothing_of_the_operators_api(tmp_path: Path) -> None:
    site = Site(tmp_path / "journal.db")
    try:
        base = f"http://127.0.0.1:{site.operator[1]}"
        document = json.loads(fetched(base + "/api/openapi.json", site.TOKEN))
        # Names that exist: an incident, its episode, a message, a sender.
        known = {
            "/api/incidents": ID,
            "/api/episodes": "e1",
            "/api/messages": "m2",
            "/api/senders": "anna",
        }
        for path, methods in document["paths"].items():
            for one in methods.values():
                for place in one.get("parameters", ()):
                    if place["in"] == "path":
                        name = next((v for k, v in known.items() if path.startswith(k)), "x1")
                        place["example"] = 1 if place["name"] == "number" else name
        (tmp_path / "openapi.json").write_text(json.dumps(document))
        done = run(
            "schemathesis.cli", "--config-file", str(CONTRACT / "schemathesis_operator.toml"), "run",
            "openapi.json", "--url", base, "-H", f"Authorization: Bearer {site.TOKEN}", "--no-color",
            "--generation-deterministic", "--phases", "examples,coverage",
            folder=tmp_path, patience_s=110,
        )  # fmt: skip
    finally:
        site.close()
    assert done.returncode == 0, done.stdout[-9000:] + done.stderr[-1000:]
    assert f"Tested: {sum(len(one) for one in document['paths'].values())}" in done.stdout


def fetched(url: str, token: str = "") -> str:
    import urllib.request

    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    with opener.open(asked, timeout=30) as answer:
        return str(answer.read().decode())


def test_the_request_helper_cannot_leave_loopback(tmp_path: Path) -> None:
    (tmp_path / "leave.py").write_text(
        "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80))\nexcept BaseException:\n"
        "    print('caught')\n"
    )
    done = run("leave.py", folder=tmp_path, patience_s=30)
    assert (done.returncode, done.stdout) == (97, "")
