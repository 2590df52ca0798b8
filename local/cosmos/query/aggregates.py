"""Aggregates as running totals: a query over a whole container holds no documents in memory."""

from local.cosmos.json_types import UNDEFINED, Undefined
from local.cosmos.query.signature import finite
from local.cosmos.query.values import ARRAY_RANK, Value, compare, rank


class Aggregate:
    """One COUNT, SUM, AVG, MIN, MAX or COUNTIF being computed."""

    __slots__ = ("_best", "_count", "_kind", "_spoilt", "_sum")

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._count = 0
        self._sum: int | float = 0
        self._best: Value = UNDEFINED
        self._spoilt = False

    def add(self, value: Value) -> None:
        """Undefined values do not count; one that is no number spoils SUM and AVG, as in Azure."""
        if isinstance(value, Undefined):
            return
        match self._kind:
            case "COUNT":
                self._count += 1
            case "COUNTIF":
                self._count += value is True
            case "SUM" | "AVG":
                if isinstance(value, bool) or not isinstance(value, int | float):
                    self._spoilt = True
                else:
                    self._count += 1
                    self._sum += value
            case _:
                self._extreme(value)

    def result(self) -> Value:
        """SUM of nothing is 0; AVG, MIN and MAX of nothing are undefined."""
        match self._kind:
            case "COUNT" | "COUNTIF":
                return self._count
            case "SUM":
                return UNDEFINED if self._spoilt else finite(self._sum)
            case "AVG":
                return UNDEFINED if self._spoilt or not self._count else finite(self._sum / self._count)
            case _:
                return UNDEFINED if self._spoilt else self._best

    def _extreme(self, value: Value) -> None:
        if rank(value) >= ARRAY_RANK:
            self._spoilt = True
            return
        if isinstance(self._best, Undefined):
            self._best = value
            return
        difference = compare(value, self._best)
        if difference is None:
            difference = rank(value) - rank(self._best)
        if (difference < 0) == (self._kind == "MIN") and difference:
            self._best = value
