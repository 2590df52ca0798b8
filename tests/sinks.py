"""The relays' surroundings in memory: twins, events and time, with the failures that tests need."""

import copy
from collections.abc import Callable, Sequence

from shared.ports import Conflict, Document, Refused, Unavailable


class Time:
    """A clock that sleeping moves. `slept` lists the sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class MemoryTwins:
    """The twin graph. `broken` makes every call Unavailable, `away` those for some twins.

    `unknown` lists properties (by pointer) that no model has: a patch that names one is refused.
    """

    def __init__(self, *twin_ids: str) -> None:
        components = {
            "oee": {"$metadata": {}},
            "health": {"$metadata": {}},
            "alarmSummary": {"$metadata": {}},
        }
        self.twins = {
            twin_id: {
                "$dtId": twin_id,
                "$etag": f'W/"{twin_id}"',
                "$metadata": {},
                "name": twin_id,
                **copy.deepcopy(components),
            }
            for twin_id in twin_ids
        }
        self.relationships: set[tuple[str, str, str]] = set()
        self._etags = 0
        self.unknown: set[str] = set()
        self.broken = False
        self.away: set[str] = set()
        self.answers_lost = 0
        """How many coming patches are applied but answered with Unavailable."""
        self.patches: list[tuple[str, list[Document]]] = []
        self.get_count = 0

    async def get(self, twin_id: str) -> Document | None:
        self._check(twin_id)
        self.get_count += 1
        return copy.deepcopy(self.twins.get(twin_id))

    async def create(self, twin_id: str, twin: Document) -> bool:
        self._check(twin_id)
        if twin_id in self.twins:
            return False
        self.twins[twin_id] = {"$dtId": twin_id, **copy.deepcopy(twin), "$etag": self._etag()}
        return True

    async def delete(self, twin_id: str) -> None:
        self._check(twin_id)
        if any(target == twin_id for _, _, target in self.relationships):
            raise Refused(f"400: relationships lead to {twin_id}")
        self.relationships = {one for one in self.relationships if one[0] != twin_id}
        self.twins.pop(twin_id, None)

    async def relate(self, source: str, name: str, target: str) -> None:
        self._check(source)
        if not {source, target} <= self.twins.keys():
            raise Refused(f"404: {source} or {target} does not exist")
        self.relationships.add((source, name, target))

    async def targets(self, source: str, name: str) -> set[str]:
        self._check(source)
        return {target for one, kind, target in self.relationships if (one, kind) == (source, name)}

    async def query(
        self, sql: str, *, limit: int, cursor: str | None = None
    ) -> tuple[list[Document], str | None]:
        self._check("")
        raise NotImplementedError("queries are for the real service")

    async def patch(self, twin_id: str, patch: Sequence[Document], *, etag: str | None = None) -> str | None:
        self._check(twin_id)
        twin = copy.deepcopy(self.twins.get(twin_id))
        if twin is None:
            raise Refused(f"404: twin {twin_id} does not exist")
        if etag is not None and etag != twin.get("$etag"):
            raise Conflict(twin_id)
        for step in patch:
            _apply(twin, step, self.unknown)
        twin["$etag"] = self._etag()
        self.twins[twin_id] = twin
        self.patches.append((twin_id, list(patch)))
        if self.answers_lost:
            self.answers_lost -= 1
            raise Unavailable("the answer was lost")
        return twin["$etag"]

    def _etag(self) -> str:
        self._etags += 1
        return f'W/"{self._etags}"'

    def _check(self, twin_id: str) -> None:
        if self.broken or twin_id in self.away:
            raise Unavailable(f"twin {twin_id}: the service is down")


def _apply(twin: Document, step: Document, unknown: set[str]) -> None:
    path: str = step["path"]
    if path in unknown or path.removeprefix("/$metadata").removesuffix("/sourceTime") in unknown:
        raise Refused(f"400: the model has no {path}")
    *parents, leaf = path[1:].split("/")
    place = twin
    for parent in parents:
        place = place.setdefault(parent, {}) if "$metadata" in parents else place[parent]
    if step["op"] == "remove":
        if leaf not in place:
            raise Refused(f"400: {path} is not set")
        del place[leaf]
    else:
        place[leaf] = step["value"]


class MemoryEvents:
    """A topic. `takes` decides per event; one that is not taken makes the whole request refused."""

    def __init__(self, takes: Callable[[Document], bool] = lambda event: True) -> None:
        self._takes = takes
        self.published: list[Document] = []
        self.broken = False
        self.request_count = 0

    async def publish(self, events: Sequence[Document]) -> None:
        self.request_count += 1
        if self.broken:
            raise Unavailable("the topic is down")
        for event in events:
            if not self._takes(event):
                raise Refused(f"400: {event['id']} does not conform to the schema")
        self.published += copy.deepcopy(list(events))
