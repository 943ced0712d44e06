"""Sliding counts per key, in fixed buckets, within a bounded memory.

Buckets lie on multiples of `bucket_s` since the epoch, so that the same events give the same counts
whatever was asked in between. A window is exact to one bucket. Refuses to grow: past `limit` keys
the one touched longest ago goes. An event older than the window is not counted.
"""

import msgspec


class SlidingCounts(msgspec.Struct):
    """Refused and attempted, or any other pair, per key. Encodable as it is."""

    window_s: float = 24 * 3600.0
    bucket_s: float = 3600.0
    limit: int = 100_000
    # key -> [[bucket, part, whole], ...] oldest bucket first; keys in the order last touched
    rows: dict[str, list[list[int]]] = msgspec.field(default_factory=dict)

    def add(self, key: str, at: float, *, part: int = 0, whole: int = 1) -> None:
        """Count `whole` events of which `part` are of the kind looked for."""
        bucket = int(at // self.bucket_s)
        row = self.rows.pop(key, None)
        if row is None:
            row = []
        self.rows[key] = row
        if len(self.rows) > self.limit:
            del self.rows[next(iter(self.rows))]
        newest = max(bucket, row[-1][0] if row else bucket)
        oldest = newest - self._buckets() + 1
        while row and row[0][0] < oldest:
            del row[0]
        if bucket < oldest:
            return
        place = len(row)
        while place and row[place - 1][0] > bucket:
            place -= 1
        if place and row[place - 1][0] == bucket:
            row[place - 1][1] += part
            row[place - 1][2] += whole
        else:
            row.insert(place, [bucket, part, whole])

    def total(self, key: str, now: float) -> tuple[int, int]:
        """(part, whole) in the window that ends with now's bucket."""
        last = int(now // self.bucket_s)
        first = last - self._buckets() + 1
        part = whole = 0
        for bucket, some, all_of_it in self.rows.get(key, ()):
            if first <= bucket <= last:
                part += some
                whole += all_of_it
        return part, whole

    def series(self, key: str, now: float) -> list[tuple[float, int, int]]:
        """(bucket's start, part, whole) for each bucket of the window that is not empty."""
        last = int(now // self.bucket_s)
        first = last - self._buckets() + 1
        return [
            (bucket * self.bucket_s, part, whole)
            for bucket, part, whole in self.rows.get(key, ())
            if first <= bucket <= last
        ]

    def _buckets(self) -> int:
        return max(1, round(self.window_s / self.bucket_s))
