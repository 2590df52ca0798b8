"""Event Hubs on loopback: AMQP 1.0 over plain TCP and TLS, kept in SQLite."""
