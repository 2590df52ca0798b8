"""Models: upload, dependencies, list, decommission, delete, and what is refused."""

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError


def prop(name, schema="double", **more):
    return {"@type": "Property", "name": name, "schema": schema, **more}


def component(name, model_id):
    return {"@type": "Component", "name": name, "schema": model_id}


def code(info):
    return info.value.error.code


def test_an_upload_answers_names_and_time_and_reads_back_as_sent(client, interface, name):
    document = interface(f"dtmi:tests:{name};1", [prop("speed")], displayName="Thing", description="A thing")
    (created,) = client.create_models([document])
    assert (created.id, created.display_name, created.decommissioned) == (
        document["@id"],
        {"en": "Thing"},
        False,
    )
    assert created.upload_time.utcoffset().total_seconds() == 0
    assert client.get_model(created.id).model is None
    assert client.get_model(created.id, include_model_definition=True).model == document


def test_models_of_one_request_may_come_in_any_order(client, interface, name):
    base, derived = f"dtmi:tests:{name}:Base;1", f"dtmi:tests:{name}:Derived;1"
    created = client.create_models(
        [interface(derived, [prop("own")], extends=base), interface(base, [prop("inherited")])]
    )
    assert [model.id for model in created] == [derived, base]


def test_a_taken_id_is_refused_and_nothing_of_the_request_is_uploaded(client, interface, upload, name):
    taken, new = upload([]), f"dtmi:tests:{name}:New;1"
    with pytest.raises(ResourceExistsError) as info:
        client.create_models([interface(new, []), interface(taken, [])])
    assert code(info) == "ModelIdAlreadyExists"
    assert taken in info.value.error.message
    with pytest.raises(ResourceNotFoundError) as info:
        client.get_model(new)
    assert code(info) == "ModelNotFound"


@pytest.mark.parametrize(
    "broken",
    [
        {"extends": "dtmi:tests:Missing;1"},
        {"contents": [component("part", "dtmi:tests:Missing;1")]},
        {"contents": [prop("a"), prop("a")]},
        {"contents": [prop("a", "decimal")]},
        {"contents": [prop("1st")]},
        {"contents": [prop("a", writeable=True)]},
        {"contents": [{"@type": "Command", "name": "reset"}]},
        {"contents": [{"name": "a", "schema": "double"}]},
        {"contents": [prop("a", {"@type": "Enum", "valueSchema": "double", "enumValues": []})]},
        {
            "contents": [prop("a", {"@type": "Array", "elementSchema": "double"})],
            "@context": "dtmi:dtdl:context;2",
        },
        {"@id": "dtmi:tests:1st;1"},
        {"@type": "Property"},
        {"@context": "dtmi:dtdl:context;1"},
        {"@context": []},
    ],
)
def test_a_broken_model_is_refused_with_its_place(client, interface, name, broken):
    document = interface(f"dtmi:tests:{name};1", []) | broken
    with pytest.raises(HttpResponseError) as info:
        client.create_models([document])
    assert info.value.status_code == 400
    assert code(info) in ("DTDLParserError", "ModelVersionNotSupported")
    assert document["@id"].partition(";")[0] in info.value.error.message


def test_no_models_or_something_else_is_refused(client):
    for body in ([], [{}], {"@id": "dtmi:tests:x;1"}):
        with pytest.raises(HttpResponseError) as info:
            client.create_models(body)
        assert info.value.status_code == 400


def test_every_fault_of_every_model_is_named_at_once(client, interface, name):
    one = interface(f"dtmi:tests:{name}:One;1", [prop("a", "decimal"), prop("1st")])
    two = interface(f"dtmi:tests:{name}:Two;1", [prop("b", writable="yes")])
    with pytest.raises(HttpResponseError) as info:
        client.create_models([one, two])
    message = info.value.error.message
    assert message.startswith("None of the models in this request could be created due to a problem")
    for place in (
        "One:_contents:__a;1: property 'schema'",
        "'1st'",
        "Two:_contents:__b;1: property 'writable'",
    ):
        assert place in message


def test_a_later_version_of_dtdl_has_a_code_of_its_own(client, interface, name):
    document = interface(f"dtmi:tests:{name};1", []) | {"@context": "dtmi:dtdl:context;4"}
    with pytest.raises(HttpResponseError) as info:
        client.create_models([document])
    assert (info.value.status_code, code(info)) == (400, "ModelVersionNotSupported")


def test_what_a_model_builds_on_may_be_uploaded_before_or_with_it_but_must_be_there(
    client, interface, upload, name
):
    base = upload([prop("inherited")], kind="Base")
    middle, top = f"dtmi:tests:{name}:Middle;1", f"dtmi:tests:{name}:Top;1"
    documents = [interface(top, [prop("own")], extends=middle), interface(middle, [], extends=base)]
    with pytest.raises(HttpResponseError, match=f"{middle}, which is neither in this request nor uploaded"):
        client.create_models(documents[:1])
    client.create_models(documents)
    twin = {"$metadata": {"$model": top}, "own": 1.0, "inherited": 2.0}
    assert client.upsert_digital_twin(f"{name}-twin", twin)["inherited"] == 2.0
    with pytest.raises(HttpResponseError, match="more than one element of the name 'inherited'"):
        client.create_models([interface(f"dtmi:tests:{name}:Clash;1", [prop("inherited")], extends=top)])


def test_the_same_model_twice_in_a_request_is_refused(client, interface, name):
    document = interface(f"dtmi:tests:{name};1", [])
    with pytest.raises(HttpResponseError, match="defined more than once") as info:
        client.create_models([document, document])
    assert code(info) == "DTDLParserError"


def test_what_is_dtdl_but_nothing_for_digital_twins_is_refused(client, interface, name):
    inner = interface(f"dtmi:tests:{name}:Inner;1", [])
    for content, why in (
        ({"@type": "Command", "name": "reset"}, "Commands are not supported"),
        ({"@type": "Component", "name": "inner", "schema": inner}, "written inside another"),
    ):
        with pytest.raises(HttpResponseError, match=why):
            client.create_models([interface(f"dtmi:tests:{name};1", [content])])


def test_units_are_held_to_their_quantity(client, interface, name):
    def document(unit):
        speed = {"@type": ["Property", "Velocity"], "name": "speed", "schema": "double", "unit": unit}
        contexts = ["dtmi:dtdl:context;3", "dtmi:dtdl:extension:quantitativeTypes;1"]
        return interface(f"dtmi:tests:{name};1", [speed]) | {"@context": contexts}

    with pytest.raises(HttpResponseError, match="is no unit of VelocityUnit"):
        client.create_models([document("kilowatt")])
    client.create_models([document("metrePerSecond")])


def test_extending_in_a_circle_is_refused(client, interface, name):
    one, two = f"dtmi:tests:{name}:One;1", f"dtmi:tests:{name}:Two;1"
    with pytest.raises(HttpResponseError, match="extends itself"):
        client.create_models([interface(one, [], extends=two), interface(two, [], extends=one)])


def test_a_component_of_a_component_is_refused(client, interface, upload, name):
    inner = upload([prop("a")], kind="Inner")
    middle = upload([component("inner", inner)], kind="Middle")
    with pytest.raises(HttpResponseError, match="must not have components"):
        client.create_models([interface(f"dtmi:tests:{name}:Outer;1", [component("middle", middle)])])


def test_a_name_that_is_inherited_twice_from_one_interface_is_one_name(client, interface, upload, name):
    base = upload([prop("a")], kind="Base")
    left, right = (f"dtmi:tests:{name}:{side};1" for side in ("Left", "Right"))
    bottom = f"dtmi:tests:{name}:Bottom;1"
    client.create_models(
        [
            interface(left, [], extends=base),
            interface(right, [], extends=base),
            interface(bottom, [], extends=[left, right]),
        ]
    )
    twin = {"$metadata": {"$model": bottom}, "a": 1.5}
    assert client.upsert_digital_twin(f"{name}-twin", twin)["a"] == 1.5


def test_a_referenced_model_cannot_be_deleted(client, interface, upload, name):
    base = upload([], kind="Base")
    derived = f"dtmi:tests:{name}:Derived;1"
    client.create_models([interface(derived, [], extends=base)])
    with pytest.raises(ResourceExistsError) as info:
        client.delete_model(base)
    assert (info.value.status_code, code(info)) == (409, "ModelReferencesNotDeleted")
    client.delete_model(derived)
    client.delete_model(base)
    with pytest.raises(ResourceNotFoundError):
        client.get_model(base)


def test_a_decommissioned_model_takes_no_new_twins_but_may_be_built_on(client, interface, upload, name):
    model = upload([prop("a")])
    client.upsert_digital_twin(f"{name}-old", {"$metadata": {"$model": model}})
    client.decommission_model(model)
    client.decommission_model(model)
    assert client.get_model(model).decommissioned
    with pytest.raises(HttpResponseError) as info:
        client.upsert_digital_twin(f"{name}-new", {"$metadata": {"$model": model}})
    assert code(info) == "ModelDecommissioned"
    client.update_digital_twin(f"{name}-old", [{"op": "add", "path": "/a", "value": 1.0}])
    client.create_models([interface(f"dtmi:tests:{name}:Later;1", [], extends=model)])


def test_a_model_that_is_a_component_of_another_cannot_be_deleted(client, interface, upload, name):
    inner = upload([prop("a")], kind="Inner")
    outer = f"dtmi:tests:{name}:Outer;1"
    client.create_models([interface(outer, [component("inner", inner)])])
    with pytest.raises(ResourceExistsError) as info:
        client.delete_model(inner)
    assert code(info) == "ModelReferencesNotDeleted"
    assert outer in info.value.error.message


def test_dependencies_of_a_model_that_there_is_not_are_not_found(client):
    with pytest.raises(ResourceNotFoundError) as info:
        list(client.list_models(dependencies_for=["dtmi:tests:NoSuchModel;1"]))
    assert code(info) == "ModelNotFound"


def test_lists_are_paged_and_can_be_cut_to_what_a_model_needs(client):
    pages = list(client.list_models(headers={"max-items-per-page": "5"}).by_page())
    sizes = [len(list(page)) for page in pages]
    assert len(sizes) > 1
    assert set(sizes[:-1]) == {5}
    needed = {model.id for model in client.list_models(dependencies_for=["dtmi:millwright:Robot;1"])}
    assert needed == {
        f"dtmi:millwright:{kind};1" for kind in ("Robot", "Machine", "Oee", "Health", "AlarmSummary")
    }


def test_the_projects_ontology_is_taken_whole(client):
    definitions = {model.id: model.model for model in client.list_models(include_model_definition=True)}
    assert definitions["dtmi:millwright:Machine;1"]["@type"] == "Interface"
