"""Microsoft's test cases of its DTDL parser, and public ontologies, from archives beside the project."""

import json
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

REFERENCE = Path(
    os.environ.get("MILLWRIGHT_REFERENCE", Path(__file__).parents[3].parent / "shared" / "reference")
)
_NEEDS_PARSER_OPTIONS = ("quirks", "acceptableLimits", "maxDtdlVersion", "resolution", "partialResolution")


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    """File and number within it."""
    models: list[Any]
    valid: bool
    undefined_extensions: bool | None
    rules: frozenset[str]
    """Rules that the official parser may name; empty where the case does not say."""
    instances: list[dict[str, Any]]


@cache
def archive(name: str) -> dict[str, Any]:
    """JSON documents of an archive by path; skips the test where the archive is not there."""
    path = REFERENCE / name
    if not path.exists():
        pytest.skip(f"{path} is not there: set MILLWRIGHT_REFERENCE to a folder with {name}")
    found: dict[str, Any] = {}
    with tarfile.open(path) as opened:
        for member in opened:
            file = opened.extractfile(member) if member.name.endswith(".json") else None
            if file is not None:
                found[member.name] = json.loads(file.read().decode("utf-8-sig"))
    return found


def cases() -> Iterator[Case]:
    """Cases of DTDL v2 and v3 that need no option, other limits or resolver of the official parser."""
    for path, content in sorted(archive("dtdl-test-cases.tar.xz").items()):
        kind, _, name = path.partition("/test-cases/")[2].partition("/")
        if kind in ("phrases", "dtmis") or not re.search(r"V[23]\.json$", name):
            continue
        for number, case in enumerate(content if isinstance(content, list) else [content]):
            if any(case.get(option) for option in _NEEDS_PARSER_OPTIONS):
                continue
            yield _case(f"{name.removesuffix('.json')}#{number}", case)


def _case(name: str, case: dict[str, Any]) -> Case:
    expected = case.get("expect")
    errors = expected.get("parsingErrors", []) if isinstance(expected, dict) else []
    models = [model for text in case["input"] for model in (text if isinstance(text, list) else [text])]
    allowed = {"AllowUndefinedExtensions": True, "DisallowUndefinedExtensions": False}
    return Case(
        name,
        models,
        case["valid"],
        next((allowed[option] for option in case["options"] if option in allowed), None),
        frozenset(error["ValidationID"].rpartition(":")[2] for error in errors),
        case.get("instances", []),
    )
