"""The document store in memory: the same port, the same answers as the local cloud (one suite tests both)."""

import copy
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from shared.ports import (
    AlreadyDone,
    Conflict,
    Create,
    Delete,
    Document,
    Missing,
    Operation,
    Refused,
    Replace,
    SetFields,
    Unavailable,
    Upsert,
)

SERVICE_MADE = ("_etag",)


class MemoryDocuments:
    """Containers of partitions of documents. `broken` makes every call Unavailable."""

    def __init__(self) -> None:
        self.containers: dict[str, dict[str, dict[str, Document]]] = {}
        self.broken = False
        self.commit_count = 0
        self.fail_after_commits: set[int] = set()
        """Numbers of commits that are applied but answered with Unavailable."""
        self._etags = 0

    def partition(self, container: str, partition: str) -> dict[str, Document]:
        return self.containers.setdefault(container, {}).setdefault(partition, {})

    def all(self, container: str) -> list[Document]:
        return [d for part in self.containers.get(container, {}).values() for d in part.values()]

    async def get(self, container: str, partition: str, id: str) -> Document | None:
        self._check()
        return copy.deepcopy(self.partition(container, partition).get(id))

    async def upsert(self, container: str, partition: str, document: Document) -> None:
        await self.commit(container, partition, [Upsert(document)])

    async def commit(self, container: str, partition: str, operations: Sequence[Operation]) -> list[str]:
        self._check()
        if len(operations) > 100:
            raise Refused("a batch takes 100 operations")
        if sum(map(_size_bytes, operations)) > 1_258_291:
            raise Refused("a batch takes 1.2 MB")
        before = self.partition(container, partition)
        after = dict(before)
        etags = [self._apply(after, operation) for operation in operations]
        self.containers[container][partition] = after
        self.commit_count += 1
        if self.commit_count in self.fail_after_commits:
            raise Unavailable("the answer was lost")
        return etags

    async def query(
        self, container: str, sql: str, parameters: Mapping[str, Any], *, partition: str | None = None
    ) -> AsyncIterator[Document]:
        for document in self._select(container, sql, parameters, partition):
            yield document

    async def page(
        self,
        container: str,
        sql: str,
        parameters: Mapping[str, Any],
        *,
        partition: str | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> tuple[list[Document], str | None]:
        found = self._select(container, sql, parameters, partition)
        if cursor is not None and not cursor.isdecimal():
            raise Refused(f"{cursor!r} is no cursor")
        start = int(cursor or 0)
        rest = str(start + limit) if start + limit < len(found) else None
        return found[start : start + limit], rest

    def _check(self) -> None:
        if self.broken:
            raise Unavailable("the store is down")

    def _apply(self, documents: dict[str, Document], operation: Operation) -> str:
        match operation:
            case Delete(id=document_id):
                if documents.pop(document_id, None) is None:
                    raise Refused(f"{document_id} does not exist")
                return ""
            case SetFields(id=document_id, fields=fields):
                if document_id not in documents:
                    raise Missing(document_id, f"{document_id} does not exist")
                document = copy.deepcopy(documents[document_id])
                for path, value in fields.items():
                    *parents, leaf = path.strip("/").split("/")
                    place = document
                    for parent in parents:
                        if parent not in place:
                            raise Refused(f"{document_id} has no {path}")
                        place = place[parent]
                    place[leaf] = value
            case Create(document=document):
                if document["id"] in documents:
                    if document["id"] == "state":
                        raise Conflict(document["id"])
                    raise AlreadyDone(document["id"])
            case Replace(document=document, etag=etag):
                if documents.get(document["id"], {}).get("_etag") != etag:
                    raise Conflict(document["id"])
            case Upsert(document=document):
                pass
        self._etags += 1
        document = copy.deepcopy(document)
        document["_etag"] = f'"{self._etags}"'
        documents[document["id"]] = document
        return document["_etag"]

    def _select(
        self, container: str, sql: str, parameters: Mapping[str, Any], partition: str | None
    ) -> list[Document]:
        """The few shapes of query that the shell asks: conjunctions of comparisons, one ORDER BY."""
        self._check()
        matched = re.fullmatch(
            r"SELECT (?:\*|c\.\w+|c\[[^()]+\]) FROM c(?: WHERE (.+?))?(?: ORDER BY c\.(\w+)( DESC)?)?", sql
        )
        assert matched is not None, f"this store cannot answer: {sql}"
        documents = (
            list(self.partition(container, partition).values())
            if partition is not None
            else self.all(container)
        )
        for condition in (matched[1] or "").split(" AND ") if matched[1] else []:
            if contains := re.fullmatch(r"ARRAY_CONTAINS\(c\.(\w+), (@\w+)\)", condition):
                documents = [d for d in documents if parameters[contains[2]] in d.get(contains[1], ())]
                continue
            name, operator, value = re.fullmatch(r"c\.(\w+) (=|<=|>=|<|>) (\S+)", condition).groups()  # pyright: ignore[reportOptionalMemberAccess]
            wanted = parameters[value] if value.startswith("@") else value.strip("'")
            wanted = {"true": True, "false": False}.get(wanted, wanted) if isinstance(wanted, str) else wanted
            documents = [d for d in documents if name in d and _holds(d[name], operator, wanted)]
        if matched[2]:
            documents = [document for document in documents if matched[2] in document]
            documents.sort(key=lambda document: document[matched[2]], reverse=bool(matched[3]))
        return copy.deepcopy(documents)


def _size_bytes(operation: Operation) -> int:
    return len(json.dumps(getattr(operation, "document", "")))


def _holds(value: Any, operator: str, wanted: Any) -> bool:
    return {
        "=": lambda: value == wanted,
        "<=": lambda: value is not None and value <= wanted,
        ">=": lambda: value is not None and value >= wanted,
        "<": lambda: value is not None and value < wanted,
        ">": lambda: value is not None and value > wanted,
    }[operator]()
