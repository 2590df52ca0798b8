"""What is kept: databases of the version before, and events in Event Grid's own schema."""

import json
import sqlite3

from local.digital_twins.egress.events import grid_event
from local.digital_twins.query.answer import Position, answer
from local.digital_twins.query.compile import compile_query
from local.digital_twins.tables import VERSION, prepare


def rows(database, text):
    query = compile_query(text, lambda kind: [kind])
    return json.loads(answer(database, query, Position(text), 100).body)["value"]


def test_a_database_of_before_is_upgraded_with_all_its_indexes(tmp_path):
    database = sqlite3.connect(tmp_path / "old.sqlite", isolation_level=None)
    database.executescript(
        "CREATE TABLE twins (id TEXT PRIMARY KEY, model TEXT NOT NULL, document TEXT NOT NULL) WITHOUT ROWID;"
        "CREATE INDEX twins_by_model ON twins (model, id);"
        "CREATE TABLE relationships (source TEXT NOT NULL, id TEXT NOT NULL, name TEXT NOT NULL, target TEXT "
        "NOT NULL, document TEXT NOT NULL, PRIMARY KEY (source, id)) WITHOUT ROWID;"
        "CREATE INDEX relationships_by_target ON relationships (target, source, id);"
    )
    for twin in ("a", "b"):
        document = {"$dtId": twin, "name": f"of {twin}", "$metadata": {"$model": "dtmi:m;1"}}
        database.execute("INSERT INTO twins VALUES (?, 'dtmi:m;1', ?)", (twin, json.dumps(document)))
    relationship = {
        "$relationshipId": "r",
        "$sourceId": "a",
        "$targetId": "b",
        "$relationshipName": "n",
        "since": 3,
    }
    database.execute("INSERT INTO relationships VALUES ('a', 'r', 'n', 'b', ?)", (json.dumps(relationship),))
    prepare(database)
    prepare(database)
    assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    assert [twin["$dtId"] for twin in rows(database, "SELECT * FROM DIGITALTWINS WHERE name = 'of b'")] == [
        "b"
    ]
    assert rows(database, "SELECT since FROM RELATIONSHIPS WHERE since = 3") == [{"since": 3}]
    match = "SELECT x.name FROM DIGITALTWINS MATCH (x)-[:n]->(y) WHERE y.$dtId = 'b'"
    assert rows(database, match) == [{"name": "of a"}]
    database.close()


def test_event_grids_own_schema_nests_the_data_once_more():
    event = {
        "specversion": "1.0",
        "id": "1",
        "type": "microsoft.iot.telemetry",
        "source": "host/digitaltwins/t",
        "data": {"speed": 3},
        "dataschema": "dtmi:m;1",
        "time": "2026-03-02T06:00:00.0000000Z",
        "datacontenttype": "application/json",
        "traceparent": "00-1-2-01",
    }
    told = grid_event(event)
    assert told["data"] == {
        "data": {"speed": 3},
        "contenttype": "application/json",
        "dataschema": "dtmi:m;1",
        "traceparent": "00-1-2-01",
    }
    assert (told["eventType"], told["subject"], told["eventTime"]) == (event["type"], "", event["time"])
