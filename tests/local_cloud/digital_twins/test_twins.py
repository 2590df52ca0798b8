"""Twins and components: what is stored, what is stamped, what is refused in which words."""

import re

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)

MACHINE = "dtmi:millwright:CncMachine;1"
PARTS = {name: {"$metadata": {}} for name in ("oee", "health", "alarmSummary")}
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")
WEAK_ETAG = re.compile(r'W/"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"')


def error(info):
    return info.value.error


def machine(**values):
    return {"$metadata": {"$model": MACHINE}, **PARTS, **values}


@pytest.fixture
def twin(client, name):
    client.upsert_digital_twin(name, machine(temperatureC=20.5))
    return name


def add(path, value):
    return {"op": "add", "path": path, "value": value}


def test_a_twin_reads_back_with_id_weak_etag_and_a_time_for_each_property(client, name):
    made = client.upsert_digital_twin(name, machine(temperatureC=20.5, state="Idle"))
    assert made["$dtId"] == name
    assert WEAK_ETAG.fullmatch(made["$etag"])
    assert made["$metadata"]["$model"] == MACHINE
    for stamp in (made["$metadata"]["temperatureC"], made["$metadata"]["state"]):
        assert INSTANT.fullmatch(stamp["lastUpdateTime"])
    assert INSTANT.fullmatch(made["$metadata"]["$lastUpdateTime"])
    assert client.get_digital_twin(name) == made


def test_a_put_replaces_the_whole_twin(client, twin):
    replaced = client.upsert_digital_twin(twin, machine(powerKw=3))
    assert "temperatureC" not in replaced
    assert replaced["powerKw"] == 3


def test_a_conditional_put_does_not_replace(client, twin):
    with pytest.raises(ResourceExistsError) as info:
        client.upsert_digital_twin(twin, machine(), match_condition=MatchConditions.IfMissing)
    assert info.value.status_code == 412
    assert error(info).code == "PreconditionFailed"
    assert error(info).message == (
        f"If-None-Match: * header was specified but a twin with the id {twin} was found. "
        "Please specify a different twin id."
    )


def test_a_missing_twin_is_named(client):
    with pytest.raises(ResourceNotFoundError) as info:
        client.get_digital_twin("nobody")
    assert error(info).code == "DigitalTwinNotFound"
    assert error(info).message == (
        "There is no digital twin instance that exists with the ID nobody. Please verify that the twin id is "
        "valid and ensure that the twin is not deleted. See section on querying the twins "
        "https://aka.ms/adtv2query."
    )


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (machine(lowestTemperature=1), "lowestTemperature does not appear on the DTDL for Twin."),
        (
            {"$metadata": {"$model": "dtmi:tests:Missing;1"}},
            "dtmi:tests:Missing;1 or one of its dependencies does not exist.",
        ),
        (machine(feeds=1), "feeds is not a property - it is a Relationship."),
        (machine(temperatureC="hot"), "temperatureC does not conform to the DTDL schema double."),
        (machine(state="Sleeping"), "state is not one of the values of its DTDL enum."),
        (machine(stateSince="yesterday"), "stateSince does not conform to the DTDL schema dateTime."),
        (machine(oee={"oee": 0.5}), "Component oee is missing its $metadata."),
        (
            machine(oee={"$metadata": {}, "speed": 1}),
            "speed does not appear on the DTDL for oee.",
        ),
        (
            {"$metadata": {"$model": MACHINE}, **PARTS, "health": None},
            "Component health is missing its $metadata.",
        ),
    ],
)
def test_a_twin_that_does_not_fit_its_model_is_refused(client, name, body, detail):
    with pytest.raises(HttpResponseError) as info:
        client.upsert_digital_twin(name, body)
    assert info.value.status_code == 400
    assert (error(info).code, error(info).message) == ("ValidationFailed", "Invalid twin specified")
    assert [part.message for part in error(info).details] == [detail]
    with pytest.raises(ResourceNotFoundError):
        client.get_digital_twin(name)


def test_components_are_required_at_creation(client, name):
    with pytest.raises(HttpResponseError) as info:
        client.upsert_digital_twin(name, {"$metadata": {"$model": MACHINE}})
    assert {part.message.split()[5].rstrip(":") for part in error(info).details} == set(PARTS)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ("boolean", True, 1),
        ("integer", 2**31 - 1, 2**31),
        ("integer", 3, 3.5),
        ("long", 2**62, "1"),
        ("float", 1, "1"),
        ("double", -1.5, True),
        ("string", "a" * 4096, "a" * 4097),
        ("date", "2026-02-28", "2026-02-30"),
        ("time", "06:00:00Z", "6:00"),
        ("dateTime", "2026-02-28T06:00:00+01:00", "2026-02-28"),
        ("duration", "PT8H30M", "8 hours"),
        ("point", {"type": "Point", "coordinates": [16.3, 48.2]}, {"type": "Point", "coordinates": [16.3]}),
        ({"@type": "Array", "elementSchema": "integer"}, [1, 2], [1, "2"]),
        (
            {
                "@type": "Map",
                "mapKey": {"name": "k", "schema": "string"},
                "mapValue": {"name": "v", "schema": "double"},
            },
            {"a": 1.0},
            {"a": "1"},
        ),
        ({"@type": "Object", "fields": [{"name": "x", "schema": "double"}]}, {"x": 1}, {"y": 1}),
        (
            {"@type": "Enum", "valueSchema": "integer", "enumValues": [{"name": "one", "enumValue": 1}]},
            1,
            2,
        ),
    ],
)
def test_values_are_checked_against_their_schema(client, upload, name, schema, good, bad):
    model = upload([{"@type": "Property", "name": "p", "schema": schema}])
    body = {"$metadata": {"$model": model}, "p": good}
    assert client.upsert_digital_twin(name, body)["p"] == good
    for attempt in (
        lambda: client.upsert_digital_twin(name, body | {"p": bad}),
        lambda: client.update_digital_twin(name, [add("/p", bad)]),
    ):
        with pytest.raises(HttpResponseError) as info:
            attempt()
        assert error(info).code == "ValidationFailed"
        assert " p" in f" {error(info).details[0].message}"
    assert client.get_digital_twin(name)["p"] == good


def test_a_patch_changes_stamps_only_what_it_touches(client, twin):
    before = client.get_digital_twin(twin)
    client.update_digital_twin(twin, [add("/powerKw", 5.5), add("/oee/oee", 0.75)])
    after = client.get_digital_twin(twin)
    assert (after["powerKw"], after["oee"]["oee"], after["temperatureC"]) == (5.5, 0.75, 20.5)
    assert after["$etag"] != before["$etag"]
    assert after["$metadata"]["temperatureC"] == before["$metadata"]["temperatureC"]
    stamp = after["$metadata"]["powerKw"]["lastUpdateTime"]
    assert stamp > before["$metadata"]["$lastUpdateTime"]
    assert after["oee"]["$metadata"]["oee"]["lastUpdateTime"] == stamp
    assert after["$metadata"]["$lastUpdateTime"] == stamp


def test_a_source_time_is_kept_until_it_is_given_again(client, twin):
    source = "2026-03-02T06:00:00Z"
    client.update_digital_twin(twin, [add("/powerKw", 1.0), add("/$metadata/powerKw/sourceTime", source)])
    client.update_digital_twin(twin, [add("/powerKw", 2.0)])
    assert client.get_digital_twin(twin)["$metadata"]["powerKw"]["sourceTime"] == source


def test_a_removed_property_is_gone_with_its_metadata(client, twin):
    client.update_digital_twin(twin, [{"op": "remove", "path": "/temperatureC"}])
    after = client.get_digital_twin(twin)
    assert "temperatureC" not in after
    assert "temperatureC" not in after["$metadata"]


@pytest.mark.parametrize(
    ("patch", "code", "words"),
    [
        (
            [{"op": "move", "path": "/temperatureC", "value": 42}],
            "JsonPatchInvalid",
            "Unsupported operation type move. Please provide a valid patch document.",
        ),
        (
            [{"op": "replace", "path": "/powerKw", "value": 1}],
            "JsonPatchInvalid",
            "powerKw does not exist on component. Please provide a valid patch document.",
        ),
        ([{"op": "remove", "path": "/powerKw"}], "JsonPatchInvalid", "powerKw does not exist on component."),
        ([add("/tail/x", 1)], "JsonPatchInvalid", "Could not resolve path /tail/x."),
        ([add("/$dtId", "x")], "JsonPatchInvalid", "/$dtId cannot be changed"),
        ([{}], "JsonPatchInvalid", "An operation needs op and path"),
        ({"temperatureC": 1}, "JsonPatchInvalid", "A patch document is a JSON array"),
        ([add("/speed", 1)], "ValidationFailed", "Invalid twin specified"),
        (
            [add("/powerKw", 1), add("/temperatureC", "hot")],
            "ValidationFailed",
            "Invalid twin specified",
        ),
        ([add("/$metadata/powerKw/sourceTime", "noon")], "JsonPatchInvalid", "no date-time"),
        (
            [add("/$metadata/powerKw/sourceTime", "2026-03-02T06:00:00Z")],
            "ValidationFailed",
            "Invalid twin specified",
        ),
    ],
)
def test_a_bad_patch_is_refused_and_changes_nothing(client, twin, patch, code, words):
    before = client.get_digital_twin(twin)
    with pytest.raises(HttpResponseError) as info:
        client.update_digital_twin(twin, patch)
    assert (info.value.status_code, error(info).code) == (400, code)
    assert words in error(info).message
    assert client.get_digital_twin(twin) == before


def test_a_patch_may_move_a_twin_to_another_model(client, twin):
    change = [{"op": "replace", "path": "/$metadata/$model", "value": "dtmi:millwright:Robot;1"}]
    with pytest.raises(HttpResponseError):
        client.update_digital_twin(twin, [*change, add("/spindleSpeedRpm", 900)])
    client.update_digital_twin(twin, [*change, add("/cycleTimeS", 12.5)])
    after = client.get_digital_twin(twin)
    assert (after["$metadata"]["$model"], after["cycleTimeS"]) == ("dtmi:millwright:Robot;1", 12.5)
    assert after["temperatureC"] == 20.5


def test_parts_of_objects_maps_and_arrays_can_be_patched(client, upload, name):
    model = upload(
        [
            {
                "@type": "Property",
                "name": "box",
                "schema": {
                    "@type": "Object",
                    "fields": [
                        {"name": "list", "schema": {"@type": "Array", "elementSchema": "integer"}},
                        {"name": "size", "schema": "double"},
                    ],
                },
            }
        ]
    )
    client.upsert_digital_twin(name, {"$metadata": {"$model": model}})
    with pytest.raises(HttpResponseError, match="Could not resolve path /box/size"):
        client.update_digital_twin(name, [add("/box/size", 1.0)])
    client.update_digital_twin(name, [add("/box", {"list": [1, 3], "size": 1.0})])
    client.update_digital_twin(name, [add("/box/list/1", 2), add("/box/list/-", 4), add("/box/size", 2.0)])
    assert client.get_digital_twin(name)["box"] == {"list": [1, 2, 3, 4], "size": 2.0}


def test_an_etag_guards_patches_and_deletions(client, twin):
    etag = client.get_digital_twin(twin)["$etag"]
    guard = {"match_condition": MatchConditions.IfNotModified}
    client.update_digital_twin(twin, [add("/powerKw", 1.0)], etag=etag, **guard)
    for attempt in (
        lambda: client.update_digital_twin(twin, [add("/powerKw", 2.0)], etag=etag, **guard),
        lambda: client.delete_digital_twin(twin, etag=etag, **guard),
    ):
        with pytest.raises(ResourceModifiedError) as info:
            attempt()
        assert info.value.status_code == 412
        assert error(info).message.startswith(f"The provided etag {etag} doesn't match the current etag")
    client.delete_digital_twin(twin, match_condition=MatchConditions.IfPresent)
    with pytest.raises(ResourceNotFoundError):
        client.delete_digital_twin(twin)


def test_a_component_is_read_and_patched_by_itself(client, twin):
    client.update_component(twin, "health", [add("/score", 0.9), add("/model", "bearing")])
    component = client.get_component(twin, "health")
    assert (component["score"], component["model"]) == (0.9, "bearing")
    assert INSTANT.fullmatch(component["$metadata"]["score"]["lastUpdateTime"])
    assert client.get_digital_twin(twin)["health"] == component


def test_a_component_that_is_not_there_is_named(client, twin):
    with pytest.raises(ResourceNotFoundError) as info:
        client.get_component(twin, "engine")
    assert error(info).code == "ComponentNotFound"
    assert error(info).message.startswith(f"{twin} does not have component engine Please verify")
    with pytest.raises(HttpResponseError) as info:
        client.update_component(twin, "engine", [add("/score", 1)])
    assert error(info).code == "JsonPatchInvalid"
    assert error(info).message.startswith("Could not resolve path /engine/score.")


# The SDK itself stamps telemetry with datetime.utcnow().
@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_telemetry_is_taken_for_twins_and_components_that_exist(client, twin):
    client.publish_telemetry(twin, {"temperature_c": 1})
    client.publish_component_telemetry(twin, "health", {"score": 1})
    with pytest.raises(ResourceNotFoundError):
        client.publish_telemetry("nobody", {})
    with pytest.raises(ResourceNotFoundError):
        client.publish_component_telemetry(twin, "engine", {})


async def test_the_asynchronous_client_sees_the_same(aio_client, name):
    made = await aio_client.upsert_digital_twin(name, machine(temperatureC=1.0))
    assert await aio_client.get_digital_twin(name) == made
    await aio_client.update_digital_twin(name, [add("/temperatureC", 2.0)], etag=made["$etag"])
    found = aio_client.query_twins(f"SELECT * FROM digitaltwins WHERE $dtId = '{name}'")
    assert [twin["temperatureC"] async for twin in found] == [2.0]
