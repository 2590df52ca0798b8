"""What the model cards say that a factory description relies on."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A trained model, as far as a binding needs it."""

    name: str
    version: str
    features: tuple[str, ...]
    """In the order of the model's columns."""
    threshold: float | None


def read_cards(folder: Path) -> dict[str, ModelCard]:
    """All models below a folder, by name."""
    return {}
