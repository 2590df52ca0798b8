"""The Cosmos DB containers: names, partition keys, time to live, and what is indexed.

One definition for everybody who makes them: the local cloud's set-up, `millwright`, and the
test that holds the Bicep to it.
"""

from dataclasses import dataclass
from typing import Any

from azure.cosmos import PartitionKey
from azure.cosmos.aio import CosmosClient

DATABASE = "millwright"
PER_DOCUMENT = -1
"""Time to live is on, and only documents that carry `ttl` expire."""


@dataclass(frozen=True, slots=True)
class Container:
    """`indexed` lists the properties that queries use; None indexes everything.

    Every write pays for every indexed path, and a machine's state has hundreds: so what no
    query names is left out.
    """

    name: str
    partition_key: str
    indexed: tuple[str, ...] | None
    default_ttl: int | None = None

    @property
    def indexing_policy(self) -> dict[str, Any]:
        """As the service's REST interface and Bicep have it."""
        if self.indexed is None:
            return {"indexingMode": "consistent", "automatic": True, "includedPaths": [{"path": "/*"}]}
        paths = [self.partition_key, *(f"/{name}" for name in self.indexed)]
        return {
            "indexingMode": "consistent",
            "automatic": True,
            "includedPaths": [{"path": f"{path}/?"} for path in paths],
            "excludedPaths": [{"path": "/*"}],
        }


CONTAINERS = (
    Container(
        "machines",
        "/machineId",
        (
            "type",
            "siteId",
            "lineId",
            "nextDueAt",
            "blocked",
            "active",
            "acknowledged",
            "priority",
            "raisedAt",
            "urgency",
            "state",
            "ruleId",
            "alarmClass",
            "alarmIds/[]",
            "alarmId",
            "shiftId",
            "start",
            "startedAt",
            "hour",
            "at",
            "assessedAt",
            "number",
        ),
        PER_DOCUMENT,
    ),
    Container("scopes", "/scopeId", ("type", "shiftId", "start"), PER_DOCUMENT),
    Container("specs", "/siteId", ("type", "version")),
    Container("late", "/machineId", ("shiftId", "at"), PER_DOCUMENT),
    Container("quarantine", "/deviceDay", ("device", "machineId", "reason", "arrivedAt"), PER_DOCUMENT),
    Container("deliveries", "/alarmId", ("type", "outcome", "at", "dueAt", "open"), PER_DOCUMENT),
    Container("leases", "/id", None),
)
"""Everything Millwright keeps. `leases` belongs to the Functions host's change feed triggers, and to notes
of how far lagging partitions are read (shared/backlog.py)."""


async def ensure(client: CosmosClient, database: str = DATABASE) -> None:
    """Create the database and its containers where they are missing; what exists is left as it is.

    Needs the account's key: a data-plane role may not create containers (in Azure, Bicep does).
    """
    made = await client.create_database_if_not_exists(database)
    for container in CONTAINERS:
        await made.create_container_if_not_exists(
            container.name,
            PartitionKey(container.partition_key),
            indexing_policy=container.indexing_policy,
            default_ttl=container.default_ttl,
        )
