"""Ends runs of models that take too long: one thread a process, which looks a few times a second.

A timer for each run would cost ten times what scoring one machine costs.
"""

import time
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock, Thread

from shared.onnx_runtime import RunOptions, run_options

LONGEST_S = 2.0
"""A run is ended after this, whatever it is doing between two operators: nothing waits for it longer."""

_LOOK_EVERY_S = 0.25

_running: dict[int, tuple[float, RunOptions]] = {}
_starting = Lock()
_threads: list[Thread] = []


@contextmanager
def watched() -> Generator[RunOptions]:
    """Options for one run; `terminate` is set on them when it has lasted too long."""
    if not _threads:
        _start()
    options = run_options()
    _running[id(options)] = time.monotonic() + LONGEST_S, options
    try:
        yield options
    finally:
        del _running[id(options)]


def _start() -> None:
    with _starting:
        if not _threads:
            _threads.append(Thread(target=_watch, name="onnx-watchdog", daemon=True))
            _threads[0].start()


def _watch() -> None:
    while True:
        time.sleep(_LOOK_EVERY_S)
        now = time.monotonic()
        for until, options in list(_running.values()):
            if now >= until:
                options.terminate = True
