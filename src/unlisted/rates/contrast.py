"""Contrast at one receiver: is one egress address refused where its neighbours are not?

Four rival explanations are weighed by their marginal likelihood (Beta-Binomial, no fitted rate):
the *address* has a block rate of its own; *all* addresses share a raised one (domain, content, or
the whole network); *one_sender* is refused and the others by the same address are not; or nothing
is out of the ordinary, which counts towards "unclear" as thin evidence does.

Refuses to blame an address on fewer than three distinct refused senders, or without neighbours to
compare with: refusals for one spammer's content look the same until somebody else is refused.
"""

import math
from collections.abc import Mapping
from typing import Literal

import msgspec

Kind = Literal["address", "all", "one_sender", "unclear"]

NAMED_AT = 0.95
MIN_SENDERS = 3
# The ordinary share of refusals: about 2 %, rarely above 8 %.
USUAL = (1.0, 49.0)
# A raised share: anything, but little of it so low that it could be the ordinary one.
RAISED = (1.5, 1.0)
_PRIOR = {"address": 0.1, "all": 0.05, "one_sender": 0.15, "usual": 0.7}

Counts = Mapping[str, tuple[int, int]]


class Contrast(msgspec.Struct, frozen=True):
    """The likeliest explanation, how likely each is, and what it rests on."""

    kind: Kind
    probability: float
    probabilities: dict[str, float]
    refused_senders: int
    reason: str


def damped(senders: Counts) -> dict[str, tuple[int, int]]:
    """At most three refused and three accepted of each sender: its messages go together."""
    return {
        sender: (min(refused, 3), min(refused, 3) + min(attempts - refused, 3))
        for sender, (refused, attempts) in sorted(senders.items())
        if attempts
    }


def beta_binomial(refused: int, attempts: int, shape: tuple[float, float]) -> float:
    """ln of the marginal likelihood, without the coefficient."""
    a, b = shape
    return (
        math.lgamma(a + refused)
        + math.lgamma(b + attempts - refused)
        - math.lgamma(a + b + attempts)
        - math.lgamma(a)
        - math.lgamma(b)
        + math.lgamma(a + b)
    )


def contrast(counts: Counts, address: str, senders: Counts) -> Contrast:
    """Weigh what happened at one receiver.

    `counts` are (refused, attempts) per egress address, `senders` the same per sender for this
    address only. A sender's messages are not independent of each other, so both what is refused
    and what is accepted counts per sender: at most three of each kind per sender and address.
    """
    for refused, attempts in [*counts.values(), *senders.values()]:
        if not 0 <= refused <= attempts:
            raise ValueError(f"{refused} of {attempts} is no count")
    ours = [(sender, *pair) for sender, pair in sorted(senders.items()) if pair[1]]
    refused_senders = sum(1 for _, refused, _ in ours if refused)
    counted = damped(senders)
    here = (sum(r for r, _ in counted.values()), sum(n for _, n in counted.values()))
    # The neighbours' senders are not known here; the share is kept, the weight bounded.
    others_refused = sum(r for name, (r, _) in counts.items() if name != address)
    others_tried = sum(n for name, (_, n) in counts.items() if name != address)
    scale = min(1.0, 100.0 / others_tried) if others_tried else 0.0
    there = (round(others_refused * scale), max(1, round(others_tried * scale)))
    there = there if others_tried else (0, 0)

    both = (here[0] + there[0], here[1] + there[1])
    log = {
        "address": beta_binomial(*here, RAISED) + beta_binomial(*there, USUAL),
        "all": beta_binomial(*both, RAISED),
        "usual": beta_binomial(*both, USUAL),
    }
    top = max(counted, key=lambda s: (counted[s][0], s), default=None)
    if top is not None:
        mine = counted[top]
        rest = (both[0] - mine[0], both[1] - mine[1])
        log["one_sender"] = (
            beta_binomial(*mine, RAISED) + beta_binomial(*rest, USUAL) - math.log(len(counted))
        )
    most = max(value + math.log(_PRIOR[name]) for name, value in log.items())
    weight = {
        name: math.exp(value + math.log(_PRIOR[name]) - most) for name, value in sorted(log.items())
    }
    total = sum(weight.values())
    probabilities = {name: value / total for name, value in weight.items()}
    probabilities["unclear"] = probabilities.pop("usual")
    probabilities.setdefault("one_sender", 0.0)

    words = (
        f"{sum(r for _, r, _ in ours)} of {sum(n for _, _, n in ours)} refused from {address}, "
        f"{refused_senders} of {len(ours)} senders; {others_refused} of {others_tried} elsewhere"
    )
    ranked = sorted(probabilities.items(), key=lambda item: (-item[1], item[0]))
    kind, probability = ranked[0]
    if kind == "address" and refused_senders < MIN_SENDERS:
        return Contrast(
            "unclear", probability, probabilities, refused_senders, words + ": too few senders"
        )
    if kind in ("address", "all") and others_tried == 0:
        return Contrast(
            "unclear", probability, probabilities, refused_senders, words + ": no neighbour tried"
        )
    if probability < NAMED_AT or kind == "unclear":
        return Contrast("unclear", probability, probabilities, refused_senders, words)
    named: Kind = "address" if kind == "address" else "all" if kind == "all" else "one_sender"
    return Contrast(named, probability, probabilities, refused_senders, words)
