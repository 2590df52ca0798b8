"""What handlers share: documents as their contracts show them, pages, ids of commands."""

from hashlib import sha256

from pydantic import BaseModel

from functions.http import Answer
from shared.contracts import http
from shared.contracts.documents.base import names
from shared.ports import Document
from shared.queries import Page, Paging


def command_id(*parts: str) -> str:
    """An id that Cosmos DB takes, whatever characters the parts have."""
    return sha256("\n".join(parts).encode()).hexdigest()[:32]


def public(model: type[BaseModel], document: Document) -> Document:
    """What the contract shows of a document; the rest is the store's business."""
    return {name: document[name] for name in names(model) if name in document}


def paged(model: type[BaseModel], found: Page) -> Answer:
    items = [public(model, document) for document in found.items]
    return Answer({"items": items, "nextCursor": found.next_cursor})


def single(model: type[BaseModel], document: Document) -> Answer:
    return Answer(public(model, document), document["_etag"])


def paging(asked: http.Paged) -> Paging:
    return Paging(asked.limit, asked.cursor)
