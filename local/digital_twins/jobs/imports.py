"""Import of models, twins and relationships from a file of JSON lines, with a log beside it.

Blobs are files: `https://HOST/CONTAINER/NAME` is `HOST/CONTAINER/NAME` below the folder `blobs`.
Nothing is undone when an import fails or is cancelled. Lines of twins and relationships that are
refused are logged, the others are taken, and the job then ends as failed; with models that are
refused it ends at once.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Literal
from urllib.parse import unquote, urlsplit

from local.digital_twins.errors import ServiceError, invalid_argument
from local.digital_twins.jobs.register import Job, JobCancelled, JobFailed, Register
from local.digital_twins.jsontypes import Json, JsonObject, NotJson, dump, parse
from local.digital_twins.service import TwinService

FILE_VERSION = "1.0.0"
_PART = re.compile(r"[^/\\\0]{1,255}")
_LINES_A_TURN = 50

type Section = Literal["Header", "Models", "Twins", "Relationships"]
SECTIONS: tuple[Section, ...] = ("Header", "Models", "Twins", "Relationships")


def blob_file(folder: Path, uri: Json) -> Path:
    """The file that stands for a blob; 400 in the service's words when the URI names none."""
    parts = urlsplit(uri) if isinstance(uri, str) else None
    if parts is None or parts.scheme != "https" or not parts.hostname:
        why = "Invalid URI: The format of the URI could not be determined"
        raise _invalid_uri(uri, why)
    names = [parts.hostname, *unquote(parts.path).removeprefix("/").split("/")]
    if len(names) < 3 or any(name in (".", "..") or not _PART.fullmatch(name) for name in names):
        raise _invalid_uri(uri, "The path must have a container and a blob")
    return folder.joinpath(*names)


def _invalid_uri(uri: Json, why: str) -> ServiceError:
    return invalid_argument(
        f"Azure Storage Blob URI '{str(uri)[:200]}' failed validation. {why}. Please check: https://docs.microsoft"
        ".com/en-us/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata"
    )


class Imports:
    def __init__(self, service: TwinService, folder: Path) -> None:
        self._service, self._folder = service, folder

    def details(self, body: Json) -> JsonObject:
        """What a new job's document says of its blobs; 400 when they cannot be blobs."""
        if not isinstance(body, dict):
            raise invalid_argument("The body of an import job is a JSON object.")
        uris: JsonObject = {name: body.get(name) for name in ("inputBlobUri", "outputBlobUri")}
        for uri in uris.values():
            blob_file(self._folder, uri)
        return uris

    async def run(self, job: Job, register: Register) -> None:
        source = blob_file(self._folder, job.document["inputBlobUri"])
        target = blob_file(self._folder, job.document["outputBlobUri"])
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            log = target.open("wb")
        except OSError as exc:
            raise JobFailed(
                "UnableToWriteToOutputBlob", f"Service was unable to write to the output blob: {exc}."
            ) from exc
        try:
            lines = source.open("rb")
        except OSError as exc:
            log.close()
            raise JobFailed(
                "UnableToReadInputBlob", f"Service was unable to read the input blob: {exc}."
            ) from exc
        with lines, log:
            await _Import(self._service, job, register, log).run(lines)


class _Import:
    """One import under way."""

    def __init__(self, service: TwinService, job: Job, register: Register, log: IO[bytes]) -> None:
        self._service, self._job, self._register, self._file = service, job, register, log
        self._section: Section | None = None
        self._models: list[JsonObject] = []
        self._errors = 0
        self._section_errors = 0

    async def run(self, lines: IO[bytes]) -> None:
        self._log("Info", {"status": "Started"})
        try:
            for number, line in enumerate(_filled(lines), 1):
                self._take(number, line)
                if number % _LINES_A_TURN == 0:
                    await self._job.breathe()
            self._end_section()
            await self._job.breathe()
            if self._errors:
                raise JobFailed(
                    "ImportJobFailed",
                    f"{self._errors} lines were refused. See the output blob for each of them.",
                )
        except JobFailed as exc:
            self._log("Info", {"status": "Failed", "error": {"code": exc.code, "message": exc.message}})
            raise
        except JobCancelled:
            self._log("Info", {"status": "Cancelled"})
            raise
        self._log("Info", {"status": "Succeeded"})

    def _take(self, number: int, line: bytes) -> None:
        try:
            value = parse(line)
        except NotJson as exc:
            raise JobFailed("InvalidInput", f"Line {number} is not valid JSON: {exc}.") from exc
        if not isinstance(value, dict):
            raise JobFailed("InvalidInput", f"Line {number} is not a JSON object.")
        if "Section" in value:
            self._begin_section(number, value["Section"])
            return
        match self._section:
            case None:
                raise JobFailed("InvalidInput", f'Line {number} comes before the first {{"Section": ...}}.')
            case "Header":
                if value.get("fileVersion") != FILE_VERSION:
                    raise JobFailed("InvalidInput", f"Line {number}: the fileVersion must be {FILE_VERSION}.")
            case "Models":
                self._models.append(value)
            case "Twins":
                self._try(number, lambda: self._service.import_twin(value))
            case "Relationships":
                self._try(number, lambda: self._service.relationships.import_one(value))

    def _try(self, number: int, put: Callable[[], None]) -> None:
        try:
            put()
        except ServiceError as exc:
            self._errors += 1
            self._section_errors += 1
            told: JsonObject = {"section": self._section, "line": number, "error": exc.body()["error"]}
            self._log("Error", told)

    def _begin_section(self, number: int, name: Json) -> None:
        following: tuple[Section, ...] = (
            SECTIONS if self._section is None else SECTIONS[SECTIONS.index(self._section) + 1 :]
        )
        found: Section | None = next((section for section in following if section == name), None)
        if found is None or (self._section is None and found != "Header"):
            raise JobFailed(
                "InvalidInput",
                f"Line {number} begins section {name!r}: sections are {', '.join(SECTIONS)}, in this order.",
            )
        self._end_section()
        self._section, self._section_errors = found, 0
        if found != "Header":
            self._log("Info", {"section": found, "status": "Started"})

    def _end_section(self) -> None:
        if self._section in (None, "Header"):
            return
        if self._section == "Models":
            try:
                self._service.import_models(self._models)
            except ServiceError as exc:
                self._log("Error", {"section": "Models", "error": exc.body()["error"]})
                raise JobFailed(
                    exc.code, f"Encountered errors while importing models. {exc.message}"
                ) from exc
        status = "Failed" if self._section_errors else "Succeeded"
        self._log("Info", {"section": self._section, "status": status})

    def _log(self, kind: str, details: JsonObject) -> None:
        line: JsonObject = {
            "timestamp": self._register.now(),
            "jobId": self._job.id,
            "jobType": "Import",
            "logType": kind,
            "details": details,
        }
        self._file.write(dump(line) + b"\n")
        self._file.flush()


def _filled(lines: IO[bytes]) -> Iterator[bytes]:
    return (line for line in lines if line.strip())
