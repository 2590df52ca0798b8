"""Tokens: what the right key opens, and how wrong, expired and foreign ones are refused."""

import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from azure.core.credentials import AccessToken, AzureSasCredential
from azure.eventhub import EventData, EventHubConsumerClient, EventHubProducerClient
from azure.eventhub._pyamqp.utils import generate_sas_token
from azure.eventhub.exceptions import AuthenticationError, ConnectionLostError, EventHubError

from tests.local_cloud.event_hubs_driver import QUICK, Namespace, closing, receive, receive_error, until


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def consumers_close_at_the_end() -> AsyncIterator[None]:
    yield
    await closing.wait()


@pytest.fixture(scope="module")
def namespace(launch: Callable[..., object]) -> Namespace:
    return Namespace(launch("event-hubs"))


def host(namespace: Namespace) -> str:
    return f"127.0.0.1:{namespace.process.ports['amqp']}"


def token(namespace: Namespace, path: str, expires_in_s: float) -> str:
    fields = dict(part.split("=", 1) for part in namespace.connection.rstrip(";").split(";"))
    return generate_sas_token(
        f"sb://{host(namespace)}/{path}",
        fields["SharedAccessKeyName"],
        fields["SharedAccessKey"],
        int(time.time() + expires_in_s),
    )


def sender(namespace: Namespace, hub: str, credential: object) -> EventHubProducerClient:
    return EventHubProducerClient(host(namespace), hub, credential, use_tls=False, **QUICK)


def test_a_wrong_key_is_refused_as_an_authentication_error(namespace: Namespace):
    hub = namespace.make()
    wrong = namespace.connection.replace("SharedAccessKey=", "SharedAccessKey=x")
    client = EventHubProducerClient.from_connection_string(wrong, eventhub_name=hub, **QUICK)
    with client, pytest.raises(AuthenticationError, match="InvalidSignature"):
        client.send_event(EventData("x"))
    assert isinstance(receive_error(wrong, hub), AuthenticationError)


def test_an_expired_token_is_refused(namespace: Namespace):
    hub = namespace.make()
    credential = AzureSasCredential(token(namespace, hub, -10))
    with (
        sender(namespace, hub, credential) as client,
        pytest.raises(AuthenticationError, match="ExpiredToken"),
    ):
        client.send_event(EventData("x"))


def test_a_token_for_another_hub_is_refused(namespace: Namespace):
    hub, other = namespace.make(), namespace.make()
    credential = AzureSasCredential(token(namespace, other, 60))
    with (
        sender(namespace, hub, credential) as client,
        pytest.raises(AuthenticationError, match="InvalidAudience"),
    ):
        client.send_event(EventData("x"))


def test_a_token_for_the_whole_namespace_opens_every_hub(namespace: Namespace):
    hub = namespace.make()
    with sender(namespace, hub, AzureSasCredential(token(namespace, "", 60))) as client:
        client.send_event(EventData("x"))
    assert len(receive(namespace.connection, hub, 1)) == 1


def test_a_managed_identity_is_let_in(namespace: Namespace):
    class Identity:
        def get_token(self, *scopes: str, **_: object) -> AccessToken:
            assert scopes == ("https://eventhubs.azure.net//.default",)
            return AccessToken("local", int(time.time()) + 3600)

    hub = namespace.make()
    with sender(namespace, hub, Identity()) as client:
        client.send_event(EventData("x"))
    assert len(receive(namespace.connection, hub, 1)) == 1


def test_a_link_ends_when_its_token_expires(namespace: Namespace):
    hub = namespace.make()
    errors: list[Exception] = []
    credential = AzureSasCredential(token(namespace, hub, 2))
    client = EventHubConsumerClient(
        host(namespace), hub, "$Default", credential, use_tls=False, load_balancing_interval=0.2, **QUICK
    )
    thread = threading.Thread(
        target=client.receive_batch,
        args=(lambda *_: None,),
        kwargs={"partition_id": "0", "on_error": lambda _, error: errors.append(error)},
    )
    thread.start()
    until(lambda: bool(errors), "the end of the link")
    closing.aside(client, thread)
    assert isinstance(errors[0], EventHubError)


def test_an_unknown_consumer_group_is_not_found(namespace: Namespace):
    hub = namespace.make()
    error = receive_error(namespace.connection, hub, group="nobody")
    assert "could not be found" in str(error)
    assert type(error) is ConnectionLostError
