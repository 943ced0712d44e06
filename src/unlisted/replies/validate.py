"""Proof of the rules: `python -m unlisted.replies.validate`.

Each example must be caught by its own rule and none earlier, and each family a rule names must
be canonical. Prints every problem; exit status 1 if there is one.
"""

import re
import sys

from unlisted.replies import families, knowledge
from unlisted.replies.classify import rule_for
from unlisted.replies.patterns import PatternError, compiled


def problems() -> list[str]:
    found: list[str] = []
    names = set(families.shipped().names)
    for rule in knowledge.shipped():
        try:
            compiled(rule.match)
            for condition in (rule.code, rule.enhanced):
                re.compile(condition or "")
        except (PatternError, re.error) as exc:
            found.append(f"{rule.id}: {exc}")
        for name in [rule.family, *rule.table.values()]:
            if name and name not in names:
                found.append(f"{rule.id}: {name} is no canonical family")
        if rule.match != rule.match.lower() and re.search(r"(?<!\\)[A-Z](?![<P])", rule.match):
            found.append(f"{rule.id}: texts are lower-cased, the pattern is not")
    if found:
        return found
    for rule in knowledge.shipped():
        for example in rule.examples:
            caught = rule_for(example, stage=rule.stage)
            if caught != rule.id:
                found.append(f"{rule.id}: example caught by {caught or 'no rule'}: {example[:120]}")
    return found


def main() -> int:
    found = problems()
    for line in found:
        print(line)
    rules = knowledge.shipped()
    print(
        f"{len(rules)} rules, {sum(len(r.examples) for r in rules)} examples, {len(found)} problems"
    )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
