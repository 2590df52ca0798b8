"""Event Grid: topics that take events, subscriptions that deliver them to webhooks."""
