"""Enrollments and registrations, in the hub's database."""

import sqlite3

import orjson

from local.dps.enrollments import Enrollment, Json

SCHEMA = """
CREATE TABLE IF NOT EXISTS enrollments (
    kind TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS registrations (
    registration_id TEXT PRIMARY KEY, group_id TEXT, state TEXT NOT NULL) WITHOUT ROWID;
"""


class Enrollments:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._db.executescript(SCHEMA)

    def get(self, kind: str, name: str) -> Enrollment | None:
        query = "SELECT document FROM enrollments WHERE kind = ? AND name = ?"
        row = self._db.execute(query, (kind, name)).fetchone()
        return Enrollment(kind, orjson.loads(row[0])) if row else None

    def all(self, kind: str) -> list[Enrollment]:
        query = "SELECT document FROM enrollments WHERE kind = ? ORDER BY name"
        return [Enrollment(kind, orjson.loads(document)) for (document,) in self._db.execute(query, (kind,))]

    def put(self, enrollment: Enrollment) -> None:
        document = orjson.dumps(enrollment.document).decode()
        values = enrollment.kind, enrollment.name, document
        self._db.execute("INSERT OR REPLACE INTO enrollments VALUES (?, ?, ?)", values)

    def delete(self, enrollment: Enrollment) -> None:
        self._db.execute(
            "DELETE FROM enrollments WHERE kind = ? AND name = ?", (enrollment.kind, enrollment.name)
        )

    def registration(self, registration_id: str) -> Json | None:
        query = "SELECT state FROM registrations WHERE registration_id = ?"
        row = self._db.execute(query, (registration_id,)).fetchone()
        return orjson.loads(row[0]) if row else None

    def registrations(self, group_id: str) -> list[Json]:
        query = "SELECT state FROM registrations WHERE group_id = ? ORDER BY registration_id"
        return [orjson.loads(state) for (state,) in self._db.execute(query, (group_id,))]

    def put_registration(self, registration_id: str, group_id: str | None, state: Json) -> None:
        values = registration_id, group_id, orjson.dumps(state).decode()
        self._db.execute("INSERT OR REPLACE INTO registrations VALUES (?, ?, ?)", values)

    def delete_registration(self, registration_id: str) -> None:
        self._db.execute("DELETE FROM registrations WHERE registration_id = ?", (registration_id,))
