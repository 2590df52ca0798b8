"""IoT Hub: machines over MQTT and TLS, back ends over HTTPS and AMQP; see README.md."""
