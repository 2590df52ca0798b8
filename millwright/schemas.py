"""The contracts' JSON Schemas, published in `docs/contracts/`: `python -m millwright.schemas` writes them."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from shared.contracts.factory import Factory
from shared.contracts.telemetry import TelemetryMessage

FOLDER = Path(__file__).parent.parent / "docs" / "contracts"

type Schema = dict[str, Any]


def factory_schema() -> Schema:
    """Of a factory description; editors complete and check with it."""
    return _dialect(Factory.model_json_schema())


def telemetry_schema() -> Schema:
    """Of a device message: one telemetry message or an array of them; NDJSON has one on each line."""
    either: TypeAdapter[Any] = TypeAdapter(TelemetryMessage | list[TelemetryMessage])
    return _dialect({"title": "Telemetry, version 1", **either.json_schema()})


def published() -> dict[str, str]:
    """File name -> text of every schema."""
    schemas = {"factory": factory_schema(), "telemetry": telemetry_schema()}
    return {
        f"{name}.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }


def _dialect(schema: Schema) -> Schema:
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in published().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
