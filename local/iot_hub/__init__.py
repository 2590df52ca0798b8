"""IoT Hub, device side: machines over MQTT and TLS, the device registry over HTTPS."""
