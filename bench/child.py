"""Work in a process of its own, with a fresh local cloud's folder, that trusts its certificate authority.

aiohttp reads the trusted authorities once, when it is imported: so they are in the environment
before the process begins, as the Functions host has them too.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from local.home import Home

_TRUSTED = "SSL_CERT_FILE"


def run[**P, T](
    work: "Callable[P, Coroutine[Any, Any, T]]", folder: Path, *args: P.args, **kwargs: P.kwargs
) -> T:
    """What `work` returns, from a process in which `folder` may become the local cloud's home."""
    home = Home.at(folder)
    home.make_certificates()
    with ExitStack() as stack:
        before = os.environ.get(_TRUSTED)
        os.environ[_TRUSTED] = str(home.ca)
        stack.callback(_restore, before)
        pool = stack.enter_context(ProcessPoolExecutor(1, mp_context=get_context("spawn")))
        return pool.submit(_run, work, args, kwargs).result()


def temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="millwright-bench-")


def _run[T](work: Callable[..., Coroutine[Any, Any, T]], args: Any, kwargs: Any) -> T:
    return asyncio.run(work(*args, **kwargs))


def _restore(before: str | None) -> None:
    if before is None:
        os.environ.pop(_TRUSTED, None)
    else:
        os.environ[_TRUSTED] = before
