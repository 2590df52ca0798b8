"""Transactional batches: all or nothing, limits, per-operation conditions."""

from typing import Any

import pytest
from azure.cosmos import ContainerProxy
from azure.cosmos.aio import ContainerProxy as AioContainerProxy
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosHttpResponseError


def test_every_kind_of_operation_in_one_batch(container: ContainerProxy) -> None:
    container.create_item({"id": "old", "pk": "a", "v": 1})
    container.create_item({"id": "gone", "pk": "a"})
    results = container.execute_item_batch(
        [
            ("create", ({"id": "1", "pk": "a"},)),
            ("upsert", ({"id": "2", "pk": "a"},)),
            ("replace", ("old", {"id": "old", "pk": "a", "v": 2})),
            ("patch", ("old", [{"op": "incr", "path": "/v", "value": 5}])),
            ("read", ("old",)),
            ("delete", ("gone",)),
        ],
        "a",
    )
    assert [result["statusCode"] for result in results] == [201, 201, 200, 200, 200, 204]
    assert results[4]["resourceBody"] == container.read_item("old", "a")
    assert results[4]["eTag"] == results[4]["resourceBody"]["_etag"]
    assert sorted(item["id"] for item in container.read_all_items()) == ["1", "2", "old"]
    charge = float(results.get_response_headers()["x-ms-request-charge"])
    assert charge == pytest.approx(sum(result["requestCharge"] for result in results), abs=0.05)


def test_one_failure_undoes_all_and_names_the_operation(container: ContainerProxy) -> None:
    container.create_item({"id": "there", "pk": "a"})
    with pytest.raises(CosmosBatchOperationError) as failed:
        container.execute_item_batch(
            [
                ("create", ({"id": "1", "pk": "a"},)),
                ("delete", ("there",)),
                ("create", ({"id": "1", "pk": "a"},)),
                ("create", ({"id": "2", "pk": "a"},)),
            ],
            "a",
        )
    assert failed.value.error_index == 2
    assert failed.value.status_code == 409
    assert [one["statusCode"] for one in failed.value.operation_responses or []] == [424, 424, 409, 424]
    assert [item["id"] for item in container.read_all_items()] == ["there"]


def test_a_stale_etag_fails_the_batch_with_412(container: ContainerProxy) -> None:
    old = container.create_item({"id": "state", "pk": "a", "v": 1})
    new = container.upsert_item({"id": "state", "pk": "a", "v": 2})

    def commit(etag: str) -> Any:
        return container.execute_item_batch(
            [
                ("create", ({"id": "effect", "pk": "a"},)),
                ("replace", ("state", {"id": "state", "pk": "a", "v": 3}), {"if_match_etag": etag}),
            ],
            "a",
        )

    with pytest.raises(CosmosBatchOperationError) as failed:
        commit(old["_etag"])
    assert (failed.value.error_index, failed.value.status_code) == (1, 412)
    assert commit(new["_etag"])[1]["resourceBody"]["v"] == 3


def test_a_patch_with_a_filter_predicate_in_a_batch(container: ContainerProxy) -> None:
    container.create_item({"id": "1", "pk": "a", "v": 1})
    step = [{"op": "incr", "path": "/v", "value": 1}]
    container.execute_item_batch([("patch", ("1", step), {"filter_predicate": "from c where c.v = 1"})], "a")
    with pytest.raises(CosmosBatchOperationError) as failed:
        container.execute_item_batch(
            [("patch", ("1", step), {"filter_predicate": "from c where c.v = 1"})], "a"
        )
    assert failed.value.status_code == 412
    assert container.read_item("1", "a")["v"] == 2


def test_a_document_of_another_partition_fails_the_batch(container: ContainerProxy) -> None:
    with pytest.raises(CosmosBatchOperationError) as failed:
        container.execute_item_batch(
            [("create", ({"id": "1", "pk": "a"},)), ("create", ({"id": "2", "pk": "b"},))], "a"
        )
    assert (failed.value.error_index, failed.value.status_code) == (1, 400)
    assert list(container.read_all_items()) == []


def test_a_hundred_operations_pass_and_one_more_is_refused(container: ContainerProxy) -> None:
    operations = [("create", ({"id": str(i), "pk": "a"},)) for i in range(101)]
    with pytest.raises(CosmosHttpResponseError, match="Maximum is 100") as refused:
        container.execute_item_batch(operations, "a")
    assert refused.value.status_code == 400
    assert len(container.execute_item_batch(operations[:100], "a")) == 100


def test_a_batch_over_its_size_limit_is_refused(container: ContainerProxy) -> None:
    operations = [("create", ({"id": str(i), "pk": "a", "text": "x" * 300_000},)) for i in range(5)]
    with pytest.raises(CosmosHttpResponseError) as refused:
        container.execute_item_batch(operations, "a")
    assert refused.value.status_code == 413
    assert len(container.execute_item_batch(operations[:4], "a")) == 4


async def test_batches_through_the_asynchronous_client(aio_container: AioContainerProxy) -> None:
    results = await aio_container.execute_item_batch(
        [("create", ({"id": str(i), "pk": "a"},)) for i in range(3)], "a"
    )
    assert [result["statusCode"] for result in results] == [201] * 3
    with pytest.raises(CosmosBatchOperationError):
        await aio_container.execute_item_batch([("create", ({"id": "1", "pk": "a"},))], "a")
