"""What the Event Grid trigger hands over -> a CloudEvent as we published it."""

# The library leaves types open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import azure.functions as func

from shared.ports import Document


def cloud_event(event: func.CloudEvent) -> Document:
    """The event as JSON writes it: its extensions, the trace among them, beside the other attributes."""
    document: Document = event.to_dict()
    del document["extension_attrs"]
    return document | event.extension_attrs
