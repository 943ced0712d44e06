"""Where a rise of refusals lies, over receivers: whose doing it is, and what would settle it.

`contrast.py` looks at one receiver. Here the same address and its neighbours are compared at all of
them. Rival explanations, each a marginal likelihood without a fitted rate:
- `address`: a list that several receivers ask has the address; each other receiver may ask it or not;
- `receiver`: this receiver alone has something against this address, its own list;
- `all`: this receiver refuses all our addresses (the content or the domain, or our whole network);
- `one_sender`: one sender's mail is refused, by whichever address;
- `usual`: nothing is out of the ordinary yet.

A probability each. Refuses counts that are none; says nothing about cells without a message.
"""

import math
from collections.abc import Iterable, Mapping

import msgspec

from unlisted.rates.contrast import RAISED, USUAL, Counts, beta_binomial, damped

Cells = Mapping[tuple[str, str], tuple[int, int]]

PRIOR = {"address": 0.06, "receiver": 0.06, "all": 0.05, "one_sender": 0.13, "usual": 0.7}
# A cell counts for so many messages at most: mail of one day is not independent.
_MOST = 60
_SETTLES = {
    ("address", "receiver"): "mail by this address to other receivers: refused there too, it is a "
    "list they share",
    ("address", "all"): "the same letter by another address of the pool to this receiver",
    ("address", "one_sender"): "another sender's mail by this address",
    ("address", "usual"): "a few more replies to mail by this address",
    ("all", "receiver"): "the same letter by another address of the pool to this receiver",
    ("one_sender", "receiver"): "another sender's mail by this address to this receiver",
    ("all", "one_sender"): "another sender's mail to this receiver",
    ("receiver", "usual"): "a few more replies of this receiver to mail by this address",
    ("all", "usual"): "a few more replies of this receiver",
    ("one_sender", "usual"): "a few more replies to this sender's mail",
}


class Where(msgspec.Struct, frozen=True):
    """The explanations with their probabilities, likeliest first in `kind`; `settles` says which
    observation tells the likeliest two apart."""

    kind: str
    probability: float
    probabilities: dict[str, float]
    settles: str
    reason: str


def where(cells: Cells, address: str, receiver: str, senders: Counts) -> Where:
    """Weigh what happened around (address, receiver). `cells` are (refused, attempts) by address and
    receiver, `senders` the same per sender for this address at this receiver."""
    for refused, attempts in [*cells.values(), *senders.values()]:
        if not 0 <= refused <= attempts:
            raise ValueError(f"{refused} of {attempts} is no count")
    per_sender = damped(senders)
    here = _added(per_sender.values()) if per_sender else _scaled(cells.get((address, receiver)))
    ours = [_scaled(n) for (a, r), n in sorted(cells.items()) if a == address and r != receiver]
    theirs = [_scaled(n) for (a, r), n in sorted(cells.items()) if a != address and r == receiver]
    others = _added(ours)
    log = {
        "address": _raised(here) + _either(ours) + _usual(_added(theirs)),
        "receiver": _raised(here) + _usual(others) + _usual(_added(theirs)),
        "all": _raised(_added([here, *theirs])) + _either(ours),
        "usual": _usual(here) + _usual(others) + _usual(_added(theirs)),
    }
    top = max(per_sender, key=lambda s: (per_sender[s][0], s), default=None)
    if top is not None:
        mine = per_sender[top]
        rest = (here[0] - mine[0], here[1] - mine[1])
        log["one_sender"] = (
            _raised(mine)
            + _usual(_added([rest, *theirs]))
            + _usual(others)
            - math.log(len(per_sender))
        )
    most = max(value + math.log(PRIOR[name]) for name, value in log.items())
    weight = {name: math.exp(v + math.log(PRIOR[name]) - most) for name, v in sorted(log.items())}
    total = sum(weight.values())
    chances = {name: weight.get(name, 0.0) / total for name in sorted(PRIOR)}
    ranked = sorted(chances, key=lambda name: (-chances[name], name))
    first, second = sorted(ranked[:2])
    return Where(
        ranked[0],
        chances[ranked[0]],
        chances,
        _SETTLES[first, second],
        f"{here[0]} of {here[1]} counted replies are refusals from {address} at {receiver}; "
        f"{others[0]} of {others[1]} from it elsewhere; "
        f"{sum(n[0] for n in theirs)} of {sum(n[1] for n in theirs)} from its neighbours there",
    )


def _scaled(pair: tuple[int, int] | None) -> tuple[int, int]:
    """The share kept, the weight bounded."""
    if pair is None or not pair[1]:
        return 0, 0
    scale = min(1.0, _MOST / pair[1])
    return round(pair[0] * scale), max(round(pair[1] * scale), round(pair[0] * scale))


def _added(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    found = list(pairs)
    return sum(p[0] for p in found), sum(p[1] for p in found)


def _raised(pair: tuple[int, int]) -> float:
    return beta_binomial(*pair, RAISED)


def _usual(pair: tuple[int, int]) -> float:
    return beta_binomial(*pair, USUAL)


def _either(pairs: list[tuple[int, int]]) -> float:
    """Each of them raised or usual, even odds: not every receiver asks every list."""
    total = 0.0
    for pair in pairs:
        a, b = _raised(pair), _usual(pair)
        total += max(a, b) + math.log1p(math.exp(-abs(a - b))) - math.log(2.0)
    return total
