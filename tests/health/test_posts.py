"""What a post says: every number is a figure's, and each reads right for none, one and many."""

from __future__ import annotations

import re

import msgspec
import pytest

from unlisted.facts import Figure
from unlisted.health import figures, posts, written
from unlisted.health.typed import unmeasured

AT = 1_795_392_000.0


def measured(
    *, waiting: int = 0, resent: int = 0, refused: int = 0, tried: int = 9, pool: int = 8
) -> tuple[Figure, ...]:
    return (
        figures.share("refused_share", "refusals / attempts", refused, tried, AT - 3600, AT),
        figures.count("blocked_addresses", "with an episode", 1, f"of {pool}", AT, AT),
        figures.count("waiting", "rows that wait", waiting, "messages", AT, AT),
        figures.count("resent", "sent again after a bounce", resent, "messages", AT - 9000, AT),
    )


def story(found: tuple[Figure, ...], *, final: bool = False) -> posts.Story:
    return posts.Story(
        final=final, since=AT - 9000, figures=found, named=True, stopped=True, open_episodes=1,
        delisted=0, release_at=None,
    )  # fmt: skip


ADVICE = [
    (0, "You need not re-send: no message waits, and what is refused goes out by itself."),
    (1, "You need not re-send: 1 waiting message goes out by itself."),
    (2, "You need not re-send: 2 waiting messages go out by themselves."),
    (2041, "You need not re-send: 2,041 waiting messages go out by themselves."),
]


@pytest.mark.parametrize(("waiting", "said"), ADVICE)
def test_the_advice_reads_right_for_none_one_and_many(waiting: int, said: str) -> None:
    told = dict(posts.sections(story(measured(waiting=waiting))))
    assert told["What you should do"] == said
    assert told["Measured"].endswith(f"Messages waiting: {waiting:,}.")


AGAIN = [
    (0, "which we checked."),
    (1, "1 message that had bounced was sent again by us."),
    (3, "3 messages that had bounced were sent again by us."),
]


@pytest.mark.parametrize(("resent", "said"), AGAIN)
def test_what_was_sent_again_is_a_figure_and_reads_right(resent: int, said: str) -> None:
    told = story(measured(resent=resent))
    assert dict(posts.sections(told))["What we did"].endswith(said)
    draft = dict(posts.draft(told))["What we did"]
    assert ("{{ resent }}" in draft) is (resent > 0)


@pytest.mark.parametrize("waiting", [0, 1, 2, 2041])
@pytest.mark.parametrize("resent", [0, 1, 3000])
@pytest.mark.parametrize("final", [False, True])
def test_a_draft_with_its_figures_in_reads_right_for_none_one_and_many(
    waiting: int, resent: int, final: bool
) -> None:
    found = measured(waiting=waiting, resent=resent)
    draft = posts.draft(story(found, final=final))
    assert written.refused(draft, found, ()) == []
    made, _ = written.rendered(draft, found)
    text = " ".join(said for _, said in made)
    assert not re.search(r"\b1 \w*s\b|\bmessages? (?:go|goes|was|were)\b", text), text


@pytest.mark.parametrize(("refused", "tried"), [(0, 0), (0, 1), (1, 1), (1, 2), (1200, 4000)])
@pytest.mark.parametrize("count", [0, 1, 2, 4096])
@pytest.mark.parametrize("final", [False, True])
def test_no_number_of_the_services_own_posts_is_typed(
    refused: int, tried: int, count: int, final: bool
) -> None:
    found = measured(waiting=count, resent=count, refused=refused, tried=tried)
    told = posts.sections(story(found, final=final))
    alone = [(label, text) for label, text in told if label != "Measured"]
    assert [unmeasured(text, found) for _, text in alone] == [[]] * len(alone)
    assert not re.search(r"\b1 (?!h\b)\w+s\b", " ".join(text for _, text in told))


@pytest.mark.parametrize("name", posts.NEEDED)
def test_a_post_without_one_of_its_figures_cannot_be_rendered(name: str) -> None:
    found = tuple(one for one in measured() if one.name != name)
    with pytest.raises(posts.PostError, match=name):
        posts.sections(msgspec.structs.replace(story(measured()), figures=found))


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0, "messages", "0 messages"), (1, "messages", "1 message"), (2, "messages", "2 messages"),
        (1, "addresses", "1 address"), (1, "replies", "1 reply"), (1, "of 8", "1 of 8"),
        (1, "more days", "1 more day"), (1234567, "attempts", "1,234,567 attempts"),
    ],
)  # fmt: skip
def test_a_count_has_the_unit_of_its_number(value: int, unit: str, said: str) -> None:
    assert figures.counted(value, unit) == said


QUIET = [
    ((4, 2, 0), (4, 2, 0), "unchanged since the last post: waiting 4 messages, refused 22.2% of "
     "attempts, sent again 0 messages."),
    ((4, 2, 0), (1, 0, 3), "Since the last post: waiting 4 messages before, 1 message now; refused "
     "22.2% of attempts before, 0.0% of attempts now; sent again 0 messages before, 3 messages now."),
    ((4, 2, 0), (4, 1, 0), "Since the last post: waiting 4 messages as before; refused 22.2% of "
     "attempts before, 11.1% of attempts now; sent again 0 messages as before."),
]  # fmt: skip


def beside(last: tuple[int, int, int], now: tuple[int, int, int]) -> tuple[Figure, ...]:
    was, found = (
        measured(waiting=waiting, refused=refused, resent=resent)
        for waiting, refused, resent in (last, now)
    )
    renamed = [msgspec.structs.replace(one, name=one.name + posts.BEFORE) for one in was]
    wanted = {name + posts.BEFORE for name, _ in posts.COMPARED}
    return (*found, *(one for one in renamed if one.name in wanted))


@pytest.mark.parametrize(("last", "now", "said"), QUIET)
def test_a_post_without_news_sets_its_figures_beside_the_last_ones(
    last: tuple[int, int, int], now: tuple[int, int, int], said: str
) -> None:
    found = beside(last, now)
    status = dict(posts.sections(story(found)))["Current status"]
    assert said in status
    assert unmeasured(status, found) == []


def test_without_news_the_predicted_release_is_told_with_its_band() -> None:
    told = msgspec.structs.replace(
        story(beside((4, 2, 0), (4, 2, 0))), release_at=AT + 7200, release_basis="its term",
        release_band=(AT + 3600, AT + 9000),
    )  # fmt: skip
    status = dict(posts.sections(told))["Current status"]
    assert status.endswith(
        f"should let go on {figures.clock(AT + 7200)} (between {figures.clock(AT + 3600)} and "
        f"{figures.clock(AT + 9000)})."
    )
    past = msgspec.structs.replace(told, release_at=AT - 1)
    assert "let go on" not in dict(posts.sections(past))["Current status"]


def test_a_persons_draft_has_places_for_both_figures() -> None:
    found = beside((4, 2, 0), (1, 0, 3))
    draft = posts.draft(story(found))
    status = dict(draft)["Current status"]
    assert "{{ waiting_before }} before, {{ waiting }} now" in status
    assert written.refused(draft, found, ()) == []
