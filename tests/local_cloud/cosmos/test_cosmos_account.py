"""Around documents: throughput and splits, permissions, resource ids, versions, computed properties."""

from collections.abc import Callable
from typing import Any

import pytest
from azure.cosmos import ContainerProxy, CosmosClient, DatabaseProxy, PartitionKey, ThroughputProperties
from azure.cosmos.exceptions import CosmosHttpResponseError

Make = Callable[..., ContainerProxy]


def test_throughput_is_kept_and_checked(database: DatabaseProxy, make_container: Make) -> None:
    container = make_container(offer_throughput=500)
    assert container.get_throughput().offer_throughput == 500
    container.replace_throughput(700)
    assert container.get_throughput().offer_throughput == 700
    with pytest.raises(CosmosHttpResponseError, match="less than required minimum throughput 400"):
        container.replace_throughput(300)
    autoscale = make_container(offer_throughput=ThroughputProperties(auto_scale_max_throughput=4000))
    assert autoscale.get_throughput().auto_scale_max_throughput == 4000
    assert make_container().get_throughput().offer_throughput == 400
    database.delete_container(autoscale)


def test_raised_throughput_splits_ranges_and_nobody_loses_a_document(make_container: Make) -> None:
    container = make_container(offer_throughput=400)
    before = len(list(container.read_feed_ranges()))
    for i in range(30):
        container.create_item({"id": str(i), "pk": f"p{i}"})
    pages = container.query_items(
        "SELECT * FROM c", enable_cross_partition_query=True, max_item_count=7
    ).by_page()
    feed = container.query_items_change_feed(start_time="Beginning", max_item_count=9).by_page()
    read, changed = list(next(pages)), list(next(feed))
    container.replace_throughput(60_000)
    read += [item for page in pages for item in page]
    changed += [item for page in feed for item in page]
    assert sorted(int(item["id"]) for item in read) == list(range(30))
    assert sorted(int(item["id"]) for item in changed) == list(range(30))
    assert len(list(container.read_feed_ranges(force_refresh=True))) == max(6, before)
    assert container.read_item("3", "p3")["id"] == "3"
    ordered = container.query_items(
        "SELECT VALUE c.pk FROM c ORDER BY c.pk", enable_cross_partition_query=True
    )
    assert list(ordered) == sorted(f"p{i}" for i in range(30))


def test_a_resource_token_opens_what_its_permission_names_and_no_more(
    service: Any, database: DatabaseProxy, container: ContainerProxy
) -> None:
    container.create_item({"id": "1", "pk": "a"})
    user = database.create_user({"id": f"user of {container.id}"})
    link = f"dbs/{database.id}/colls/{container.id}"
    permission = user.create_permission(
        {"id": "p", "permissionMode": "Read", "resource": link, "resourcePartitionKey": ["a"]}
    )
    tokens = {link: permission.properties["_token"]}
    with CosmosClient(service.endpoints["cosmos"], tokens) as restricted:
        seen = restricted.get_database_client(database.id).get_container_client(container.id)
        assert seen.read_item("1", "a")["id"] == "1"
        for refused in (
            lambda: seen.create_item({"id": "2", "pk": "a"}),
            lambda: seen.read_item("1", "b"),
            lambda: restricted.get_database_client(database.id).delete_container(container.id),
        ):
            with pytest.raises(CosmosHttpResponseError) as forbidden:
                refused()
            assert forbidden.value.status_code == 403
    database.delete_user(user.id)
    with pytest.raises(CosmosHttpResponseError) as gone, CosmosClient(service.endpoints["cosmos"], tokens):
        pass
    assert gone.value.status_code == 403


def test_documents_are_found_by_their_self_links(container: ContainerProxy) -> None:
    made = container.create_item({"id": "1", "pk": "a", "n": 1})
    assert container.read_item(made, "a")["n"] == 1
    assert container.replace_item(made, {**made, "n": 2})["n"] == 2
    container.delete_item(made, "a")
    assert list(container.read_all_items()) == []


def test_all_versions_feed_has_every_write_and_delete(make_container: Make) -> None:
    container = make_container(change_feed_policy={"retentionDuration": 10})
    mode: Any = "AllVersionsAndDeletes"
    assert list(container.query_items_change_feed(mode=mode)) == []
    start = container.client_connection.last_response_headers["etag"]
    container.create_item({"id": "1", "pk": "a", "n": 1})
    container.upsert_item({"id": "1", "pk": "a", "n": 2})
    container.execute_item_batch(
        [("create", ({"id": "2", "pk": "a"},)), ("delete", ("1",))], partition_key="a"
    )
    changes = list(container.query_items_change_feed(mode=mode, continuation=start))
    assert [(one["metadata"]["operationType"], one["current"].get("n")) for one in changes] == [
        ("create", 1), ("replace", 2), ("create", None), ("delete", None),
    ]  # fmt: skip
    assert changes[3]["metadata"]["id"] == "1"
    assert changes[3]["metadata"]["partitionKey"] == {"pk": "a"}
    assert changes[3]["metadata"]["previousImageLSN"] == changes[1]["metadata"]["lsn"]


def test_computed_properties_are_queried_and_never_shown(make_container: Make) -> None:
    lower = {"name": "lower", "query": "SELECT VALUE LOWER(c.name) FROM c"}
    container = make_container(computed_properties=[lower])
    container.create_item({"id": "1", "pk": "a", "name": "ANNA"})
    found = list(container.query_items("SELECT * FROM c WHERE c.lower = 'anna'", partition_key="a"))
    assert [("lower" in one, one["name"]) for one in found] == [(False, "ANNA")]
    assert list(container.query_items("SELECT c.lower FROM c", partition_key="a")) == [{"lower": "anna"}]
    with pytest.raises(CosmosHttpResponseError, match="One of the specified inputs is invalid"):
        make_container(computed_properties=[{"name": "x", "query": "SELECT * FROM c"}])


@pytest.mark.parametrize("version", [1, 2])
def test_both_hash_versions_find_their_documents(
    database: DatabaseProxy, container: ContainerProxy, version: int
) -> None:
    name = f"{container.id}-v{version}"
    made = database.create_container(name, PartitionKey("/pk", version=version), offer_throughput=30_000)
    assert len(list(made.read_feed_ranges())) == 5
    values = ["a", "", "ä" * 150, 1, 1.5, True, False, None]
    for place, value in enumerate(values):
        made.create_item({"id": str(place), "pk": value})
    for place, value in enumerate(values[:7]):
        assert made.read_item(str(place), value)["pk"] == value
        scope = made.feed_range_from_partition_key(value)
        assert [one["id"] for one in made.query_items("SELECT * FROM c", feed_range=scope)] == [str(place)]
    shares = [
        list(made.query_items("SELECT VALUE c.id FROM c", feed_range=one)) for one in made.read_feed_ranges()
    ]
    assert sorted(name for share in shares for name in share) == sorted(
        str(place) for place in range(len(values))
    )


def test_a_filter_on_the_partition_key_needs_no_leave_to_cross_partitions(container: ContainerProxy) -> None:
    for pk in "ab":
        container.create_item({"id": "1", "pk": pk})
    given: list[dict[str, object]] = [{"name": "@pk", "value": "b"}]
    assert [
        one["pk"] for one in container.query_items("SELECT * FROM c WHERE c.pk=@pk", parameters=given)
    ] == ["b"]
    with pytest.raises(CosmosHttpResponseError, match="Cross partition query is required but disabled"):
        list(container.query_items("SELECT * FROM c WHERE c.pk=@pk OR c.id='1'", parameters=given))


def test_metrics_name_what_was_loaded(container: ContainerProxy) -> None:
    container.create_item({"id": "1", "pk": "a"})
    counted = container.query_items(
        "SELECT VALUE COUNT(1) FROM c", partition_key="a", populate_query_metrics=True
    )
    assert list(counted) == [1]
    headers = container.client_connection.last_response_headers
    metrics = dict(one.split("=") for one in headers["x-ms-documentdb-query-metrics"].split(";"))
    assert (metrics["retrievedDocumentCount"], metrics["outputDocumentCount"]) == ("0", "1")
