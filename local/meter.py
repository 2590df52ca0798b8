"""Counts what Azure would bill, per service: the base of every cost figure."""


class Meter:
    """Named running totals. Names say the unit: `messages_4kb`, `request_units`, `operations`."""

    def __init__(self) -> None:
        self._totals: dict[str, float] = {}

    def add(self, name: str, amount: float = 1) -> None:
        self._totals[name] = self._totals.get(name, 0) + amount

    def snapshot(self) -> dict[str, float]:
        """Totals since start, rounded to 3 decimals, by name."""
        return {name: round(total, 3) for name, total in sorted(self._totals.items())}
