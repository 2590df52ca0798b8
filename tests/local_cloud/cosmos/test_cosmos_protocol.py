"""What keys, bytes and crashes may not do."""

import asyncio
import base64
import itertools
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from azure.cosmos import CosmosClient, PartitionKey
from azure.cosmos.aio import CosmosClient as AioCosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceNotFoundError
from azure.cosmos.partition_key import PartitionKey as SdkPartitionKey
from hypothesis import given
from hypothesis import strategies as st

from local.cosmos.auth import signature
from local.cosmos.hashing import effective_partition_key

WRONG_KEY = "d3Jvbmc="


def request(service: Any, verb: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    """A signed request of our own making: status and body."""
    date = headers.pop("date", format_datetime(datetime.now(UTC), usegmt=True))
    parts = [part for part in path.split("/") if part]
    kind, link = (parts[-1], parts[:-1]) if len(parts) % 2 else (parts[-2], parts)
    signed = signature(service.endpoints["cosmosKey"], verb, kind, "/".join(link), date)
    token = quote(f"type=master&ver=1.0&sig={base64.b64encode(signed).decode()}", safe="")
    given = {"authorization": token, "x-ms-date": date, "content-type": "application/json"}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    made = urllib.request.Request(service.endpoints["cosmos"] + path, body or None, given, method=verb)
    try:
        with urllib.request.urlopen(made, timeout=60) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.loads(refused.read() or b"null")


def test_a_wrong_key_is_refused_in_the_services_words(service: Any) -> None:
    with pytest.raises(CosmosHttpResponseError, match="The wrong key is being used") as refused:
        CosmosClient(service.endpoints["cosmos"], WRONG_KEY)
    assert refused.value.status_code == 401


def test_a_signature_older_than_fifteen_minutes_is_refused(service: Any) -> None:
    for offset in (-20, 20):
        date = format_datetime(datetime.now(UTC) + timedelta(minutes=offset), usegmt=True)
        status, body = request(service, "GET", "/dbs", date=date)
        assert (status, body["code"]) == (403, "Forbidden")
        assert "not valid at the current time" in body["message"]


@pytest.mark.parametrize(
    "token", ["", "nonsense", "type%3Dmaster%26ver%3D1.0%26sig%3D%21%21", "type%3Daad%26sig%3Dx"]
)
def test_a_malformed_authorization_is_refused(service: Any, token: str) -> None:
    status, body = request(service, "GET", "/dbs", authorization=token)
    assert (status, body["code"]) == (401, "Unauthorized")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"\xff\xfe", b'{"id": NaN}', b"[" * 100_000, b'"text"', b"null"]
)
def test_a_malformed_document_is_a_bad_request(service: Any, container: Any, body: bytes) -> None:
    path = f"/dbs/tests/colls/{container.id}/docs"
    status, answer = request(service, "POST", path, body, x_ms_documentdb_partitionkey='["a"]')
    assert (status, answer["code"]) == (400, "BadRequest")


@pytest.mark.parametrize("key", ["", "a", "{}", '[{"a":1}]', "[[1]]", '["a","b"]'])
def test_a_malformed_partition_key_header_is_a_bad_request(service: Any, container: Any, key: str) -> None:
    status, answer = request(
        service, "GET", f"/dbs/tests/colls/{container.id}/docs/1", x_ms_documentdb_partitionkey=key
    )
    assert (status, answer["code"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "headers",
    [
        {"x_ms_max_item_count": "many"},
        {"x_ms_max_item_count": "-7"},
        {"a_im": "Incremental Feed", "if_none_match": "yesterday"},
        {"a_im": "Incremental Feed", "if_modified_since": "yesterday"},
        {"x_ms_continuation": "bm9uc2Vuc2U="},
        {"x_ms_continuation": "eyJrIjogMX0="},
    ],
)
def test_malformed_feed_headers_are_bad_requests(
    service: Any, container: Any, headers: dict[str, str]
) -> None:
    status, answer = request(service, "GET", f"/dbs/tests/colls/{container.id}/docs", **headers)
    assert (status, answer["code"]) == (400, "BadRequest")


def test_an_unknown_range_is_gone(service: Any, container: Any) -> None:
    status, answer = request(
        service, "GET", f"/dbs/tests/colls/{container.id}/docs", x_ms_documentdb_partitionkeyrangeid="99"
    )
    assert (status, answer["code"]) == (410, "Gone")


def test_scripts_are_kept_and_what_would_run_them_says_that_it_is_not_offered(container: Any) -> None:
    script = {"id": "s", "body": "function () { return 1; }"}
    container.scripts.create_stored_procedure(script)
    container.scripts.create_trigger({**script, "triggerType": "Pre", "triggerOperation": "All"})
    assert [one["body"] for one in container.scripts.list_stored_procedures()] == [script["body"]]
    for run in (
        lambda: container.scripts.execute_stored_procedure("s", partition_key="a"),
        lambda: container.create_item({"id": "1", "pk": "a"}, pre_trigger_include="s"),
        lambda: list(container.query_items("SELECT VALUE udf.s(c) FROM c", partition_key="a")),
    ):
        with pytest.raises(CosmosHttpResponseError, match="does not offer") as refused:
            run()
        assert refused.value.status_code == 501
    with pytest.raises(CosmosResourceNotFoundError):
        container.read_item("1", "a")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT TOP 2 * FROM c ORDER BY RANK FullTextScore(c.text, 'red')",
        "SELECT * FROM c ORDER BY RANK RRF(FullTextScore(c.t, 'a'), VectorDistance(c.v, [1, 2]))",
        "SELECT TOP 2 c.id FROM c ORDER BY VectorDistance(c.v, [1, 2])",
        "SELECT * FROM c WHERE FullTextContains(c.text, 'red')",
        "SELECT * FROM c WHERE ST_INTERSECTS(c.place, {'type': 'Point', 'coordinates': [1, 1]})",
        "SELECT VALUE COUNT(1) FROM (SELECT DISTINCT c.n FROM c)",
    ],
)
def test_what_the_query_language_does_not_offer_here_says_so(container: Any, text: str) -> None:
    with pytest.raises(CosmosHttpResponseError, match="does not offer") as refused:
        list(container.query_items(text, partition_key="a"))
    assert refused.value.status_code == 501


def test_distinct_rows_are_counted_by_no_python_client(container: Any) -> None:
    text = "SELECT VALUE COUNT(1) FROM (SELECT DISTINCT c.n FROM c)"
    with pytest.raises(CosmosHttpResponseError, match="contained DCount") as refused:
        list(container.query_items(text, enable_cross_partition_query=True))
    assert refused.value.status_code == 400


def test_all_versions_mode_must_be_enabled_on_the_container(container: Any) -> None:
    with pytest.raises(CosmosHttpResponseError, match="must be enabled") as refused:
        list(container.query_items_change_feed(mode="AllVersionsAndDeletes"))
    assert refused.value.status_code == 400


def test_broken_http_harms_nobody_else(service: Any, container: Any) -> None:
    address = urlsplit(service.endpoints["cosmos"])
    half_open = [socket.create_connection((address.hostname, address.port)) for _ in range(20)]
    for connection in half_open:
        connection.sendall(b"POST /dbs HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
    with socket.create_connection((address.hostname, address.port), timeout=60) as garbage:
        garbage.sendall(b"\x16\x03\x01\x02\x00" + b"\x00" * 500 + b"\r\n\r\n")
        assert garbage.recv(100).startswith(b"HTTP/1.") or garbage.recv(1) == b""
    container.upsert_item({"id": "1", "pk": "a"})
    assert container.read_item("1", "a")["id"] == "1"
    for connection in half_open:
        connection.close()


def test_the_meter_counts_operations_and_request_units(service: Any, container: Any) -> None:
    def meter() -> dict[str, float]:
        with urllib.request.urlopen(service.endpoints["cosmos"] + "/_local/meter", timeout=60) as response:
            return json.loads(response.read())

    before = meter()
    container.create_item({"id": "1", "pk": "a"})
    container.read_item("1", "a")
    after = meter()
    assert after["create_operations"] == before.get("create_operations", 0) + 1
    assert after["request_units"] - before["request_units"] == pytest.approx(5.95)


def test_what_was_acknowledged_survives_kill_9(launch: Callable[..., Any]) -> None:
    service = launch("cosmos")
    acknowledged: list[str] = []
    started, ended = threading.Event(), threading.Event()

    async def write() -> None:
        async with AioCosmosClient(service.endpoints["cosmos"], service.endpoints["cosmosKey"]) as client:
            container = client.get_database_client("d").get_container_client("c")

            async def writer(number: int) -> None:
                for i in itertools.count():
                    if ended.is_set():
                        return
                    operations = [("create", ({"id": f"{number}-{i}-{j}", "pk": "a"},)) for j in range(3)]
                    await container.execute_item_batch(operations, "a", retry_write=0)
                    acknowledged.append(f"{number}-{i}")
                    if len(acknowledged) > 50:
                        started.set()

            await asyncio.gather(*(writer(number) for number in range(4)), return_exceptions=True)

    with CosmosClient(service.endpoints["cosmos"], service.endpoints["cosmosKey"]) as client:
        container = client.create_database("d").create_container("c", PartitionKey("/pk"))
        container.upsert_item({"id": "first", "pk": "a"})
        list(container.query_items_change_feed(start_time="Beginning"))
        token = client.client_connection.last_response_headers["etag"]
    writing = threading.Thread(target=lambda: asyncio.run(write()), daemon=True)
    writing.start()
    assert started.wait(20)
    service.kill()
    kept_key = service.endpoints["cosmosKey"]
    survivors = list(acknowledged)
    service.start()
    assert service.endpoints["cosmosKey"] == kept_key
    with CosmosClient(service.endpoints["cosmos"], kept_key) as client:
        container = client.get_database_client("d").get_container_client("c")
        seen = [item["id"] for item in container.query_items_change_feed(continuation=token)]
        assert len(seen) == len(set(seen))
        batches = {name.rpartition("-")[0]: 0 for name in seen}
        for name in seen:
            batches[name.rpartition("-")[0]] += 1
        assert set(survivors) <= set(batches)
        assert set(batches.values()) == {3}
    ended.set()
    writing.join(timeout=60)
    assert not writing.is_alive()


def test_numbers_of_changes_are_never_used_twice(launch: Callable[..., Any]) -> None:
    service = launch("cosmos")
    with CosmosClient(service.endpoints["cosmos"], service.endpoints["cosmosKey"]) as client:
        container = client.create_database("d").create_container("c", PartitionKey("/pk"))
        container.create_item({"id": "1", "pk": "a"})
        container.create_item({"id": "2", "pk": "a"})
        list(container.query_items_change_feed(start_time="Beginning"))
        token = client.client_connection.last_response_headers["etag"]
        container.delete_item("2", "a")
    service.kill()
    service.start()
    with CosmosClient(service.endpoints["cosmos"], service.endpoints["cosmosKey"]) as client:
        container = client.get_database_client("d").get_container_client("c")
        container.create_item({"id": "3", "pk": "a"})
        feed = container.query_items_change_feed(continuation=token)
        assert [item["id"] for item in feed] == ["3"]


components = (
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=60)
)


@given(st.lists(components, min_size=1, max_size=3))
def test_effective_partition_keys_equal_the_sdks(values: list[Any]) -> None:
    paths = [f"/p{i}" for i in range(len(values))]
    hierarchical = SdkPartitionKey(path=paths, kind="MultiHash")  # pyright: ignore[reportCallIssue, reportArgumentType]
    single = SdkPartitionKey(path="/p")
    ours = effective_partition_key(tuple(values), multi_hash=True)
    assert ours == hierarchical._get_effective_partition_key_string(values)
    first = effective_partition_key((values[0],), multi_hash=False)
    assert first == single._get_effective_partition_key_string(values[:1])
