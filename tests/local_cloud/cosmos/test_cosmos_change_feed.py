"""The change feed loses nothing, repeats nothing, and drains."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.cosmos import ContainerProxy
from azure.cosmos.aio import ContainerProxy as AioContainerProxy


def read_on(container: ContainerProxy, continuation: str | None, **start: Any) -> tuple[list[str], str]:
    """Ids of all changes from a continuation (or a start), and the continuation behind them."""
    options = {"continuation": continuation} if continuation else start
    found = [item["id"] for item in container.query_items_change_feed(**options)]
    return found, container.client_connection.last_response_headers["etag"]


def test_each_document_appears_once_in_its_latest_version_in_order_of_change(
    container: ContainerProxy,
) -> None:
    for i in range(5):
        container.create_item({"id": str(i), "pk": "a", "v": 0})
    container.upsert_item({"id": "1", "pk": "a", "v": 1})
    container.delete_item("3", "a")
    feed = list(container.query_items_change_feed(start_time="Beginning"))
    assert [(item["id"], item["v"]) for item in feed] == [("0", 0), ("2", 0), ("4", 0), ("1", 1)]
    assert all(isinstance(item["_lsn"], int) for item in feed)


def test_a_continuation_sees_what_came_later_and_nothing_twice(container: ContainerProxy) -> None:
    for i in range(10):
        container.create_item({"id": str(i), "pk": f"p{i}"})
    found, token = read_on(container, None, start_time="Beginning")
    assert sorted(found) == [str(i) for i in range(10)]
    found, token = read_on(container, token)
    assert found == []
    container.upsert_item({"id": "3", "pk": "p3", "again": True})
    container.create_item({"id": "new", "pk": "p3"})
    found, token = read_on(container, token)
    assert found == ["3", "new"]
    container.delete_item("new", "p3")
    container.create_item({"id": "newer", "pk": "p7"})
    found, token = read_on(container, token)
    assert found == ["newer"]


def test_from_now_sees_only_what_comes(container: ContainerProxy) -> None:
    container.create_item({"id": "before", "pk": "a"})
    found, token = read_on(container, None, start_time="Now")
    assert found == []
    container.create_item({"id": "after", "pk": "b"})
    assert read_on(container, token)[0] == ["after"]


def test_from_a_time_leaves_out_what_is_older(container: ContainerProxy) -> None:
    container.create_item({"id": "before", "pk": "a"})
    written = container.read_item("before", "a")["_ts"]
    while time.time() < written + 1.05:
        time.sleep(0.02)
    since = datetime.fromtimestamp(written + 1, UTC)
    container.create_item({"id": "after", "pk": "b"})
    assert read_on(container, None, start_time=since)[0] == ["after"]
    assert sorted(read_on(container, None, start_time=since - timedelta(hours=1))[0]) == ["after", "before"]


def test_pages_keep_to_their_size_and_cover_everything(container: ContainerProxy) -> None:
    for i in range(25):
        container.create_item({"id": str(i), "pk": f"p{i % 5}"})
    pages = container.query_items_change_feed(start_time="Beginning", max_item_count=4).by_page()
    sizes, seen = [], []
    for page in pages:
        items = [item["id"] for item in page]
        sizes.append(len(items))
        seen += items
    assert max(sizes) <= 4
    assert sorted(seen, key=int) == [str(i) for i in range(25)]


def test_all_changes_of_a_batch_come_on_one_page(container: ContainerProxy) -> None:
    container.create_item({"id": "first", "pk": "a"})
    container.execute_item_batch([("create", ({"id": f"b{i}", "pk": "a"},)) for i in range(20)], "a")
    container.create_item({"id": "last", "pk": "a"})
    pages = container.query_items_change_feed(
        start_time="Beginning", partition_key="a", max_item_count=3
    ).by_page()
    listed = [[item["id"] for item in page] for page in pages]
    assert [item for page in listed for item in page] == ["first", *(f"b{i}" for i in range(20)), "last"]
    assert len(listed) <= 2


def test_the_feed_of_one_partition_key(container: ContainerProxy) -> None:
    for i in range(12):
        container.create_item({"id": str(i), "pk": f"p{i % 3}"})
    found, token = [], ""
    feed = container.query_items_change_feed(start_time="Beginning", partition_key="p1")
    found = [item["id"] for item in feed]
    token = container.client_connection.last_response_headers["etag"]
    assert found == ["1", "4", "7", "10"]
    container.create_item({"id": "other", "pk": "p2"})
    container.create_item({"id": "mine", "pk": "p1"})
    assert read_on(container, token)[0] == ["mine"]


def test_the_feeds_of_a_hierarchical_prefix(make_container: Callable[..., ContainerProxy]) -> None:
    container = make_container(["/site", "/line"])
    for i in range(12):
        container.create_item({"id": str(i), "site": f"s{i % 2}", "line": f"l{i % 3}"})
    feed = container.query_items_change_feed(start_time="Beginning", partition_key=["s1"])
    assert [item["id"] for item in feed] == ["1", "3", "5", "7", "9", "11"]


def test_feed_ranges_share_the_container_between_them(service: Any, container: ContainerProxy) -> None:
    for i in range(30):
        container.create_item({"id": str(i), "pk": f"p{i}"})
    ranges = list(container.read_feed_ranges())
    shares = [
        [item["id"] for item in container.query_items_change_feed(feed_range=one, start_time="Beginning")]
        for one in ranges
    ]
    assert sorted((name for share in shares for name in share), key=int) == [str(i) for i in range(30)]
    assert len(ranges) in (1, 3)
    assert all(shares)


async def test_a_reader_beside_concurrent_writers_misses_and_repeats_nothing(
    aio_container: AioContainerProxy,
) -> None:
    writers, each = 8, 40

    async def write(writer: int) -> None:
        for i in range(each):
            await aio_container.upsert_item({"id": f"{writer}-{i}", "pk": f"p{i % 4}"})

    seen: list[str] = []

    async def read(writing: "asyncio.Task[Any]") -> None:
        token: str | None = None
        while True:
            last_round = writing.done()
            options: dict[str, Any] = {"continuation": token} if token else {"start_time": "Beginning"}
            feed = aio_container.query_items_change_feed(max_item_count=7, **options)
            seen.extend([item["id"] async for item in feed])
            token = aio_container.client_connection.last_response_headers["etag"]
            if last_round:
                return

    writing = asyncio.gather(*(write(writer) for writer in range(writers)))
    await read(asyncio.ensure_future(writing))
    assert sorted(seen) == sorted(f"{writer}-{i}" for writer in range(writers) for i in range(each))
