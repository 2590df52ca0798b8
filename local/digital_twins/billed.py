"""Answers that are metered as Azure bills them."""

import math

from aiohttp import web

from local.digital_twins.answers import Answer, Page
from local.digital_twins.jsontypes import dump
from local.digital_twins.wire import KB, raw_response
from local.meter import Meter


class Billed:
    def __init__(self, meter: Meter) -> None:
        self.meter = meter

    def count(self, operation: str, size_bytes: int) -> None:
        """Bill one operation in increments of 1 KB of what it carries."""
        increments = max(1, math.ceil(size_bytes / KB))
        self.meter.add(operation)
        if operation != "queries":
            self.meter.add("operations", increments)

    def read(self, answer: Answer) -> web.Response:
        self.count("reads", len(answer.body))
        return raw_response(answer.body, answer.etag)

    def listed(self, request: web.Request, page: Page) -> web.Response:
        link = None if page.next is None else str(request.url.update_query({"continuationToken": page.next}))
        answer = dump({"value": [*page.items], "nextLink": link})
        self.count("reads", len(answer))
        return raw_response(answer)
