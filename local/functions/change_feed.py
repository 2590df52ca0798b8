"""A container's change feed, one page at a time, through the Cosmos DB SDK."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast

from azure.cosmos.aio import ContainerProxy

from local.functions.triggers import CosmosTrigger

type FeedRange = dict[str, Any]


class ChangeFeed:
    """Where to begin is the trigger's choice; afterwards only the continuation counts."""

    def __init__(self, container: ContainerProxy, trigger: CosmosTrigger) -> None:
        self._container = container
        self._page_size = trigger.max_items_per_invocation
        if trigger.start_from_beginning:
            self._start: str = "Beginning"
        else:
            self._start = trigger.start_from_time or "Now"

    async def ranges(self) -> list[FeedRange]:
        """The container's feed ranges, the units that hosts share."""
        return [feed_range async for feed_range in self._container.read_feed_ranges()]

    async def page(self, feed_range: FeedRange, continuation: str | None) -> tuple[list[dict[str, Any]], str]:
        """The next changed documents, none if there are none, and the position behind them."""
        where: dict[str, Any] = (
            {"continuation": continuation}
            if continuation
            else {"feed_range": feed_range, "start_time": _start_time(self._start)}
        )
        if self._page_size is not None:
            where["max_item_count"] = self._page_size
        seen: list[Mapping[str, Any]] = []

        def remember(headers: Mapping[str, Any], _: object) -> None:
            seen.append(headers)

        pages = self._container.query_items_change_feed(**where, response_hook=remember).by_page()
        documents: list[dict[str, Any]] = []
        async for page in pages:
            documents = [document async for document in page]
            break
        # The SDK puts its own continuation over the header, in the object that it gave to the hook.
        return documents, cast(str, seen[-1]["etag"])


def _start_time(text: str) -> Any:
    return text if text in ("Now", "Beginning") else datetime.fromisoformat(text)
