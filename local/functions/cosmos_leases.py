"""Leases of feed ranges, as documents in the lease container: who reads a range, and how far it is.

The document's ETag guards every change, so a host that lost a lease learns it with its next write.
"""

import json
import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from azure.core import MatchConditions
from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)

from local.functions.change_feed import FeedRange
from local.service import Clock


class LeaseLost(Exception):
    """Another host has the range by now."""


@dataclass(slots=True)
class Lease:
    """One range's lease document, as last read or written here."""

    document: dict[str, Any]

    @property
    def id(self) -> str:
        return self.document["id"]

    @property
    def feed_range(self) -> FeedRange:
        return self.document["FeedRange"]

    @property
    def owner(self) -> str | None:
        return self.document["Owner"]

    @property
    def continuation(self) -> str | None:
        return self.document["ContinuationToken"]

    @property
    def renewed_at(self) -> float:
        return self.document["timestamp"]


class Leases:
    """The leases of one monitored container under one prefix, for one host."""

    def __init__(
        self, container: ContainerProxy, prefix: str, owner_id: str, *, expires_s: float, clock: Clock
    ) -> None:
        self._container = container
        self._prefix = prefix
        self._owner_id = owner_id
        self._expires_s = expires_s
        self._clock = clock

    async def create_missing(self, ranges: list[FeedRange]) -> list[str]:
        """One document per range, made once by whichever host comes first; their ids."""
        ids: list[str] = []
        for feed_range in ranges:
            lease_id = f"{self._prefix}..{json.dumps(feed_range['Range']['min'])[1:-1] or '0'}"
            ids.append(lease_id)
            document = {
                "id": lease_id,
                "Owner": None,
                "ContinuationToken": None,
                "FeedRange": feed_range,
                "timestamp": 0.0,
            }
            try:
                await self._container.read_item(lease_id, lease_id)
            except CosmosResourceNotFoundError:
                try:
                    await self._container.create_item(document)
                except CosmosResourceExistsError:
                    continue
        return ids

    async def acquire(self, ids: list[str], held: set[str]) -> list[Lease]:
        """Take what is free up to a fair share; when nothing is free, one from the host that has too many."""
        leases = [Lease(dict(await self._container.read_item(lease_id, lease_id))) for lease_id in ids]
        live = [lease for lease in leases if self._live(lease)]
        owners = Counter(lease.owner for lease in live)
        owners.setdefault(self._owner_id, 0)
        share = math.ceil(len(leases) / len(owners))
        missing = share - len(held)
        free = [lease for lease in leases if lease not in live and lease.id not in held]
        wanted = free[: max(0, missing)]
        richest, most = owners.most_common(1)[0]
        if not free and richest != self._owner_id and most - len(held) > 1:
            wanted = [next(lease for lease in live if lease.owner == richest)]
        return [lease for lease in wanted if await self._take(lease)]

    async def save(self, lease: Lease, continuation: str | None = None) -> None:
        """Renew the lease, moving its position if one is given. LeaseLost if another host has it."""
        document = {**lease.document, "Owner": self._owner_id, "timestamp": self._clock()}
        if continuation is not None:
            document["ContinuationToken"] = continuation
        await self._replace(lease, document)

    async def release(self, lease: Lease) -> None:
        """Give the range to whoever comes next, at once."""
        await self._replace(lease, {**lease.document, "Owner": None, "timestamp": 0.0})

    def _live(self, lease: Lease) -> bool:
        return lease.owner is not None and lease.renewed_at + self._expires_s > self._clock()

    async def _take(self, lease: Lease) -> bool:
        try:
            await self.save(lease)
        except LeaseLost:
            return False
        return True

    async def _replace(self, lease: Lease, document: dict[str, Any]) -> None:
        try:
            lease.document = dict(
                await self._container.replace_item(
                    lease.id,
                    document,
                    etag=lease.document["_etag"],
                    match_condition=MatchConditions.IfNotModified,
                )
            )
        except (CosmosAccessConditionFailedError, CosmosResourceNotFoundError) as exc:
            raise LeaseLost(lease.id) from exc
