"""The jobs there are, as documents; one runs at a time, and one that a crash cut off starts again."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Literal

from local.digital_twins.database import Database
from local.digital_twins.documents import instant
from local.digital_twins.errors import ServiceError
from local.digital_twins.jsontypes import Json, JsonObject, dump, parse
from local.service import Clock

LOG = logging.getLogger(__name__)
PURGE_AFTER_S = 30 * 24 * 3600
RUNNING = ("notstarted", "running", "cancelling")

type Kind = Literal["imports", "deletions"]
type Work = Callable[["Job"], Awaitable[None]]


class JobFailed(Exception):
    """The job ends as failed, with this code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class JobCancelled(Exception):
    """Somebody asked the job to stop."""


class Job:
    """A running job: its document, and the question whether it should go on."""

    def __init__(self, register: "Register", kind: Kind, document: JsonObject) -> None:
        self._register = register
        self.kind: Kind = kind
        self.document = document

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def status(self) -> str:
        return str(self.document["status"])

    def become(self, status: str, error: JsonObject | None = None) -> None:
        now = self._register.now()
        self.document["status"] = status
        if self.kind == "imports":
            self.document["lastActionDateTime"] = now
        if status not in RUNNING:
            self.document["finishedDateTime"] = now
        if error is not None:
            self.document["error"] = error
        self._register.save(self)

    async def breathe(self) -> None:
        """Let others run, once what was written is committed. JobCancelled when the job is to stop."""
        await self._register.database.settled()
        await asyncio.sleep(0)
        if self.status == "cancelling":
            raise JobCancelled


class Register:
    def __init__(self, database: Database, clock: Clock) -> None:
        self.database = database
        self._clock = clock
        self._works: dict[Kind, Work] = {}
        self._running: Job | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, works: dict[Kind, Work]) -> None:
        """Take up the job that was running when the service stopped."""
        self._works = works
        rows = self.database.rows("SELECT kind, document FROM jobs")
        for kind, text in rows:
            document = _object(text)
            if document["status"] in RUNNING:
                self._run(Job(self, "imports" if kind == "imports" else "deletions", document))

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def now(self) -> str:
        return instant(self._clock())

    def create(self, kind: Kind, job_id: str, details: JsonObject) -> JsonObject:
        if self._running is not None:
            raise ServiceError(
                400,
                "JobLimitReached",
                f"Only one bulk job runs at a time, and {self._running.id} is running.",
            )
        now = self._clock()
        document: JsonObject = {
            "id": job_id,
            **details,
            "createdDateTime": instant(now),
            **({"lastActionDateTime": instant(now)} if kind == "imports" else {}),
            "finishedDateTime": None,
            "purgeDateTime": instant(now + PURGE_AFTER_S),
            "status": "notstarted",
        }
        job = Job(self, kind, document)
        self.save(job)
        answer = dict(document)
        self._run(job)
        return answer

    def find(self, kind: Kind, job_id: str) -> JsonObject | None:
        if self._running is not None and (self._running.kind, self._running.id) == (kind, job_id):
            return dict(self._running.document)
        rows = self.database.rows("SELECT document FROM jobs WHERE kind = ? AND id = ?", (kind, job_id))
        return _object(rows[0][0]) if rows else None

    def get(self, kind: Kind, job_id: str) -> JsonObject:
        found = self.find(kind, job_id)
        if found is None:
            raise ServiceError(
                404,
                "JobNotFound",
                f"There is no job available that matches the provided id {job_id}. "
                "Check that the Job ID provided is valid by doing a Jobs_List API call.",
            )
        return found

    def list_all(self, kind: Kind) -> list[JsonObject]:
        rows = self.database.rows("SELECT document FROM jobs WHERE kind = ?", (kind,))
        return sorted((_object(text) for (text,) in rows), key=lambda job: str(job["createdDateTime"]))

    def cancel(self, job_id: str) -> JsonObject:
        """Ask an import to stop; one that is over stays as it is."""
        found = self.get("imports", job_id)
        if self._running is not None and self._running.id == job_id:
            self._running.become("cancelling")
            return dict(self._running.document)
        return found

    def delete(self, job_id: str) -> None:
        if self.get("imports", job_id)["status"] in RUNNING:
            raise ServiceError(
                400,
                "OperationNotAllowed",
                f"Job {job_id} is running. Cancel it and wait before it is deleted.",
            )
        self.database.write("DELETE FROM jobs WHERE kind = 'imports' AND id = ?", (job_id,))

    def save(self, job: Job) -> None:
        self.database.write(
            "INSERT OR REPLACE INTO jobs (kind, id, document) VALUES (?, ?, ?)",
            (job.kind, job.id, dump(job.document).decode()),
        )

    def _run(self, job: Job) -> None:
        self._running = job
        self._task = asyncio.get_running_loop().create_task(self._work(job))

    async def _work(self, job: Job) -> None:
        try:
            if job.status != "cancelling":
                job.become("running")
            await self._works[job.kind](job)
            job.become("succeeded")
        except JobCancelled:
            job.become("cancelled")
        except JobFailed as exc:
            job.become("failed", {"code": exc.code, "message": exc.message})
        finally:
            self._running = None


def _object(text: Json | bytes) -> JsonObject:
    value = parse(str(text).encode())
    assert isinstance(value, dict)
    return value
