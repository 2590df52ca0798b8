"""AMQP 1.0 (OASIS, 2012) for a service: codec, connection, session, link. Knows no Event Hubs."""
