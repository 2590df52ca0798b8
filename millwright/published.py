"""Everything in `docs/contracts/`, made from the models and the table of routes: file name -> text."""

import json
from typing import Any

from millwright import schemas
from millwright.asyncapi import asyncapi
from millwright.openapi import openapi
from shared.contracts.documents.kinds import DOCUMENTS
from shared.contracts.events import EVENTS, envelope, name_of

type Json = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def published() -> dict[str, str]:
    """All files; the same models give the same text."""
    documents = {
        f"documents/{name}.schema.json": model.model_json_schema() for name, model in DOCUMENTS.items()
    }
    events = {f"events/{name_of(kind)}.schema.json": envelope(kind).model_json_schema() for kind in EVENTS}
    made = {name: _text({"$schema": DIALECT, **schema}) for name, schema in (documents | events).items()}
    return {
        **schemas.published(),
        **made,
        "asyncapi.json": _text(asyncapi()),
        "openapi.json": _text(openapi()),
    }


def _text(value: Json) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"
