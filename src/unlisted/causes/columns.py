"""Exposures out of a history's columns: names become numbers, addresses in the order of their value.

An address outside every pool, or one that is only a pool's name because the log does not say which,
becomes a pool of its own: nothing was drawn there. Refuses an address in two pools and hours that
are no multiples of the bucket.
"""

from collections.abc import Mapping, Sequence
from ipaddress import ip_address

import numpy as np

from unlisted.causes.exposure import CausesError, Exposures, Floats, Ints


def exposures_from(
    *,
    sender: Ints,
    senders: int,
    address: Ints,
    address_names: Sequence[str],
    hour: Ints,
    messages: Ints,
    pools: Mapping[str, Sequence[str]],
    probability: Floats | None = None,
    epoch_s: float = 3600.0,
    bucket_s: float = 3600.0,
    rests_listed: bool = False,
) -> tuple[Exposures, tuple[str, ...]]:
    """Exposures, and the addresses' names in their new order, for `Listing.address`.

    `address` are places in `address_names`, `hour` the beginnings of buckets in seconds since the
    epoch; `pools` the addresses of each pool. Without `probability` all rows of a pool's addresses
    count as drawn.
    """
    own: dict[str, int] = {}
    for number, name in enumerate(sorted(pools)):
        for one in pools[name]:
            if own.setdefault(one, number) != number:
                raise CausesError(f"address {one} is in two pools")
    names = tuple(sorted({*own, *address_names}, key=_value))
    lone = [name for name in names if name not in own]
    own |= {name: len(pools) + place for place, name in enumerate(lone)}
    place_of = {name: place for place, name in enumerate(names)}
    if len(address) and not 0 <= int(address.min()) <= int(address.max()) < len(address_names):
        raise CausesError("address: an index out of range")
    # Whole days, so that epochs of a day begin where they should.
    start = float(int(hour.min()) // 86400 * 86400) if len(hour) else 0.0
    bucket, rest = np.divmod(hour - int(start), int(bucket_s))
    if np.any(rest):
        raise CausesError("hour: not the beginning of a bucket")
    # Numbers of pools stay below the number of addresses, also where pools are empty.
    number_of = {old: new for new, old in enumerate(sorted(set(own.values())))}
    places = np.array([place_of[name] for name in address_names], dtype=np.int32)
    exposures = Exposures(
        start=start,
        senders=senders,
        pool_of=np.array([number_of[own[name]] for name in names], dtype=np.int32),
        sender=sender,
        address=places[address] if len(address) else address,
        bucket=bucket.astype(np.int32),
        messages=messages,
        probability=probability,
        bucket_s=bucket_s,
        epoch_s=epoch_s,
        rests_listed=rests_listed,
    )
    return exposures, names


def _value(name: str) -> tuple[int, int, str]:
    try:
        found = ip_address(name)
    except ValueError:
        return (99, 0, name)
    return (found.version, int(found), name)
