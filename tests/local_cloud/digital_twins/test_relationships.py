"""Relationships: checked against models and targets, listed from both ends."""

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

PARTS = {name: {"$metadata": {}} for name in ("oee", "health", "alarmSummary")}


@pytest.fixture
def line(client, name):
    """A line with one machine in it; gives both ids."""
    scope = {part: PARTS[part] for part in ("oee", "alarmSummary")}
    client.upsert_digital_twin(
        f"{name}-line", {"$metadata": {"$model": "dtmi:millwright:ProductionLine;1"}, **scope}
    )
    client.upsert_digital_twin(f"{name}-robot", {"$metadata": {"$model": "dtmi:millwright:Robot;1"}, **PARTS})
    return f"{name}-line", f"{name}-robot"


def contains(target, **more):
    return {"$relationshipName": "contains", "$targetId": target, **more}


def test_a_relationship_reads_back_and_is_listed_from_both_ends(client, line):
    source, target = line
    made = client.upsert_relationship(source, "r1", contains(target, position=1))
    assert made["$sourceId"] == source
    assert (made["$relationshipId"], made["$relationshipName"]) == ("r1", "contains")
    assert client.get_relationship(source, "r1") == made
    assert list(client.list_relationships(source)) == [made]
    assert list(client.list_relationships(source, relationship_id="feeds")) == []
    (incoming,) = client.list_incoming_relationships(target)
    assert (incoming.source_id, incoming.relationship_id, incoming.relationship_name) == (
        source,
        "r1",
        "contains",
    )
    assert incoming.relationship_link == f"/digitaltwins/{source}/relationships/r1"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"$relationshipName": "owns"}, 400, "InvalidRelationship"),
        ({"position": "first"}, 400, "InvalidRelationship"),
        ({"colour": "red"}, 400, "InvalidRelationship"),
        ({"$targetId": "nobody"}, 404, "TargetTwinNotFound"),
        ({"$relationshipName": None}, 400, "InvalidArgument"),
    ],
)
def test_a_relationship_that_does_not_fit_is_refused(client, line, body, status, code):
    source, target = line
    with pytest.raises(HttpResponseError) as info:
        client.upsert_relationship(source, "r1", contains(target) | body)
    assert (info.value.status_code, info.value.error.code) == (status, code)
    assert list(client.list_relationships(source)) == []


def test_the_target_must_be_of_the_models_kind(client, line):
    source, _ = line
    with pytest.raises(HttpResponseError, match="does not align with the model"):
        client.upsert_relationship(source, "r1", contains(source))


def test_the_source_must_exist(client, line):
    with pytest.raises(ResourceNotFoundError) as info:
        client.upsert_relationship("nobody", "r1", contains(line[1]))
    assert info.value.error.code == "DigitalTwinNotFound"


def test_a_twin_with_relationships_cannot_be_deleted(client, line):
    source, target = line
    client.upsert_relationship(source, "r1", contains(target))
    for twin in line:
        with pytest.raises(HttpResponseError) as info:
            client.delete_digital_twin(twin)
        assert (info.value.status_code, info.value.error.code) == (400, "RelationshipsNotDeleted")
    client.delete_relationship(source, "r1")
    for twin in line:
        client.delete_digital_twin(twin)


def test_its_properties_can_be_patched_under_an_etag(client, line):
    source, target = line
    etag = client.upsert_relationship(source, "r1", contains(target, position=1))["$etag"]
    move = [{"op": "replace", "path": "/position", "value": 2}]
    guard = {"match_condition": MatchConditions.IfNotModified}
    client.update_relationship(source, "r1", move, etag=etag, **guard)
    assert client.get_relationship(source, "r1")["position"] == 2
    with pytest.raises(ResourceModifiedError):
        client.update_relationship(source, "r1", move, etag=etag, **guard)
    with pytest.raises(HttpResponseError, match="cannot be changed"):
        client.update_relationship(source, "r1", [{"op": "replace", "path": "/$targetId", "value": source}])


def test_a_conditional_put_does_not_replace(client, line):
    source, target = line
    client.upsert_relationship(source, "r1", contains(target))
    with pytest.raises(ResourceExistsError) as info:
        client.upsert_relationship(source, "r1", contains(target), match_condition=MatchConditions.IfMissing)
    assert info.value.status_code == 412


def test_a_missing_relationship_is_named(client, line):
    for attempt in (client.get_relationship, client.delete_relationship):
        with pytest.raises(ResourceNotFoundError) as info:
            attempt(line[0], "r9")
        assert info.value.error.code == "RelationshipNotFound"
        assert info.value.error.message.startswith(f"Relationship r9 not found on twin {line[0]}.")


def test_long_lists_come_in_pages(service, client, connect, line, launch):
    many = launch("digital-twins", environment={"MILLWRIGHT_DIGITAL_TWINS_RATE_FACTOR": "10"})
    with connect(many) as other:
        model = {
            "@context": "dtmi:dtdl:context;3",
            "@id": "dtmi:tests:Node;1",
            "@type": "Interface",
            "contents": [{"@type": "Relationship", "name": "to"}],
        }
        other.create_models([model])
        other.upsert_digital_twin("hub", {"$metadata": {"$model": "dtmi:tests:Node;1"}})
        for number in range(105):
            other.upsert_digital_twin(f"n{number}", {"$metadata": {"$model": "dtmi:tests:Node;1"}})
            other.upsert_relationship(f"n{number}", "r", {"$relationshipName": "to", "$targetId": "hub"})
        pages = [list(page) for page in other.list_incoming_relationships("hub").by_page()]
    assert [len(page) for page in pages] == [100, 5]
    assert len({item.source_id for page in pages for item in page}) == 105
