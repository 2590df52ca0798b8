"""The operations on jobs."""

from pathlib import Path
from uuid import uuid4

from local.digital_twins.errors import ServiceError, invalid_argument
from local.digital_twins.jobs.deletions import delete_everything
from local.digital_twins.jobs.imports import Imports
from local.digital_twins.jobs.register import Job, Kind, Register
from local.digital_twins.jsontypes import Json, JsonObject
from local.digital_twins.service import TwinService
from local.digital_twins.store import Store
from local.digital_twins.throttle import Throttle
from local.service import Clock

TIMEOUT_MINUTES = (15, 24 * 60)


class Jobs:
    def __init__(
        self, service: TwinService, store: Store, throttle: Throttle, clock: Clock, blobs: Path
    ) -> None:
        self._store, self._throttle = store, throttle
        self._register = Register(store.database, clock)
        self._imports = Imports(service, blobs)

    def start(self) -> None:
        self._register.start({"imports": self._import, "deletions": self._delete})

    async def stop(self) -> None:
        await self._register.stop()

    def put_import(self, job_id: str, body: Json) -> JsonObject:
        self._throttle.instance("job requests")
        details = self._imports.details(body)
        if self._register.find("imports", job_id) is not None:
            raise ServiceError(
                409,
                "JobIdAlreadyExists",
                f"Provided Job ID already exists: {job_id}. "
                "Use Jobs_List API to view jobs that already exist.",
            )
        return self._register.create("imports", job_id, details)

    def cancel_import(self, job_id: str) -> JsonObject:
        self._throttle.instance("job requests")
        return self._register.cancel(job_id)

    def delete_import(self, job_id: str) -> None:
        self._throttle.instance("job requests")
        self._register.delete(job_id)

    def post_deletion(self, operation_id: str | None, timeout_minutes: int) -> JsonObject:
        """The time-out is checked; a deletion here ends long before the least of them."""
        self._throttle.instance("job requests")
        least, most = TIMEOUT_MINUTES
        if timeout_minutes and not least <= timeout_minutes <= most:
            raise invalid_argument(f"timeoutInMinutes is from {least} to {most}.")
        job_id = operation_id or str(uuid4())
        if self._register.find("deletions", job_id) is not None:
            raise ServiceError(400, "ValidationFailed", f"The Operation-Id {job_id} already exists.")
        return self._register.create("deletions", job_id, {})

    def get(self, kind: Kind, job_id: str) -> JsonObject:
        self._throttle.instance("job requests")
        return self._register.get(kind, job_id)

    def list_all(self, kind: Kind) -> list[JsonObject]:
        self._throttle.instance("job requests")
        return self._register.list_all(kind)

    async def _import(self, job: Job) -> None:
        await self._imports.run(job, self._register)

    async def _delete(self, job: Job) -> None:
        await delete_everything(job, self._store)
