"""All that is known about some weeks of listings, in order, and each unit's part of it.

A unit is a sender, a campaign or a tenant: its senders, its rows, its mail near each point. Refuses
nothing: `attribute` has checked the columns.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from unlisted.causes import hazard
from unlisted.causes.answer import UnitKind
from unlisted.causes.exposure import CampaignRows, Exposures
from unlisted.causes.points import Points

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Unit = tuple[UnitKind, int]


@dataclass(frozen=True)
class Case:
    """All that is known, rows in order of (sender, bucket) and (campaign, sender, bucket)."""

    exposures: Exposures
    campaigns: CampaignRows
    tenants: npt.NDArray[np.integer]
    points: Points
    factor: Array  # per point: what rivals multiply the background with
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
        rows, table = self.rows(unit), self.table(unit)
        if without is not None:
            rows = rows[~np.isin(table.sender[rows], without)]
        cell = table.address[rows].astype(np.int64) * self.points.buckets + table.bucket[rows]
        messages = table.messages[rows].astype(np.float64)
        return hazard.mass_of(self.points, cell, messages, self.scratch), float(messages.sum())

    def fitted(self, columns: list[tuple[Array, float]]) -> hazard.Fit:
        """The hazard with these units in it, by their `mass`."""
        none = np.zeros((len(self.points), 0))
        mass = np.stack([c[0] for c in columns], axis=1) if columns else none
        at_risk = np.array([c[1] for c in columns])
        return hazard.fit(mass, at_risk, self.background, self.factor, self.hours)
