"""Lets Microsoft's device SDK reach an IoT Hub on another port than 8883.

azure-iot-device has 8883 built in, and neither its connection string nor an option changes it. The
one place where the number matters is the call it makes into its MQTT library, so that call is
where another port goes in. With the default port nothing of this is needed.
"""

import contextlib
import importlib
from collections.abc import Callable, Generator
from typing import Protocol, cast

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
