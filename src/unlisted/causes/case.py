"""All that is known about some weeks of listings, in order, and each unit's part of it.

A unit is a sender, a campaign or a tenant: its senders, its rows, its mail near each point. Refuses
nothing: `attribute` has checked the columns.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from unlisted.causes import hazard
from unlisted.causes.answer import UnitKind
from unlisted.causes.exposure import CampaignRows, Exposures
from unlisted.causes.points import Points

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Unit = tuple[UnitKind, int]


# Odds below which a range changes nothing.
_UNLIKELY = 0.05


class Column(NamedTuple):
    """A unit's mail near each point, in all, and near the points in doubt over its whole pool."""

    mass: Array
    at_risk: float
    even: Array


@dataclass(frozen=True)
class Case:
    """All that is known, rows in order of (sender, bucket) and (campaign, sender, bucket)."""

    exposures: Exposures
    campaigns: CampaignRows
    tenants: npt.NDArray[np.integer]
    points: Points
    factor: Array  # per point: what errors multiply the background with
    ranged: Array  # per point: the odds that a range brought it
    background: float

    @cached_property
    def sender_begins(self) -> Index:
        """Where each sender's rows begin."""
        return np.searchsorted(self.exposures.sender, np.arange(self.exposures.senders + 1))

    @cached_property
    def campaign_begins(self) -> Index:
        """Where each campaign's rows begin."""
        return np.searchsorted(self.campaigns.campaign, np.arange(self.campaigns.campaigns + 1))

    @cached_property
    def tenant_order(self) -> tuple[Index, Index]:
        """Senders by tenant, and where each tenant's begin."""
        order = np.argsort(self.tenants, kind="stable")
        count = self.tenant_count
        return order, np.searchsorted(self.tenants[order], np.arange(count + 1))

    @property
    def tenant_count(self) -> int:
        """How many tenants there are."""
        return int(self.tenants.max()) + 1 if len(self.tenants) else 0

    @cached_property
    def hours(self) -> float:
        """Address-hours looked at."""
        return self.exposures.addresses * self.exposures.buckets * self.exposures.bucket_s / 3600.0

    @cached_property
    def scratch(self) -> Array:
        """One number a cell, zero between uses."""
        return np.zeros(self.exposures.addresses * max(1, self.points.buckets))

    def members(self, unit: Unit) -> Index:
        """The senders of a unit."""
        kind, number = unit
        if kind == "sender":
            return np.array([number], dtype=np.int64)
        if kind == "tenant":
            order, begins = self.tenant_order
            return np.asarray(order[begins[number] : begins[number + 1]], dtype=np.int64)
        rows = self.rows(unit)
        return np.asarray(np.unique(self.campaigns.sender[rows]), dtype=np.int64)

    def rows(self, unit: Unit) -> Index:
        """Its rows in its table."""
        kind, number = unit
        if kind == "tenant":
            return self.rows_of(self.members(unit))
        begins = self.sender_begins if kind == "sender" else self.campaign_begins
        return np.arange(begins[number], begins[number + 1])

    def rows_of(self, senders: Index) -> Index:
        """The exposure rows of some senders."""
        begins = self.sender_begins
        length = begins[senders + 1] - begins[senders]
        offset = np.repeat(begins[senders] - np.cumsum(length) + length, length)
        return np.asarray(np.arange(int(length.sum())) + offset, dtype=np.int64)

    def table(self, unit: Unit) -> Exposures | CampaignRows:
        """Where its rows are."""
        return self.campaigns if unit[0] == "campaign" else self.exposures

    def mass(self, unit: Unit, without: Index | None = None) -> tuple[Array, float]:
        """Its mail near each point by the point's address, and in all; less some senders'."""
        rows, table = self._rows(unit, without), self.table(unit)
        cell = table.address[rows].astype(np.int64) * self.points.buckets + table.bucket[rows]
        messages = table.messages[rows].astype(np.float64)
        return hazard.mass_of(self.points, cell, messages, self.scratch), float(messages.sum())

    @cached_property
    def in_doubt(self) -> Index:
        """Points around which a range is not out of the question."""
        return np.flatnonzero(self.ranged > _UNLIKELY)

    @cached_property
    def ground(self) -> Array:
        """What explains each point if no unit is known, before any fit."""
        return np.asarray(self.background * (self.factor + self.ranged), dtype=np.float64)

    def even(self, unit: Unit, without: Index | None = None) -> Array:
        """Its mail near each point in doubt, on average over the addresses of the point's pool."""
        if not len(self.in_doubt):
            return np.zeros(0)
        rows, table = self._rows(unit, without), self.table(unit)
        pool_of, buckets = self.exposures.pool_of, self.points.buckets
        size = np.bincount(pool_of)
        pool = pool_of[table.address[rows]].astype(np.int64)
        messages = table.messages[rows] / size[pool]
        where = self.points.cell[self.in_doubt]
        # The scratch is one number a cell, and there are no more pools than addresses.
        here = pool_of[where // max(1, buckets)] * buckets + where % max(1, buckets)
        cell = pool * buckets + table.bucket[rows]
        np.add.at(self.scratch, cell, messages)
        found = (self.scratch[here] * self.points.near[self.in_doubt]).sum(axis=1)
        self.scratch[cell] = 0.0
        return np.asarray(found, dtype=np.float64)

    def _rows(self, unit: Unit, without: Index | None) -> Index:
        rows = self.rows(unit)
        return rows if without is None else rows[~np.isin(self.table(unit).sender[rows], without)]

    def column(self, unit: Unit, without: Index | None = None) -> Column:
        """All that a fit wants of a unit."""
        return Column(*self.mass(unit, without), self.even(unit, without))

    def fitted(self, columns: list[Column]) -> hazard.Fit:
        """The hazard with these units in it."""
        none, nowhere = np.zeros((len(self.points), 0)), np.zeros((len(self.in_doubt), 0))
        mass = np.stack([c.mass for c in columns], axis=1) if columns else none
        even = np.stack([c.even for c in columns], axis=1) if columns else nowhere
        at_risk = np.array([c.at_risk for c in columns])
        ranges = hazard.Ranges(self.in_doubt, self.ranged[self.in_doubt], even)
        return hazard.fit(mass, at_risk, self.background, self.factor, self.hours, ranges)
