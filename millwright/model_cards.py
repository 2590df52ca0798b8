"""The models that a factory description may bind: `models/<name>/<version>/card.json`."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from shared.contracts.factory import Binding
from shared.contracts.model_card import ModelCard

type Cards = Mapping[str, list[ModelCard]]
"""Model -> its versions, oldest first."""


class BadCard(Exception):
    """A card that cannot be read; says which and why."""


def read_cards(folder: Path) -> dict[str, list[ModelCard]]:
    """All cards below a folder. BadCard when one is not a model card."""
    cards: dict[str, list[ModelCard]] = {}
    for path in sorted(folder.glob("*/*/card.json")):
        try:
            card = ModelCard.model_validate_json(path.read_bytes())
        except ValidationError as exc:
            raise BadCard(f"{path} is no model card: {exc.errors()[0]['msg']}") from exc
        cards.setdefault(card.name, []).append(card)
    for versions in cards.values():
        versions.sort(key=lambda card: tuple(map(int, card.version.split("."))))
    return cards


def card_of(binding: Binding, cards: Cards) -> ModelCard | None:
    """The version that a binding names, else the newest; None when there is none."""
    versions = cards.get(binding.model, [])
    return next(
        (card for card in reversed(versions) if binding.version in (None, card.version)),
        None,
    )
