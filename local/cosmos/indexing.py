"""What a container's indexing policy lets ORDER BY do, as Azure decides it."""

from dataclasses import dataclass

from local.cosmos.json_types import Json, JsonObject

type Path = tuple[str, ...]
type Ordered = tuple[Path, bool]
"""A path with its direction; True is descending."""


@dataclass(frozen=True, slots=True)
class _Rule:
    steps: Path
    below: bool
    """`/*`: the path and everything below; `/?`: the scalar at the path."""
    included: bool


ETAG_EXCLUDED: JsonObject = {"path": '/"_etag"/?'}


def completed(policy: Json) -> JsonObject:
    """A policy as the service keeps it: what was left out added, old kinds of indexes dropped."""
    given: JsonObject = dict(policy) if isinstance(policy, dict) else {}
    mode = str(given.get("indexingMode", "consistent")).lower()
    found: JsonObject = {"indexingMode": mode, "automatic": mode != "none", **given}
    found["indexingMode"] = mode
    if mode == "none":
        return {"indexingMode": mode, "automatic": False, "includedPaths": [], "excludedPaths": []}
    included, excluded = found.get("includedPaths"), found.get("excludedPaths")
    paths = [one for one in included if isinstance(one, dict)] if isinstance(included, list) else []
    found["includedPaths"] = [
        {name: value for name, value in one.items() if name != "indexes"} for one in paths
    ] or [{"path": "/*"}]
    kept = [one for one in excluded if isinstance(one, dict)] if isinstance(excluded, list) else []
    if ETAG_EXCLUDED["path"] not in [one.get("path") for one in kept]:
        kept = [*kept, ETAG_EXCLUDED]
    found["excludedPaths"] = [*kept]
    return found


class IndexingPolicy:
    """Answers for one container's policy. The longest matching path decides."""

    def __init__(self, policy: Json) -> None:
        given: JsonObject = policy if isinstance(policy, dict) else {}
        self._none = str(given.get("indexingMode", "consistent")).lower() == "none"
        self._rules = [
            *_rules(given.get("includedPaths"), included=True),
            *_rules(given.get("excludedPaths"), included=False),
        ]
        composite = given.get("compositeIndexes")
        self._composite = [_composite(one) for one in composite] if isinstance(composite, list) else []

    def indexes(self, path: Path) -> bool:
        """Whether the path is indexed, as a range index on it."""
        if self._none:
            return False
        if len(path) == 1 and path[0] in ("id", "_ts"):
            return True
        matching = [rule for rule in self._rules if _matches(rule, path)]
        if not matching:
            return not self._rules
        return max(matching, key=lambda rule: (len(rule.steps), not rule.below)).included

    def names(self, path: Path) -> bool:
        """Whether the policy includes just this path: then ORDER BY also returns documents without it."""
        return any(rule.included and not rule.below and rule.steps == path for rule in self._rules)

    def serves(self, order: list[Ordered]) -> bool:
        """Whether a composite index has exactly these paths, in these directions or all reversed."""
        reversed_order = [(path, not descending) for path, descending in order]
        return order in self._composite or reversed_order in self._composite


def _rules(listed: Json, *, included: bool) -> list[_Rule]:
    rules: list[_Rule] = []
    for one in listed if isinstance(listed, list) else []:
        path = one.get("path") if isinstance(one, dict) else None
        if isinstance(path, str):
            steps = tuple(step.strip('"') for step in path.split("/") if step)
            below = steps[-1:] == ("*",) or not steps
            rules.append(_Rule(tuple(step for step in steps if step not in ("*", "?")), below, included))
    return rules


def _matches(rule: _Rule, path: Path) -> bool:
    return path == rule.steps or (rule.below and path[: len(rule.steps)] == rule.steps)


def _composite(listed: Json) -> list[Ordered]:
    found: list[Ordered] = []
    for one in listed if isinstance(listed, list) else []:
        path = one.get("path") if isinstance(one, dict) else None
        if isinstance(one, dict) and isinstance(path, str):
            descending = str(one.get("order", "ascending")).lower() == "descending"
            found.append((tuple(step.strip('"') for step in path.split("/") if step), descending))
    return found
