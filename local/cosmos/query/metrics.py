"""What a page of a query cost and which indexes served it, in the service's form."""

import base64

from local.cosmos.json_types import Json, JsonObject, dump
from local.cosmos.query.pushdown import Path, Pushdown
from local.cosmos.query.request import Page, Request
from local.cosmos.query.statement import order_of


def of_page(page: Page, results: list[Json], elapsed_s: float) -> str:
    """`name=value` pairs: times in milliseconds, sizes in bytes. Of the times only the total is measured."""
    ratio = min(1.0, len(results) / page.loaded_count) if page.loaded_count else 1.0
    figures = {
        "totalExecutionTimeInMs": f"{elapsed_s * 1000:.2f}",
        "VMExecutionTimeInMs": f"{elapsed_s * 1000:.2f}",
        "retrievedDocumentCount": str(page.loaded_count),
        "retrievedDocumentSize": str(page.loaded_bytes),
        "outputDocumentCount": str(len(results)),
        "outputDocumentSize": str(sum(len(dump(one)) for one in results)),
        "indexUtilizationRatio": f"{ratio:.2f}",
    }
    return ";".join(f"{name}={value}" for name, value in figures.items())


def index_utilization(request: Request) -> str:
    """Base64 of JSON: which paths the query filters and orders by, and whether the policy indexes them."""
    query, container = request.program.query, request.container
    pushed = Pushdown(query, request.parameters, ()).condition(query.where)
    paths: set[Path] = {*pushed.fixed, *pushed.bounded} if pushed else set()
    paths |= {path for path, _ in order_of(request)}
    if request.scope.pk is not None:
        paths |= set(container.key.paths)
    used: list[Json] = []
    missing: list[Json] = []
    for path in sorted(paths):
        entry: JsonObject = {
            "FilterExpression": "", "IndexSpec": f"/{'/'.join(path)}/?", "FilterPreciseSet": True,
            "IndexPreciseSet": True, "IndexImpactScore": "High",
        }  # fmt: skip
        (used if container.indexing.indexes(path) else missing).append(entry)
    report: JsonObject = {
        "UtilizedSingleIndexes": used, "PotentialSingleIndexes": missing,
        "UtilizedCompositeIndexes": [], "PotentialCompositeIndexes": [],
    }  # fmt: skip
    return base64.b64encode(dump(report)).decode()
