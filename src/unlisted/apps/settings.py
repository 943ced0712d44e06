"""Finds and reads the configuration, and knows what lies where in a state folder.

`--config FILE`, else ./unlisted.toml, else none: then loopback only, static routes only, no
resolver asked. `--state DIR` wins over the file. Names inside the file are relative to it.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from datetime import datetime
from pathlib import Path

import msgspec

from unlisted.config import Config
from unlisted.config_file import DEFAULT_FILE, MAX_BYTES, ConfigError, Problem, parse
from unlisted.edge import journal, staff
from unlisted.edge.pipe import opened_file
from unlisted.facts import SenderHistory
from unlisted.toml_lines import Lines, line_of

MAX_DAYS = 400
MAX_COUNT = 1_000_000_000
MAX_LINE = 16 << 20  # a sender with some 500,000 correspondents
MAX_UNTIL = 253402300800.0  # the year 10000


class Settings(msgspec.Struct, frozen=True):
    """A configuration and where it stands. `file` None: there is none."""

    config: Config
    file: Path | None
    state: Path

    def beside(self, name: str) -> Path:
        """A path of the configuration, relative to its file."""
        return (self.file.parent if self.file else Path()) / name

    @property
    def journal(self) -> Path:
        return self.state / journal.FILE

    @property
    def secret(self) -> Path:
        return self.state / "secret"

    @property
    def token(self) -> Path:
        return self.state / "operator.token"

    @property
    def people(self) -> Path:
        return self.state / staff.FILE

    @property
    def ready(self) -> Path:
        return self.state / "ready.json"


def load(file: Path | None = None, state: Path | None = None, *, whole: bool = True) -> Settings:
    """The settings. Raises ConfigError with all problems at once.

    Not `whole`: for programs that read the state only; files it names need not be there.
    """
    if file is None and Path(DEFAULT_FILE).exists():
        file = Path(DEFAULT_FILE)
    lines: Lines = {}
    if file is None:
        made = Config()
    else:
        made, lines = parse(_text(file), str(file))
    settings = Settings(
        config=made, file=file, state=state or (file.parent if file else Path()) / made.state
    )
    problems = _missing_files(settings, lines) if whole else []
    if problems:
        raise ConfigError(str(file), problems)
    return settings


def state_folder(file: Path | None = None, state: Path | None = None) -> Path:
    """The state folder alone, for programs that only read it."""
    return state if state is not None else load(file, whole=False).state


def _text(file: Path) -> str:
    try:
        # Bounded while reading: /dev/zero and pipes have no size to ask for.
        with opened_file(file) as handle:
            raw = handle.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise ConfigError(str(file), [Problem(0, "", "is too large for a configuration")])
        # Some editors put a byte order mark in front; TOML has no place for it.
        return raw.removeprefix(codecs.BOM_UTF8).decode("utf-8").replace("\r\n", "\n")
    except (OSError, ValueError) as exc:
        if isinstance(exc, UnicodeDecodeError):
            line = exc.object[: exc.start].count(b"\n") + 1
            raise ConfigError(str(file), [Problem(line, "", "is not UTF-8 text")]) from None
        words = f"cannot be read: {getattr(exc, 'strerror', None) or exc}"
        raise ConfigError(str(file), [Problem(0, "", words)]) from None


def _missing_files(settings: Settings, lines: Lines) -> list[Problem]:
    made = settings.config
    problems = []
    for path, name in ((("smtp", "users"), made.smtp.users), (("history", "import"),
                       made.history.import_), (("http", "graph_tokens"), made.http.graph_tokens)):  # fmt: skip
        if name and not settings.beside(name).is_file():
            where = settings.beside(name)
            words = f"there is no file {where}; names are relative to this file"
            problems.append(Problem(line_of(lines, path), ".".join(path), words))
    return problems


def read_history(file: Path) -> list[SenderHistory]:
    """Sender histories, one JSON object a line. Raises ConfigError with all bad lines.

    {"sender", "tenant", "until", "days", "correspondents"}; sender and correspondents are the
    readable names ("login:anna", "bob@example.net"): the caller replaces them by keyed hashes.
    """
    facts: list[SenderHistory] = []
    problems: list[Problem] = []
    try:
        with opened_file(file) as handle:
            number = 0
            while raw := handle.readline(MAX_LINE + 1):
                number += 1
                if len(raw) > MAX_LINE:
                    # Not read on: what has such a line is some other file.
                    problems.append(Problem(number, "", f"longer than {MAX_LINE} bytes"))
                    break
                if number == 1:
                    raw = raw.removeprefix(codecs.BOM_UTF8)
                if not raw.strip():
                    continue
                try:
                    facts.append(_history(raw.decode("utf-8")))
                except UnicodeDecodeError:
                    problems.append(Problem(number, "", "is not UTF-8 text"))
                except RecursionError:
                    problems.append(Problem(number, "", "is nested too deep"))
                except (ValueError, msgspec.MsgspecError) as exc:
                    problems.append(Problem(number, "", str(exc)[:200]))
                if len(problems) >= 20:
                    break
    except OSError as exc:
        problems.append(Problem(0, "", f"cannot be read: {exc.strerror}"))
    if problems:
        raise ConfigError(str(file), problems)
    return facts


def _history(line: str) -> SenderHistory:
    data = json.loads(line)
    if not isinstance(data, dict):
        raise ValueError("expected an object with sender, tenant, until, days")
    known = {"sender", "tenant", "until", "days", "correspondents"}
    extra = sorted(set(data) - known)
    if extra:
        raise ValueError(f"unknown key {extra[0]!r}; known: {', '.join(sorted(known))}")
    until = data.get("until", 0.0)
    if isinstance(until, str):
        moment = datetime.fromisoformat(until)
        if moment.tzinfo is None:
            raise ValueError(f"until: {until!r} has no zone; expected as 2026-11-23T00:00:00Z")
        until = moment.timestamp()
    fact = msgspec.convert({**data, "until": until, "at": 0.0}, SenderHistory)
    if not (math.isfinite(fact.until) and 0 <= fact.until < MAX_UNTIL):
        raise ValueError("until: expected a time, as 2026-11-23T00:00:00Z")
    if not all(_is_text(one) for one in (fact.sender, fact.tenant, *fact.correspondents)):
        raise ValueError("sender, tenant, correspondents: a name with control characters")
    if any(max(day) > MAX_COUNT for day in fact.days):
        raise ValueError(f"days: expected counts up to {MAX_COUNT}")
    kind, colon, name = fact.sender.partition(":")
    if kind not in ("login", "host") or not (colon and name):
        raise ValueError(f"sender: {fact.sender[:80]!r}; expected login:NAME or host:NAME")
    if any(min(day) < 0 for day in fact.days) or len(fact.days) > MAX_DAYS:
        raise ValueError(f"days: expected up to {MAX_DAYS} of five counts, none below 0")
    return fact


def _is_text(name: str) -> bool:
    return not re.search("[\x00-\x1f\x7f-\x9f\ud800-\udfff]", name)
