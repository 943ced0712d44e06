"""The lint of service-health records: each fault a rule with a code.

`IMPORT` are the faults of a record as a document: what an importer reports. `ALL` adds those of
its manner (gaps, missing advice, unmeasured shares). A finding that is strict blocks publishing.
"""

from collections.abc import Callable, Iterator

import msgspec

from unlisted.health import lint_times as times
from unlisted.health import lint_words as words
from unlisted.health.record import Finding, Record

Rule = Callable[[Record], Iterator[Finding]]

IMPORT: tuple[Rule, ...] = (
    times.weekday_wrong,
    times.start_in_future,
    times.start_missing,
    times.start_disagrees,
    times.duplicate_post,
    times.report_not_distinguished,
    words.heading_stale,
    words.scope_contradicts,
    words.label_spacing,
    words.spelling_mixed,
    words.quoted_error,
    words.recovery_contradicted,
    words.cause_drifts,
    words.classification_doubtful,
    words.no_figure,
    words.steps_elsewhere,
)
ALL: tuple[Rule, ...] = (
    *IMPORT,
    times.gap_over_a_day,
    times.nothing_new,
    words.unquantified,
    words.retry_advice_missing,
)
# An incident of ours: its labels are set by the service in its own spelling, nobody typed them.
OURS: tuple[Rule, ...] = tuple(rule for rule in ALL if rule is not words.label_spacing)


def findings(record: Record, rules: tuple[Rule, ...] = ALL) -> tuple[Finding, ...]:
    """Every finding of these rules, after those that the record already carries."""
    found = [finding for rule in rules for finding in rule(record)]
    return tuple(dict.fromkeys([*record.findings, *found]))


def with_findings(record: Record, rules: tuple[Rule, ...] = IMPORT) -> Record:
    """The record with what these rules find in it."""
    return msgspec.structs.replace(record, findings=findings(record, rules))
