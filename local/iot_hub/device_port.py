"""Lets Microsoft's SDKs reach an IoT Hub on other ports than those they have built in.

azure-iot-device has 8883 built in, and neither its connection string nor an option changes it. The
one place where the number matters is the call it makes into its MQTT library, so that call is
where another port goes in. With the default port nothing of this is needed.

azure-iot-hub sends cloud-to-device messages over AMQP to port 5671, which in the local cloud is Event
Hubs'. Its AMQP library reads the number from a constant.
"""

import contextlib
import importlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Protocol, cast

FIXED_PORT = 8883


class MqttClient(Protocol):
    """The SDK's MQTT library (paho) has no type information: this much of its client is used."""

    connect: Callable[..., object]


MQTT_CLIENT = cast(type[MqttClient], importlib.import_module("paho.mqtt.client").Client)


@contextlib.contextmanager
def device_port(port: int) -> Generator[None]:
    """Device clients that connect inside this block use `port`. Keep it open while they live:
    they connect again after a lost connection. Applies to the whole process.
    """
    connect = MQTT_CLIENT.connect

    def connect_to_port(client: MqttClient, **options: object) -> object:
        if options.get("port") == FIXED_PORT:
            options["port"] = port
        return connect(client, **options)

    MQTT_CLIENT.connect = connect_to_port
    try:
        yield
    finally:
        MQTT_CLIENT.connect = connect


@contextlib.contextmanager
def back_end_port(port: int, ca: Path) -> Generator[None]:
    """azure-iot-hub clients that are made inside this block send cloud-to-device messages to `port`, and
    trust the certificate in `ca`: their AMQP library asks certifi, and nobody else, whom to trust.
    """
    constants: Any = importlib.import_module("uamqp.constants")
    certifi: Any = importlib.import_module("uamqp.authentication.common").certifi
    before, where = constants.DEFAULT_AMQPS_PORT, certifi.where
    constants.DEFAULT_AMQPS_PORT, certifi.where = port, lambda: str(ca)
    try:
        yield
    finally:
        constants.DEFAULT_AMQPS_PORT, certifi.where = before, where
