"""Cosmos DB for NoSQL over HTTP, as azure-cosmos sees it: documents, change feed and queries on SQLite."""
