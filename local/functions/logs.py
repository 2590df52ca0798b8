"""The host's log on stderr, looking like that of `func start`."""

import logging
import sys
import time
from typing import override

from local.functions.host_json import LogLevels

_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "information": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 10,
}


class _Format(logging.Formatter):
    """`[2026-11-21T09:00:00.000Z] message`; warnings and errors say so."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{self.formatException(record.exc_info)}"
        return f"[{moment}.{int(record.msecs):03d}Z] {level}{message}"


def log_to_stderr(levels: LogLevels, *, verbose: bool) -> None:
    """Host and functions at the levels of host.json; the SDKs' own loggers only from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Format())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.DEBUG if verbose else _level(levels.function or levels.default))
    logging.getLogger("host").setLevel(logging.DEBUG if verbose else _level(levels.default))
    for name in (
        "azure.core",
        "azure.cosmos",
        "azure.eventhub",
        "azure.identity",
        "aiohttp",
        "asyncio",
        "urllib3",
    ):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Every lost connection is reported by the listener too, with its function's name.
    logging.getLogger("azure.eventhub").setLevel(logging.ERROR)


def _level(name: str) -> int:
    return _LEVELS.get(name.lower(), logging.INFO)
