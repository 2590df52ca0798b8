"""Documents one by one, through azure-cosmos."""

import time
from collections.abc import Callable

import pytest
from azure.core import MatchConditions
from azure.cosmos import ContainerProxy, CosmosClient, DatabaseProxy, PartitionKey
from azure.cosmos.aio import ContainerProxy as AioContainerProxy
from azure.cosmos.exceptions import (
    CosmosAccessConditionFailedError,
    CosmosHttpResponseError,
    CosmosResourceExistsError,
    CosmosResourceNotFoundError,
)


def headers(container: ContainerProxy) -> dict[str, str]:
    return container.client_connection.last_response_headers


def test_a_created_document_reads_back_with_the_services_properties(container: ContainerProxy) -> None:
    created = container.create_item({"id": "1", "pk": "a", "n": [1, 2.5, None, {"ä": "ö"}]})
    read = container.read_item("1", "a")
    assert read == created
    assert read["n"] == [1, 2.5, None, {"ä": "ö"}]
    assert read["_etag"].startswith('"')
    assert read["_self"].endswith(f"docs/{read['_rid']}/")
    assert abs(read["_ts"] - time.time()) < 5
    assert headers(container)["etag"] == read["_etag"]


def test_an_id_exists_once_in_a_partition_and_again_in_another(container: ContainerProxy) -> None:
    container.create_item({"id": "1", "pk": "a"})
    container.create_item({"id": "1", "pk": "b"})
    with pytest.raises(CosmosResourceExistsError):
        container.create_item({"id": "1", "pk": "a"})
    with pytest.raises(CosmosResourceNotFoundError):
        container.read_item("1", "c")


def test_upsert_creates_then_replaces_and_keeps_the_resource_id(container: ContainerProxy) -> None:
    first = container.upsert_item({"id": "1", "pk": "a", "v": 1})
    second = container.upsert_item({"id": "1", "pk": "a", "v": 2})
    assert (second["v"], second["_rid"]) == (2, first["_rid"])
    assert second["_etag"] != first["_etag"]


def test_a_stale_etag_is_refused_by_replace_upsert_patch_and_delete(container: ContainerProxy) -> None:
    old = container.create_item({"id": "1", "pk": "a", "v": 1})
    new = container.replace_item(
        "1", {**old, "v": 2}, etag=old["_etag"], match_condition=MatchConditions.IfNotModified
    )
    stale = {"etag": old["_etag"], "match_condition": MatchConditions.IfNotModified}
    for attempt in (
        lambda: container.replace_item("1", {**old, "v": 3}, **stale),
        lambda: container.upsert_item({**old, "v": 3}, **stale),
        lambda: container.patch_item("1", "a", [{"op": "set", "path": "/v", "value": 3}], **stale),
        lambda: container.delete_item("1", "a", **stale),
    ):
        with pytest.raises(CosmosAccessConditionFailedError):
            attempt()
    assert container.read_item("1", "a") == new


def test_a_conditional_read_of_an_unchanged_document_answers_304(container: ContainerProxy) -> None:
    created = container.create_item({"id": "1", "pk": "a"})
    container.read_item("1", "a", etag=created["_etag"], match_condition=MatchConditions.IfModified)
    assert headers(container)["etag"] == created["_etag"]


def test_delete_of_a_missing_document_is_not_found(container: ContainerProxy) -> None:
    container.create_item({"id": "1", "pk": "a"})
    container.delete_item("1", "a")
    with pytest.raises(CosmosResourceNotFoundError):
        container.delete_item("1", "a")


def test_a_partition_key_that_differs_from_the_documents_is_refused(container: ContainerProxy) -> None:
    container.create_item({"id": "1", "pk": "a"})
    with pytest.raises(CosmosHttpResponseError, match="PartitionKey extracted from document") as refused:
        container.client_connection.ReplaceItem(
            f"{container.container_link}/docs/1", {"id": "1", "pk": "b"}, {"partitionKey": "a"}
        )
    assert (refused.value.status_code, refused.value.sub_status) == (400, 1001)


@pytest.mark.parametrize("key", ["", "x", 7, 7.5, -1e300, True, False, None])
def test_every_kind_of_partition_key_value_works(container: ContainerProxy, key: object) -> None:
    container.upsert_item({"id": "1", "pk": key})
    assert container.read_item("1", key)["pk"] == key  # pyright: ignore[reportArgumentType]
    if key is not None:  # which to query_items means: all partitions
        assert len(list(container.query_items("SELECT * FROM c", partition_key=key))) == 1  # pyright: ignore[reportArgumentType]


def test_true_one_and_the_text_1_are_different_partitions(container: ContainerProxy) -> None:
    for key in (True, 1, "1"):
        container.create_item({"id": "1", "pk": key})
    assert [container.read_item("1", key)["pk"] for key in (True, 1, "1")] == [True, 1, "1"]


def test_a_nested_partition_key_path(make_container: Callable[..., ContainerProxy]) -> None:
    container = make_container("/machine/id")
    container.create_item({"id": "1", "machine": {"id": "m1"}})
    assert container.read_item("1", "m1")["machine"] == {"id": "m1"}


def test_hierarchical_keys_read_by_all_levels_and_query_by_a_prefix(
    make_container: Callable[..., ContainerProxy],
) -> None:
    container = make_container(["/site", "/line", "/machine"])
    for site in "ab":
        for line in "12":
            for machine in range(3):
                container.create_item({"id": "1", "site": site, "line": line, "machine": machine})
    assert container.read_item("1", ["a", "2", 1])["machine"] == 1
    assert len(list(container.query_items("SELECT * FROM c", partition_key=["a", "2", 1]))) == 1
    assert len(list(container.query_items("SELECT * FROM c", partition_key=["a", "2"]))) == 3
    assert len(list(container.query_items("SELECT * FROM c", partition_key=["b"]))) == 6
    with pytest.raises(CosmosHttpResponseError, match="fewer components"):
        container.read_item("1", ["a", "2"])


@pytest.mark.parametrize(
    "bad", [{"pk": "a"}, {"id": 5, "pk": "a"}, {"id": "", "pk": "a"}, {"id": "x" * 1024, "pk": "a"}]
)
def test_documents_without_a_proper_id_are_refused(container: ContainerProxy, bad: dict[str, object]) -> None:
    with pytest.raises((CosmosHttpResponseError, ValueError, TypeError)):
        container.create_item(bad)
    assert list(container.read_all_items()) == []


def test_ids_with_unusual_characters_work(container: ContainerProxy) -> None:
    for name in ("a b", "ümlaut", "per%cent", "plus+&=", "quote'\"", "x" * 255):
        container.create_item({"id": name, "pk": "a"})
        assert container.read_item(name, "a")["id"] == name


def test_a_document_over_two_megabytes_is_refused(container: ContainerProxy) -> None:
    container.create_item({"id": "fits", "pk": "a", "text": "x" * (2 * 1024 * 1024 - 100)})
    for size in (2 * 1024 * 1024, 5 * 1024 * 1024):
        with pytest.raises(CosmosHttpResponseError, match="RequestEntityTooLarge") as refused:
            container.create_item({"id": "big", "pk": "a", "text": "x" * size})
        assert refused.value.status_code == 413


def test_no_response_leaves_the_body_out(container: ContainerProxy) -> None:
    assert not container.upsert_item({"id": "1", "pk": "a"}, no_response=True)
    assert container.read_item("1", "a")["id"] == "1"


def test_request_charges_follow_the_published_sizes(container: ContainerProxy) -> None:
    container.create_item({"id": "1", "pk": "a"})
    assert float(headers(container)["x-ms-request-charge"]) == pytest.approx(4.95)
    container.read_item("1", "a")
    assert float(headers(container)["x-ms-request-charge"]) == 1.0
    container.upsert_item({"id": "1", "pk": "a", "v": 2})
    assert float(headers(container)["x-ms-request-charge"]) == pytest.approx(9.9)
    container.create_item({"id": "2", "pk": "a", "text": "x" * (16 * 1024 - 28)})
    assert float(headers(container)["x-ms-request-charge"]) == pytest.approx(9.52, abs=0.02)


def test_read_items_brings_many_documents_in_one_call(container: ContainerProxy) -> None:
    for i in range(40):
        container.create_item({"id": f"d{i}", "pk": f"p{i % 7}", "v": i})
    wanted = [(f"d{i}", f"p{i % 7}") for i in range(0, 40, 2)]
    assert [item["v"] for item in container.read_items(wanted)] == list(range(0, 40, 2))


def test_read_items_of_a_thousand(container: ContainerProxy) -> None:
    for start in range(0, 1000, 100):
        container.execute_item_batch(
            [("create", ({"id": f"d{i}", "pk": "p"},)) for i in range(start, start + 100)], "p"
        )
    assert len(container.read_items([(f"d{i}", "p") for i in range(1000)])) == 1000


def test_deleting_a_partition_leaves_the_others(container: ContainerProxy) -> None:
    for key in "ab":
        for i in range(3):
            container.create_item({"id": str(i), "pk": key})
    container.delete_all_items_by_partition_key("a")
    assert [item["pk"] for item in container.read_all_items()] == ["b"] * 3


def test_expired_documents_are_out_of_sight_at_once_and_their_ids_free(
    make_container: Callable[..., ContainerProxy],
) -> None:
    container = make_container(default_ttl=-1, unique_key_policy={"uniqueKeys": [{"paths": ["/serial"]}]})
    container.create_item({"id": "1", "pk": "a", "ttl": 1, "serial": "s"})
    container.create_item({"id": "2", "pk": "a", "serial": "t"})
    deadline = time.time() + 60
    while time.time() < deadline and len(list(container.read_all_items())) > 1:
        time.sleep(0.05)
    with pytest.raises(CosmosResourceNotFoundError):
        container.read_item("1", "a")
    assert [item["id"] for item in container.query_items_change_feed(start_time="Beginning")] == ["2"]
    container.create_item({"id": "1", "pk": "a", "serial": "s"})


def test_a_containers_default_ttl_applies_and_minus_one_escapes_it(
    make_container: Callable[..., ContainerProxy],
) -> None:
    container = make_container(default_ttl=1)
    container.create_item({"id": "goes", "pk": "a"})
    container.create_item({"id": "stays", "pk": "a", "ttl": -1})
    deadline = time.time() + 60
    while time.time() < deadline and len(list(container.read_all_items())) > 1:
        time.sleep(0.05)
    assert [item["id"] for item in container.read_all_items()] == ["stays"]


def test_a_changed_default_ttl_applies_to_what_is_there(
    database: DatabaseProxy, make_container: Callable[..., ContainerProxy]
) -> None:
    container = make_container()
    container.create_item({"id": "1", "pk": "a"})
    database.replace_container(container, PartitionKey("/pk"), default_ttl=1)
    deadline = time.time() + 60
    while time.time() < deadline and list(container.read_all_items()):
        time.sleep(0.05)
    assert list(container.read_all_items()) == []


@pytest.mark.parametrize("ttl", [0, -2, "soon", 1.5])
def test_a_ttl_that_is_none_is_refused(container: ContainerProxy, ttl: object) -> None:
    with pytest.raises(CosmosHttpResponseError, match="ttl"):
        container.create_item({"id": "1", "pk": "a", "ttl": ttl})


def test_unique_keys_hold_inside_a_partition_only(make_container: Callable[..., ContainerProxy]) -> None:
    container = make_container(unique_key_policy={"uniqueKeys": [{"paths": ["/serial", "/model/name"]}]})
    first = container.create_item({"id": "1", "pk": "a", "serial": "s", "model": {"name": "m"}})
    container.create_item({"id": "2", "pk": "a", "serial": "s", "model": {"name": "n"}})
    container.create_item({"id": "1", "pk": "b", "serial": "s", "model": {"name": "m"}})
    with pytest.raises(CosmosResourceExistsError, match="Unique index constraint violation"):
        container.create_item({"id": "3", "pk": "a", "serial": "s", "model": {"name": "m"}})
    container.replace_item("1", {**first, "serial": "t"})
    container.create_item({"id": "3", "pk": "a", "serial": "s", "model": {"name": "m"}})
    container.delete_item("3", "a")
    container.create_item({"id": "4", "pk": "a", "serial": "s", "model": {"name": "m"}})


def test_databases_and_containers_come_and_go(client: CosmosClient) -> None:
    database = client.create_database_if_not_exists("other")
    assert client.create_database_if_not_exists("other").id == database.id
    with pytest.raises(CosmosResourceExistsError):
        client.create_database("other")
    policy = {
        "indexingMode": "consistent",
        "includedPaths": [{"path": "/*"}],
        "excludedPaths": [{"path": "/big/*"}],
    }
    made = database.create_container_if_not_exists(
        "one", PartitionKey("/pk"), indexing_policy=policy, default_ttl=60
    )
    properties = made.read()
    etag = {"path": '/"_etag"/?'}
    assert properties["indexingPolicy"] == {
        **policy, "automatic": True, "excludedPaths": [{"path": "/big/*"}, etag]
    }  # fmt: skip
    assert properties["partitionKey"] == {"paths": ["/pk"], "kind": "Hash", "version": 2}
    assert properties["defaultTtl"] == 60
    assert [one["id"] for one in database.list_containers()] == ["one"]
    assert [one["id"] for one in database.query_containers("SELECT * FROM c WHERE c.id='one'")] == ["one"]
    assert "other" in [one["id"] for one in client.list_databases()]
    with pytest.raises(CosmosHttpResponseError, match="partition key cannot be changed"):
        database.replace_container(made, PartitionKey("/other"))
    made.upsert_item({"id": "1", "pk": "a"})
    database.delete_container("one")
    with pytest.raises(CosmosResourceNotFoundError):
        made.read_item("1", "a")
    client.delete_database("other")
    with pytest.raises(CosmosResourceNotFoundError):
        database.read()


def test_a_container_made_anew_is_noticed_by_a_client_that_knew_the_old_one(database: DatabaseProxy) -> None:
    container = database.create_container("reborn", PartitionKey("/pk"))
    container.create_item({"id": "1", "pk": "a"})
    database.delete_container("reborn")
    database.create_container("reborn", PartitionKey("/pk"))
    assert list(container.query_items("SELECT * FROM c", enable_cross_partition_query=True)) == []
    container.create_item({"id": "1", "pk": "a"})


async def test_the_asynchronous_client_sees_the_same(aio_container: AioContainerProxy) -> None:
    created = await aio_container.create_item({"id": "1", "pk": "a", "v": 1})
    assert await aio_container.read_item("1", "a") == created
    await aio_container.patch_item("1", "a", [{"op": "incr", "path": "/v", "value": 4}])
    assert (await aio_container.read_item("1", "a"))["v"] == 5
    await aio_container.delete_item("1", "a")
    with pytest.raises(CosmosResourceNotFoundError):
        await aio_container.read_item("1", "a")


def test_patch_applies_every_kind_of_operation(container: ContainerProxy) -> None:
    container.create_item(
        {"id": "1", "pk": "a", "n": 1, "list": [1, 3], "deep": {"x": 1}, "old": "o", "gone": 0}
    )
    patched = container.patch_item(
        "1",
        "a",
        [
            {"op": "add", "path": "/list/1", "value": 2},
            {"op": "add", "path": "/list/-", "value": 4},
            {"op": "set", "path": "/list/0", "value": 0},
            {"op": "set", "path": "/deep/y", "value": {"z": None}},
            {"op": "replace", "path": "/deep/x", "value": 2},
            {"op": "remove", "path": "/gone"},
            {"op": "incr", "path": "/n", "value": 1.5},
            {"op": "incr", "path": "/fresh", "value": 3},
            {"op": "move", "from": "/old", "path": "/new"},
        ],
    )
    kept = {key: value for key, value in patched.items() if key[0] != "_"}
    assert kept == {
        "id": "1", "pk": "a", "n": 2.5, "list": [0, 2, 3, 4], "deep": {"x": 2, "y": {"z": None}},
        "fresh": 3, "new": "o",
    }  # fmt: skip


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/missing", "value": 1},
        {"op": "remove", "path": "/missing"},
        {"op": "set", "path": "/missing/deep", "value": 1},
        {"op": "incr", "path": "/text", "value": 1},
        {"op": "add", "path": "/list/9", "value": 1},
        {"op": "set", "path": "/id", "value": "2"},
        {"op": "set", "path": "/pk", "value": "b"},
        {"op": "move", "from": "/list", "path": "/list/0"},
        {"op": "frob", "path": "/x", "value": 1},
    ],
)
def test_a_patch_that_can_not_be_applied_changes_nothing(
    container: ContainerProxy, operation: dict[str, object]
) -> None:
    created = container.create_item({"id": "1", "pk": "a", "text": "t", "list": [1]})
    with pytest.raises(CosmosHttpResponseError) as refused:
        container.patch_item("1", "a", [{"op": "set", "path": "/v", "value": 1}, operation])
    assert refused.value.status_code == 400
    assert container.read_item("1", "a") == created


def test_more_than_ten_patch_operations_are_refused(container: ContainerProxy) -> None:
    container.create_item({"id": "1", "pk": "a"})
    with pytest.raises(CosmosHttpResponseError, match="can't exceed '10'"):
        container.patch_item("1", "a", [{"op": "set", "path": f"/v{i}", "value": i} for i in range(11)])


def test_a_patch_obeys_its_filter_predicate(container: ContainerProxy) -> None:
    container.create_item({"id": "1", "pk": "a", "v": 1})
    raise_v = [{"op": "set", "path": "/v", "value": 2}]
    with pytest.raises(CosmosAccessConditionFailedError):
        container.patch_item("1", "a", raise_v, filter_predicate="FROM c WHERE c.v = 99")
    assert container.patch_item("1", "a", raise_v, filter_predicate="from c where c.v = 1")["v"] == 2
