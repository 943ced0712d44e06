"""Why: the chain of facts behind a verdict, at the terminal, on the page and in the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.apps.conftest import HOSTILE, SECRET, T0, A, Handmade, build

from unlisted.apps import chain_words, cli, explained
from unlisted.apps.chain import chain, parents
from unlisted.edge.journal import Journal
from unlisted.edge.readmodel import ReadModel
from unlisted.facts import (
    KINDS,
    Band,
    Bounce,
    CausesRanked,
    Configured,
    Delisted,
    EpisodeClosed,
    EpisodeOpened,
    Fact,
    FeedSilent,
    ListingDated,
    PathRested,
    Pool,
    ProbeAnswered,
    ReceiverDropped,
    RecoveryWatched,
    Recurred,
    Refusal,
    ReleasePredicted,
    Row,
    Share,
    SourceStopped,
    TimerFired,
)

ROW = Row(
    key="m2.0", message="m2", sender="anna", tenant="t", recipient="bob", domain="d", first_at=T0
)
BAND = Band(
    address=A, receiver="mx.far.example", refused=0, attempts=4, since=T0 + 9000, until=T0 + 12600,
    upper=0.04, usual_refused=1, usual_attempts=130, missing=7,
)  # fmt: skip


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Handmade]:
    made = Handmade(tmp_path / "journal.db")
    pool = Pool(name="p", addresses=(A, "192.0.2.12"), helo="h.example")
    made.add(Configured(at=T0, hostname="h", pools=(pool,), lookups=True), personal={
        "anna": f"login:anna{HOSTILE}"})  # fmt: skip
    text = f"Client host [{A}] blocked using l.example {HOSTILE}"
    reply = made.add(
        Bounce(at=T0 + 1, row=ROW, address=A, receiver="mx.far.example", code=554, text=text),
        Refusal(at=T0 + 1, row=ROW, address=A, receiver="mx.far.example", zone="l.example",
                retry="after_delisting", code=554, text=text),
        PathRested(at=T0 + 1, address=A, receiver="mx.far.example", episode=None, why="refused"),
    )  # fmt: skip
    probe = made.journal.last + 1
    made.add(
        ProbeAnswered(at=T0 + 2, zone="l.example", address=A, state="listed", codes=("127.0.0.2",),
                      done=f"probe/l.example/{A}/{reply}"),
        EpisodeOpened(at=T0 + 2, episode="e9", address=A, zone="l.example", receiver=None,
                      basis="reply+dns", since=T0 + 1, refusals=1, attempts=8, because=(probe,)),
        CausesRanked(at=T0 + 3, episode="e9", verdict="guilty", named=("anna",), window_s=172800,
                     shares=(Share(sender="anna", tenant="t", share=0.9, low=0.8, high=0.97,
                                   reasons=("40 of 50 new to it",), messages=50, guilty=True),),
                     because=(probe + 1,)),
    )  # fmt: skip
    yield made
    made.journal.close()


def run(capsysbinary: Any, made: Handmade, *argv: str) -> tuple[int, str]:
    code = cli.main([*argv, "--state", str(made.journal.path.parent)])
    return code, capsysbinary.readouterr()[0].decode()


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_chain_leads_from_the_verdict_to_the_reply_that_began_it(
    told: Handmade, capsysbinary: Any
) -> None:
    code, out = run(capsysbinary, told, "episode", "explain", "e9")
    assert code == 0 and max(len(line) for line in out.splitlines()) <= 80
    said = flat(out)
    order = [
        "Cause of e9: guilty, login:anna",
        "Episode e9: 192.0.2.11 is blocked on the list l.example",
        "1 of 8 (12%, 95 % interval 0% to 53%) refused",
        "l.example answered for 192.0.2.11: listed (127.0.0.2)",
        "mx.far.example replied from 192.0.2.11, to message m2.0: 554 Client host",
    ]
    chain_of = said[said.index("The facts behind it") :]
    assert [chain_of.index(one) for one in order] == sorted(chain_of.index(one) for one in order)


def test_an_open_episode_says_what_it_waits_for(told: Handmade, capsysbinary: Any) -> None:
    _, out = run(capsysbinary, told, "episode", "explain", "e9")
    said = flat(out)
    assert "l.example to let go of 192.0.2.11 (when is not known)." in said
    told.add(
        ProbeAnswered(at=T0 + 9000, zone="l.example", address=A, state="clean"),
        ReleasePredicted(at=T0 + 4, episode="e9", release_at=T0 + 9, low=T0, high=T0 + 9, basis="b"),
        Delisted(at=T0 + 9000, episode="e9", low=T0 + 8100, high=T0 + 9000),
        RecoveryWatched(at=T0 + 9000, episode="e9", earliest=T0 + 16200, latest=T0 + 30600,
                        paths=(BAND,)),
    )  # fmt: skip
    _, out = run(capsysbinary, told, "episode", "explain", "e9")
    assert "1 receiver to take its mail again: mx.far.example." in flat(out)
    reopen(told)
    told.add(FeedSilent(at=T0 + 9999, feed="mail.log", last_at=T0, usual_s=300))
    _, out = run(capsysbinary, told, "episode", "explain", "e9")
    said = flat(out)
    assert "mail.log to speak again" in said
    assert "refusals as rare as before the incident" in said
    assert (
        "0 of 4 (0%, 95 % interval 0% to 60%) refused in 1 h; usual: up to 4.0% (1 of 130" in said
    )
    assert "7 more attempts would tell" in said


def reopen(told: Handmade) -> None:
    from unlisted.facts import PathReopened

    told.tick(
        T0 + 9001,
        PathReopened(
            at=T0 + 9001, address=A, receiver="mx.far.example", episode="e9", why="accepted again"
        ),
    )


def test_a_closed_episode_says_which_of_the_three_it_was_and_what_it_cost(
    told: Handmade, capsysbinary: Any
) -> None:
    told.tick(
        T0 + 40000,
        ReceiverDropped(at=T0 + 5000, episode="e9", address=A, receiver="mx.other.example",
                        zone="l.example", since=T0 + 4000, taken=6, refused_at=T0 + 20,
                        listed_at=T0 + 4900, controls=(("mx.far.example", T0 + 4800),)),
        ListingDated(at=T0 + 9000, episode="e9", began="unknown", began_low=None, began_high=T0 + 1,
                     ended="known", ended_low=T0 + 8100, ended_high=T0 + 9000,
                     evidence_low=T0 - 78300, evidence_high=T0 - 77400),
        SourceStopped(at=T0 + 900, episodes=("e9",), senders=("anna",), since=T0, evidence="0 of 9"),
        EpisodeClosed(at=T0 + 40000, episode="e9", how="delisted", evidence="x", source="going on",
                      bands=(BAND,), refused=12, deferred=30, bounced=2, resent=1, recurrence=1),
        Recurred(at=T0 + 2, before="e3", episode="e9", zone="l.example", address=A,
                 after_s=86400 * 3, count=1),
    )  # fmt: skip
    code, out = run(capsysbinary, told, "episode", "explain", "e9")
    said = flat(out)
    assert code == 0 and max(len(line) for line in out.splitlines()) <= 80
    for words in (
        "delisted; its source was named and was not seen to stop.",
        "mx.other.example dropped the list: it took 6 recipients in a row",
        "mx.far.example still refused. That ended no listing.",
        "began before 2026-11-23 00:00:01 UTC (unknown)",
        "12 replies refused in 11 h 6 min; 30 recipients had to wait, 2 bounced; sent again: 1.",
        "A relisting: e3 ended 3 d before",
    ):
        assert words in said, words
    _, out = run(capsysbinary, told, "episode", "explain", "e9", "--json")
    found = json.loads(out)
    assert (
        found["dropped_by"][0]["receiver"] == "mx.other.example" and found["relisting_of"] == "e3"
    )
    assert found["chain"]["steps"] and {one["heading"] for one in found["explained"]} >= {
        "Which it was", "Its dates", "What it cost in mail", "Relistings",
    }  # fmt: skip


def test_a_sender_is_explained_by_its_shares_and_what_its_mail_met(
    told: Handmade, capsysbinary: Any
) -> None:
    code, out = run(capsysbinary, told, "sender", "explain", "anna")
    said = flat(out)
    assert code == 0 and max(len(line) for line in out.splitlines()) <= 80
    assert "Episode e9 (192.0.2.11): guilty" in said and "(named) 90% of the evidence" in said
    assert "1 reply blamed our address, or may have." in said
    assert "40 of 50 new to it" in said


@pytest.mark.parametrize("argv", [("episode", "explain", "e1"), ("sender", "explain", "who"),
                                  ("message", "explain", "m7")])  # fmt: skip
def test_what_is_unknown_has_an_exit_code_of_its_own(
    told: Handmade, capsysbinary: Any, argv: tuple[str, ...]
) -> None:
    assert run(capsysbinary, told, *argv) == (3, "")


def test_a_long_chain_is_bounded_keeps_its_ground_and_counts_the_rest(told: Handmade) -> None:
    last = 0
    for i in range(60):
        n = told.tick(
            T0 + 100 + i,
            SourceStopped(at=T0 + 100 + i, episodes=("e9",), senders=(), since=T0,
                          evidence=f"look {i}", because=(last,) if last else (4,)),
        )  # fmt: skip
        last = n + 1
    model = ReadModel(told.journal.path)
    found = chain(model, [last], shown=12)
    assert len(found.steps) == 12 and found.more > 40
    assert found.steps[0].n == last and any(one.observed for one in found.steps)
    model.close()


class Later(CausesRanked, frozen=True):
    """A ranking of a later station: with fields that this code does not know."""

    rival: str = ""
    episodes_for: tuple[str, ...] = ()
    units: tuple[Band, ...] = ()
    wanted: int = 0


def test_fields_of_a_later_ranking_are_said_by_their_names(told: Handmade) -> None:
    model = ReadModel(told.journal.path)
    fact = Later(
        at=T0, episode="e9", verdict="probable", named=(), shares=(), window_s=1.0, rival="a list error",
        episodes_for=("e1", "e2", "e3", "e4", "e5", "e6", "e7"), units=(BAND,), wanted=3,
    )  # fmt: skip
    said = chain_words.told(model, fact)
    for words in ("without a sender of ours: a list error", "episodes for: e1; e2; e3; e4; e5; … and 2 more",
                  "wanted: 3", "units: address: 192.0.2.11"):  # fmt: skip
        assert words in said
    model.close()


@pytest.mark.parametrize("kind", ["episode", "sender"])
def test_the_page_and_the_api_say_the_same_and_escape_it(ended_faces: Any, kind: str) -> None:
    name = {"episode": "e1", "sender": "login:eve"}[kind]
    cookie = ended_faces.sign_in()
    page = ended_faces.ask(ended_faces.operator, f"/{kind}?id={name}", cookie=cookie)
    assert page.status == 200 and "The facts behind it" in page.text
    assert HOSTILE not in page.text and "<script>alert" not in page.text
    found = ended_faces.api(f"/api/{kind}s/{name}/explain").json()
    assert found["chain"]["steps"] and found["title"].startswith(kind.capitalize())
    for missing in ("", "nobody", "%00", "x" * 400):
        path = f"/{kind}?id={missing}"
        assert ended_faces.ask(ended_faces.operator, path, cookie=cookie).status == 404
    assert ended_faces.ask(ended_faces.operator, f"/{kind}?id={name}").status == 401
    assert ended_faces.ask(ended_faces.operator, f"/api/{kind}s/{name}/explain").status == 401


def test_the_overview_and_a_message_lead_to_episode_and_sender(ended_faces: Any) -> None:
    cookie = ended_faces.sign_in()
    for path in ("/", "/message?id=m2"):
        page = ended_faces.ask(ended_faces.operator, path, cookie=cookie).text
        assert 'href="/episode?id=e1"' in page and 'href="/sender?id=' in page


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 30))
def test_a_chain_of_any_journal_ends_and_is_bounded(
    tmp_path_factory: Any, because: list[int], shown: int
) -> None:
    path = tmp_path_factory.mktemp("j") / "journal.db"
    journal = Journal(path, SECRET, durable=False)
    n = 1
    for number in because:  # reasons may be missing, later than the fact, or the fact itself
        fact = SourceStopped(
            at=T0, episodes=("e",), senders=(), since=T0, evidence="x", because=(number, number + 1)
        )
        journal.append(n, TimerFired(at=T0, key="t"), [(n + 1, fact, n)])
        n += 2
    journal.commit()
    model = ReadModel(path)
    found = chain(model, range(0, n + 5), shown=shown)
    assert len(found.steps) <= max(shown, 1) and found.more >= 0
    model.close()
    journal.close()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_fact_has_its_reasons(kind: str) -> None:
    made = _least(KINDS[kind])
    assert isinstance(parents(made, 7), tuple)
    if not made.observed:
        assert parents(made, 7) == (getattr(made, "because", ()) or (7,))


def _least(kind: type[Fact]) -> Fact:
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.required:
            values[field.encode_name] = {"row": ROW}.get(field.name)
    return kind(**values)


def test_a_message_is_explained_down_to_its_episode(told: Handmade) -> None:
    model = ReadModel(told.journal.path)
    model.catch_up_now()
    assert explained.episode(model, "e9") is not None
    assert explained.sender(model, "anna") is not None
    assert explained.sender(model, "nobody") is None
    model.close()


def test_where_somebody_is_guilty_it_is_said_that_a_share_is_another_question(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = build(tmp_path / "journal.db")
    made.journal.close()
    model = ReadModel(tmp_path / "journal.db")
    model.catch_up_now()
    for name, named in (("e1", True), ("e2", False)):
        told = explained.episode(model, name)
        assert told is not None
        lines = [line for section in told.sections for line in section.lines]
        assert (explained.TWO_QUESTIONS in lines) is named
    model.close()
    for name, named in (("e1", True), ("e2", False)):
        assert cli.main(["episode", "explain", name, "--state", str(tmp_path)]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert (explained.TWO_QUESTIONS in said) is named


@pytest.mark.parametrize("zone", ["l.example", "bl.spamcop-x.net"])
@pytest.mark.parametrize("address", ["192.0.2.1", "192.168.100.100"])
def test_the_list_of_episodes_fits_a_line_with_the_names_whole(
    zone: str, address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Handmade(tmp_path / "journal.db")
    opened = EpisodeOpened(at=T0, episode="e1259w", address=address, zone=zone, receiver=None,
                           basis="dns", since=T0, refusals=188, attempts=900, because=())  # fmt: skip
    closed = EpisodeClosed(at=T0 + 900, episode="e1259w", how="over", evidence="all take it")
    made.add(TimerFired(at=T0, key="x"), opened, closed)
    made.journal.close()
    assert cli.main(["episode", "list", "--state", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    (row,) = [line for line in lines if line.startswith("e1259w")]
    assert zone in row and address in row and "188" in row
    assert row.startswith("e1259w") and ("2026" in row or lines[-1] == "times in 2026")
