import subprocess
import sys

import pytest

from unlisted.replies import families, knowledge
from unlisted.replies.validate import problems

GOOD = """
rank = 1
[[rule]]
id = "a"
match = "abc"
examples = ["550 abc"]
reason = "blocked"
refusal = "yes"
subject = "address"
retry = "never"
source = "x"
date = "2026-01"
"""


def test_each_example_is_caught_by_its_own_rule_and_none_earlier() -> None:
    assert problems() == []


def test_the_proof_runs_as_a_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "unlisted.replies.validate"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and "0 problems" in done.stdout


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"blocked"', '"no such reason"'),
        ('["550 abc"]', "[]"),
        ('"2026-01"', '"lately"'),
        ('source = "x"', 'source = ""'),
        ('refusal = "yes"', 'refusal = "maybe"'),
        ('subject = "address"', 'subject = "content"'),
        ("rank = 1", "rank = 1\nsurprise = 2"),
        ("[[rule]]", "[[rule"),
    ],
)
def test_a_rule_that_cannot_be_trusted_does_not_load(old: str, new: str) -> None:
    knowledge.parse_file("good.toml", GOOD)
    with pytest.raises(knowledge.KnowledgeError):
        knowledge.parse_file("bad.toml", GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("zone", "family"),
    [
        ("zen.spamhaus.org", "spamhaus"),
        ("KEY.zen.dq.spamhaus.net.", "spamhaus"),
        ("bl.spamcop.net", "spamcop"),
        ("b.barracudacentral.org", "barracuda"),
        ("dnsbl-1.uceprotect.net", "uceprotect"),
        ("psbl.surriel.com", "psbl"),
        ("cm-csi-v11", "cloudmark"),
        ("truncate.gbudb.net", "gbudb"),
        ("ix.dnsbl.manitu.net", "manitu"),
        ("zen.mimecast.org", "spamhaus"),
        ("csi.mimecast.org", "mimecast"),
        ("bl.nobody-knows.example", None),
        ("notspamhaus.org", None),
        ("", None),
    ],
)
def test_a_zone_has_its_family_or_none(zone: str, family: str | None) -> None:
    assert families.family_of(zone) == family
