"""The order of the test files, and how many examples Hypothesis tries."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

LONG_FIRST = ("journeys", "local_cloud", "infra", "contracts", "shell", "domain")
"""Folders by how long their files take. Workers take files from the front, so a long one never runs alone
at the end while the others idle (with `--no-loadscope-reorder`)."""
LONGEST = "test_crash.py"

settings.register_profile("suite", max_examples=60, deadline=None)
settings.register_profile("thorough", max_examples=int(os.environ.get("EXAMPLES", "2000")), deadline=None)
settings.load_profile("suite")


@pytest.fixture(scope="module", autouse=True)
def own_garbage() -> Iterator[None]:
    """What an SDK leaves to the garbage collector warns in the module that used it, under its filters."""
    yield
    gc.collect()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[bool, int]:
    path = item.path.relative_to(Path(__file__).parent)
    folder = path.parts[0]
    order = LONG_FIRST.index(folder) if folder in LONG_FIRST else len(LONG_FIRST)
    return path.name != LONGEST, order
