"""Lets Microsoft's SDKs reach an IoT Hub on other ports than those they have built in.

azure-iot-device has 8883 built in, and 443 for web sockets, and neither its connection string nor an option
changes them. The one place where the number matters is the call it makes into its MQTT library, so that call
is where another port goes in. With port 8883 nothing of this is needed.

azure-iot-hub sends cloud-to-device messages over AMQP to port 5671, which in the local cloud is Event
Hubs', or to 443 over web sockets. Its AMQP library reads the numbers from constants.
"""

import contextlib
import importlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Protocol, cast

FIXED_PORT = 8883
FIXED_WEB_SOCKET_PORT = 443


class MqttClient(Protocol):
    """The SDK's MQTT library (paho) has no type information: this much of its client is used."""

    connect: Callable[..., object]


MQTT_CLIENT = cast(type[MqttClient], importlib.import_module("paho.mqtt.client").Client)


@contextlib.contextmanager
def device_port(port: int, web_sockets: int = FIXED_WEB_SOCKET_PORT) -> Generator[None]:
    """Device clients that connect inside this block use `port`, those over web sockets `web_sockets`. Keep it
    open while they live: they connect again after a lost connection. Applies to the whole process.
    """
    ports = {FIXED_PORT: port, FIXED_WEB_SOCKET_PORT: web_sockets}
    connect = MQTT_CLIENT.connect

    def connect_to_port(client: MqttClient, **options: object) -> object:
        asked = options.get("port")
        if isinstance(asked, int):
            options["port"] = ports.get(asked, asked)
        return connect(client, **options)

    MQTT_CLIENT.connect = connect_to_port
    try:
        yield
    finally:
        MQTT_CLIENT.connect = connect


@contextlib.contextmanager
def back_end_port(port: int, ca: Path, web_sockets: int = FIXED_WEB_SOCKET_PORT) -> Generator[None]:
    """azure-iot-hub clients that are made inside this block send cloud-to-device messages to `port`, over web
    sockets to `web_sockets`, and trust the certificate in `ca`: their AMQP library asks certifi, and nobody
    else, whom to trust.
    """
    constants: Any = importlib.import_module("uamqp.constants")
    certifi: Any = importlib.import_module("uamqp.authentication.common").certifi
    before = constants.DEFAULT_AMQPS_PORT, constants.DEFAULT_AMQP_WSS_PORT, certifi.where
    constants.DEFAULT_AMQPS_PORT, constants.DEFAULT_AMQP_WSS_PORT = port, web_sockets
    certifi.where = lambda: str(ca)
    try:
        yield
    finally:
        constants.DEFAULT_AMQPS_PORT, constants.DEFAULT_AMQP_WSS_PORT, certifi.where = before
