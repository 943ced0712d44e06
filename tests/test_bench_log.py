"""The copies of a log: whole messages, interleaved, each with its own ids and addresses."""

import re
from collections import Counter
from pathlib import Path

from bench.log_copies import template_of, write_copies
from bench.log_traffic import COPY

REAL = f"""\
Nov 23 10:00:00 mx1 postfix/master[1]: daemon started
Nov 23 10:00:00 mx1 postfix/smtpd[2]: 4jYCWX4DxSzKJ16: client=c.example[198.51.100.7]
Nov 23 10:00:01 mx1 postfix/qmgr[3]: 4jYCWX4DxSzKJ16: from=<u{COPY}@home.example>, size=1, nrcpt=1
Nov 23 10:00:09 mx1 postfix/qmgr[3]: 4jYCWX4DxSzKJ16: removed
"""


def test_every_copy_is_whole_and_its_own(tmp_path: Path) -> None:
    template = template_of(REAL)
    assert len(template.lines) == 3
    path = tmp_path / "copies.log"
    assert write_copies(template, 7, path) == 21
    lines = path.read_text().splitlines()
    stamps = [line[:15] for line in lines]
    assert stamps == sorted(stamps)
    ids = Counter(re.search(r"\]: (\w+): ", line)[1] for line in lines)  # type: ignore[index]
    assert len(ids) == 7 and set(ids.values()) == {3}
    for line in lines:
        if "from=<" in line:
            told = re.search(r": \w+zq(\d{5}): from=<uzq(\d{5})@", line)
            assert told is not None and told[1] == told[2]
    # The second copy begins before the first is over.
    owners = [line.split("zq")[1][:5] for line in lines]
    assert owners.index("00001") < max(n for n, owner in enumerate(owners) if owner == "00000")
