"""The containers: what every query of the project needs is indexed, what no query needs is not."""

import re
from pathlib import Path

from shared import state_document
from shared.adapters import cosmos
from shared.adapters.containers import CONTAINERS

ROOT = Path(__file__).parents[2]


def test_every_property_that_a_query_names_is_indexed_somewhere() -> None:
    indexed = {name.removesuffix("/[]") for container in CONTAINERS for name in container.indexed or ()}
    keys = {container.partition_key.removeprefix("/") for container in CONTAINERS}
    named: set[str] = set()
    for folder in ("shared", "functions"):
        for path in (ROOT / folder).rglob("*.py"):
            for statement in re.findall(r"SELECT [^\"]+ FROM c [^\"]+", path.read_text()):
                named |= set(re.findall(r"\bc\.(\w+)", statement.partition(" FROM ")[2]))
    assert named
    assert named <= indexed | keys | {"id"}


def test_a_state_is_not_indexed_below_its_data() -> None:
    machines = next(container for container in CONTAINERS if container.name == "machines")
    policy = machines.indexing_policy
    assert policy["excludedPaths"] == [{"path": "/*"}]
    assert {"path": "/machineId/?"} in policy["includedPaths"]
    assert all(one["path"].endswith("/?") for one in policy["includedPaths"])


def test_documents_expire_only_by_their_own_wish() -> None:
    assert {container.default_ttl for container in CONTAINERS} == {None, -1}


def test_the_store_guards_the_document_that_commits_are_guarded_by() -> None:
    assert cosmos.STATE_ID == state_document.STATE_ID
