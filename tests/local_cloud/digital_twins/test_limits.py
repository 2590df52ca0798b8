"""Rates, sizes, tokens, durability, and input that no SDK sends."""

import json
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from azure.core.exceptions import AzureError, HttpResponseError
from azure.digitaltwins.core import DigitalTwinsClient

SENSOR = {"$metadata": {"$model": "dtmi:millwright:Sensor;1"}}


class Wire:
    """HTTP over TLS by hand."""

    def __init__(self, service):
        tls = ssl.create_default_context(cafile=str(service.folder / "ca.pem"))
        plain = socket.create_connection(("localhost", service.ports["https"]), timeout=60)
        self.socket = tls.wrap_socket(plain, server_hostname="localhost")

    def ask(self, method, path, body=b"", **headers):
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
        lines += [f"{key.replace('_', '-')}: {value}" for key, value in headers.items()]
        self.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return self.answer()

    def answer(self):
        with self.socket.makefile("rb") as stream:
            status = int(stream.readline().split()[1])
            headers = {}
            while (line := stream.readline().strip()) != b"":
                key, _, value = line.decode().partition(": ")
                headers[key.lower()] = value
            content = stream.read(int(headers.get("content-length", 0)))
        return status, headers, content

    def close(self):
        self.socket.close()


@pytest.fixture
def wire(service, client):
    opened = Wire(service)
    yield opened
    opened.close()


VERSION = "api-version=2023-10-31"


def code(content):
    return json.loads(content)["error"]["code"]


def test_the_eleventh_write_to_one_twin_in_a_second_is_refused(client, name):
    client.upsert_digital_twin(name, SENSOR)
    patch = [{"op": "add", "path": "/name", "value": "x"}]
    refused = []

    def write(_):
        try:
            client.update_digital_twin(name, patch)
        except HttpResponseError as exc:
            refused.append(exc)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(40)))
    assert refused
    assert {exc.status_code for exc in refused} == {429}
    assert {exc.error.code for exc in refused} == {"QuotaReachedError"}
    assert {exc.response.headers["Retry-After"] for exc in refused} == {"1"}


def test_relationships_count_as_writes_to_their_twin(client, name):
    client.upsert_digital_twin(name, SENSOR)
    statuses = set()
    for _ in range(40):
        with pytest.raises(HttpResponseError) as info:
            client.delete_relationship(name, "none")
        statuses.add(info.value.status_code)
    assert statuses == {404, 429}


def test_a_body_over_32_kb_is_refused(client, name):
    client.upsert_digital_twin(name, SENSOR)
    patch = [{"op": "add", "path": "/name", "value": "x" * 4000}] * 9
    with pytest.raises(HttpResponseError) as info:
        client.update_digital_twin(name, patch)
    assert (info.value.status_code, info.value.error.code) == (400, "LimitExceeded")


def test_a_bad_twin_id_is_refused(client):
    with pytest.raises(HttpResponseError) as info:
        client.upsert_digital_twin("a" * 129, SENSOR)
    assert info.value.error.code == "InvalidArgument"


def test_a_request_without_a_token_is_not_let_in(wire):
    status, headers, content = wire.ask("GET", f"/models?{VERSION}")
    assert status == 401
    assert headers["www-authenticate"].startswith("Bearer ")
    assert code(content) == "Unauthorized"
    status, _, _ = wire.ask("GET", f"/models?{VERSION}", Authorization="Bearer ")
    assert status == 401


def test_the_api_version_is_required_and_known(wire):
    for path, expected in (("/models", "MissingArgument"), ("/models?api-version=1", "InvalidArgument")):
        status, headers, content = wire.ask("GET", path, Authorization="Bearer x")
        assert (status, code(content)) == (400, expected)
        assert headers["x-ms-error-code"] == expected


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"NaN", b"[" * 5000, b'"text"', b"1e999", b'{"a": "\\ud800"}']
)
def test_bodies_that_are_no_json_or_no_object_are_refused(wire, body):
    status, _, content = wire.ask("PUT", f"/digitaltwins/x?{VERSION}", body, Authorization="Bearer x")
    assert status == 400
    assert code(content) in ("InvalidArgument", "ValidationFailed")


def test_a_continuation_token_that_is_not_ours_is_refused(wire):
    for token in ("x", "{}", "null", "é", '{"_t":2,"_q":"SELECT * FROM digitaltwins","_k":[1,2],"_tr":0}'):
        body = json.dumps({"continuationToken": token}).encode()
        status, _, content = wire.ask("POST", f"/query?{VERSION}", body, Authorization="Bearer x")
        assert (status, code(content)) == (400, "BadRequest")


def test_unknown_paths_and_methods_have_error_bodies(wire):
    status, _, content = wire.ask("GET", f"/nothing?{VERSION}", Authorization="Bearer x")
    assert (status, code(content)) == (404, "NotFound")
    status, _, content = wire.ask("DELETE", f"/query?{VERSION}", Authorization="Bearer x")
    assert (status, code(content)) == (405, "MethodNotAllowed")


def test_garbage_and_half_open_connections_harm_nobody(service, client):
    opened = []
    for garbage in (b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 2000):
        plain = socket.create_connection(("localhost", service.ports["https"]), timeout=60)
        plain.sendall(garbage)
        opened.append(plain)
    half = Wire(service)
    half.socket.sendall(b"PUT /digitaltwins/x HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
    assert client.get_model("dtmi:millwright:Machine;1").id
    for plain in opened:
        plain.close()
    half.close()


def test_what_it_did_is_metered(wire, client, name):
    before = json.loads(wire.ask("GET", "/_local/meter")[2])
    client.upsert_digital_twin(name, SENSOR | {"name": "x" * 1500})
    list(client.query_twins("SELECT COUNT() FROM digitaltwins"))
    after = json.loads(wire.ask("GET", "/_local/meter")[2])
    assert after["creates"] - before.get("creates", 0) == 1
    assert after["operations"] - before.get("operations", 0) == 2
    assert after["query_units"] > before.get("query_units", 0)


def test_what_was_acknowledged_survives_kill_9(launch, connect):
    process = launch("digital-twins", environment={"MILLWRIGHT_DIGITAL_TWINS_RATE_FACTOR": "100"})
    counter = {
        "@context": "dtmi:dtdl:context;3",
        "@id": "dtmi:tests:Counter;1",
        "@type": "Interface",
        "contents": [
            {"@type": "Property", "name": "count", "schema": "integer"},
            {"@type": "Relationship", "name": "next"},
        ],
    }
    acknowledged: dict[str, int] = {}
    enough = threading.Event()

    def stream(client: DigitalTwinsClient) -> None:
        number = 0
        try:
            while True:
                twin = f"c{number}"
                client.upsert_digital_twin(twin, {"$metadata": {"$model": counter["@id"]}, "count": 0})
                client.update_digital_twin(twin, [{"op": "replace", "path": "/count", "value": number}])
                client.upsert_relationship(twin, "r", {"$relationshipName": "next", "$targetId": "c0"})
                acknowledged[twin] = number
                number += 1
                if number == 25:
                    enough.set()
        except AzureError:
            return

    with connect(process) as client:
        client.create_models([counter])
        writer = threading.Thread(target=stream, args=(client,))
        writer.start()
        assert enough.wait(20)
        process.kill()
        writer.join(60)
    process.start()
    with connect(process) as client:
        assert client.get_model(counter["@id"]).id == counter["@id"]
        found = {twin["$dtId"]: twin["count"] for twin in client.query_twins("SELECT * FROM digitaltwins")}
        for twin, number in acknowledged.items():
            assert found[twin] == number
            assert client.get_relationship(twin, "r")["$targetId"] == "c0"
