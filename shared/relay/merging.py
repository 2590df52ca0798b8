"""Documents of scopes and what their children contribute, merged: who counts, and which entry gives way."""

from collections.abc import Iterable, Sequence

from shared.ports import Document
from shared.relay.rollup import OEE, STATUS, Entry, contribution, document_id, empty, figures, total
from shared.relay.scope_rules import Scope

type Entries = dict[str, Entry]


def merge(scope: Scope, before: Document | None, entries: Entries) -> Document | None:
    """The document with newer entries put in, or None when that changes no figure of it.

    The versions of entries that say the same as before are put into `before` itself: they need no
    write, and keep an older one that is still to come from winning.
    """
    children: dict[str, Document] = dict(before["children"]) if before else {}
    changed = False
    for child_id, entry in entries.items():
        kept = children.get(child_id)
        if kept is not None and not _gives_way(kept, entry):
            continue
        child = {"version": entry.version, "content": entry.content}
        if kept is not None and before is not None and kept["content"] == entry.content:
            before["children"][child_id] = child
        else:
            changed = True
        children[child_id] = child
    if not changed:
        return None
    contents = {name: child["content"] for name, child in children.items() if child["content"] is not None}
    left = before if not contents else None
    summed = total(scope.kind, contents, only=scope.only) if left is None else empty(left)
    return {
        "id": scope.document_id,
        "scopeId": scope.scope_id,
        "type": scope.kind,
        "level": scope.level,
        "version": before["version"] + 1 if before else 1,
        **figures(scope.kind, scope.document_id, summed, bands=scope.bands),
        **summed,
        **({} if scope.only is None else {"countedMachine": scope.only}),
        "childCount": len(contents),
        "children": children,
    }


def entry_above(document: Document) -> Entry:
    """What a scope's document contributes to the scope above."""
    content = total(document["type"], {document["scopeId"]: document})
    return Entry([document["version"]], content)


def counts(document: Document | None, child_id: str) -> bool:
    child = document["children"].get(child_id) if document is not None else None
    return child is not None and child["content"] is not None


def _gives_way(kept: Document, entry: Entry) -> bool:
    """A machine leaves with the very document that says so in its new line."""
    if entry.content is None and kept["content"] is not None:
        return kept["version"] <= entry.version
    return kept["version"] < entry.version


def kind_of(document: Document) -> str:
    return OEE if document["type"] == "oee" else STATUS


def newest(documents: Sequence[Document]) -> Iterable[tuple[Document, Entry]]:
    """Of a machine's contributions to one document of its scopes, the newest."""
    found: dict[tuple[str, str], tuple[Document, Entry]] = {}
    for document in documents:
        key = document["machineId"], document_id(document)
        entry = contribution(document)
        if key not in found or found[key][1].version < entry.version:
            found[key] = document, entry
    return found.values()
