"""W3C trace context: the caller's trace goes on in answers and in events."""

import re
import secrets
from contextvars import ContextVar

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_current: ContextVar[str] = ContextVar("trace")


def enter(traceparent: str | None) -> str:
    """Take the trace of a request as the current one, or begin one; the `traceresponse` to answer with."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    _current.set(found[1] if found else secrets.token_hex(16))
    return child_of_current()


def child_of_current() -> str:
    """A new span in the current trace, as a traceparent."""
    return f"00-{_current.get(secrets.token_hex(16))}-{secrets.token_hex(8)}-01"
