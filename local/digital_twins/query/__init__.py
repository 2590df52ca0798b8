"""The query language: text to tree (`parse`), tree to SQLite (`compile`, `conditions`, `graph`)."""
