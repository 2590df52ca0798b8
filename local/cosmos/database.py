"""The database file: its tables, and connections to it."""

import sqlite3
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS databases(
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS containers(
    number INTEGER PRIMARY KEY AUTOINCREMENT, database INTEGER NOT NULL, id TEXT NOT NULL,
    body TEXT NOT NULL, lsn INTEGER NOT NULL, UNIQUE(database, id));
CREATE TABLE IF NOT EXISTS ranges(container INTEGER PRIMARY KEY, body TEXT NOT NULL);
"""
# `change`: the change's number times 128 plus the place in its batch. `seq`: the change that created it.
DOCUMENTS = """
CREATE TABLE {table}(
    seq INTEGER PRIMARY KEY, pk TEXT NOT NULL, id TEXT NOT NULL, epk TEXT NOT NULL, change INTEGER NOT NULL,
    ts INTEGER NOT NULL, expires_at INTEGER, etag TEXT NOT NULL, body TEXT NOT NULL);
CREATE UNIQUE INDEX {table}_key ON {table}(pk, id);
CREATE UNIQUE INDEX {table}_change ON {table}(change);
CREATE INDEX {table}_expiry ON {table}(expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE {uniques}(
    pk TEXT NOT NULL, place INTEGER NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY(pk, place, value)) WITHOUT ROWID;
CREATE INDEX {uniques}_owner ON {uniques}(pk, id);
"""


def connect(path: Path) -> sqlite3.Connection:
    """A connection whose commits survive kill -9; the log is moved by upkeep, not inside a request."""
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=512, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("PRAGMA cache_size=-65536")
    connection.execute("PRAGMA busy_timeout=5000")
    return connection
