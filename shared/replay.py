"""Quarantined messages through the front door again, once their cause is mended."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace

from shared.commit import QUARANTINE, Machines, Scorer
from shared.decode import DeviceEntry, Reason
from shared.domain.advance import FAR_FUTURE
from shared.ingest import Devices, Ingest, Message
from shared.instants import instant
from shared.ports import Delete, Document, Documents, Refused

SOURCE = "replay/"

_AS_SENT = frozenset(
    {
        Reason.TOO_LARGE,
        Reason.EMPTY,
        Reason.NOT_UTF8,
        Reason.NOT_JSON,
        Reason.TOO_DEEP,
        Reason.UNKNOWN_DEVICE,
        Reason.PROFILE_FAILED,
    }
)
"""Rejected before the device's profile was through with it: the bytes are in the device's dialect.

What was rejected for another reason is kept as the v1 message that the profile made of it.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a replayed document; `rejected` are what stays in quarantine of it."""

    reading_count: int
    rejected: list[Document]


class Replay:
    """Folds quarantined documents as if they arrived now, but with their own arrival time.

    A replay's place is `replay/<document>`, so one that was cut short is completed by repeating
    it and folds nothing twice.
    """

    def __init__(self, machines: Machines, devices: Devices, documents: Documents, scorer: Scorer) -> None:
        self._documents = documents
        self._as_sent = Ingest(machines, devices, documents, scorer)
        self._as_v1 = Ingest(machines, _WithoutProfiles(devices), documents, scorer)

    async def __call__(self, device_day: str, document_id: str) -> Outcome | None:
        """Replay one document; None when it is not in quarantine (any more).

        1. Fold its bytes. Parts that are rejected again get documents of their own.
        2. Nothing of it reached a machine: it stays, with the new reason, in place of those.
        3. Else delete it: what remains of it are those documents.
        """
        document = await self._documents.get(QUARANTINE, device_day, document_id)
        if document is None:
            return None
        if document["reason"] == FAR_FUTURE:
            return Outcome(0, [document])
        source = SOURCE + document_id.removeprefix(SOURCE.replace("/", "~"))
        door = self._as_sent if document["reason"] in _AS_SENT else self._as_v1
        report = await door([_message(document, source)])  # 1
        again = await self._rejected(device_day, source)
        if report.reading_count == 0 and again:  # 2
            document |= {name: again[0][name] for name in ("reason", "detail", "machineId")}
            kept = {name: value for name, value in document.items() if not name.startswith("_")}
            for part in again:
                await self._delete(device_day, part["id"])
            await self._documents.upsert(QUARANTINE, device_day, kept)
            return Outcome(0, [kept])
        await self._delete(device_day, document_id)  # 3
        return Outcome(report.reading_count, again)

    async def _rejected(self, device_day: str, source: str) -> list[Document]:
        prefix = f"{source}/1/".replace("/", "~")
        sql = "SELECT * FROM c WHERE c.id >= @first AND c.id < @behind"
        asked: Mapping[str, str] = {"@first": prefix, "@behind": prefix + "\x7f"}
        found = self._documents.query(QUARANTINE, sql, asked, partition=device_day)
        return [document async for document in found]

    async def _delete(self, device_day: str, document_id: str) -> None:
        try:
            await self._documents.commit(QUARANTINE, device_day, [Delete(document_id)])
        except Refused:
            if await self._documents.get(QUARANTINE, device_day, document_id) is not None:
                raise


class _WithoutProfiles:
    """The directory, for messages that are in no dialect any more."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices

    async def device(self, device_id: str, *, doubted: bool = False) -> DeviceEntry | None:
        entry = await self._devices.device(device_id, doubted=doubted)
        return None if entry is None else replace(entry, profile=None)


def _message(document: Document, source: str) -> Message:
    body = base64.b64decode(document["body"])
    return Message(document["device"], source, 1, instant(document["arrivedAt"]), body)
