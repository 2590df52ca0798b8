"""One service of the local cloud as a child process: started, watched, killed, stopped, its log kept."""

import asyncio
import contextlib
import json
import logging
import signal
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from local.home import Home

_START_S = 60.0
_STOP_S = 20.0
_LAST_LINES = 20
_LOG_BYTES = 5_000_000
_LINE_LIMIT = 1 << 20


class DidNotStart(Exception):
    """The process ended, or said nothing for a minute, before it listened."""

    def __init__(self, service: str, exit_code: int | None, last_lines: str) -> None:
        self.summary = f"{service} did not start (exit code {exit_code})"
        super().__init__(f"{self.summary}:\n{last_lines}")
        self.service = service
        self.exit_code = exit_code


@dataclass(slots=True)
class ServiceProcess:
    """`name` is the instance (functions-2), `service` what it runs (functions)."""

    name: str
    service: str
    home: Home
    environment: Mapping[str, str]
    ports_from: int | None = None
    """None: the service's own ports; 0: any free ones; else counted from here."""
    echo: Callable[[str], None] | None = None
    """Gets each line of the service's log."""
    ports: dict[str, int] = field(default_factory=dict[str, int])
    endpoints: dict[str, str] = field(default_factory=dict[str, str])
    meter: dict[str, float] = field(default_factory=dict[str, float])
    _child: asyncio.subprocess.Process | None = None
    _logging: asyncio.Task[None] | None = None
    _tail: deque[str] = field(default_factory=lambda: deque[str](maxlen=_LAST_LINES))

    async def start(self) -> None:
        """Start and wait until it listens; again on the same ports. DidNotStart carries the last lines."""
        if self.ports:
            ports = [f"--port={port}={number}" for port, number in self.ports.items()]
        else:
            ports = [] if self.ports_from is None else [f"--ports-from={self.ports_from}"]
        self._tail.clear()
        self._child = child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "local", "serve", self.service, f"--dir={self.home.path}", "--with-parent", *ports),
            # Held open and never written: its end tells the child that this process is gone.
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(self.environment),
            cwd=Path(__file__).parents[1],
            # Ctrl-C is for the launcher alone: it stops the services in order.
            start_new_session=True,
            limit=_LINE_LIMIT,
        )
        self._logging = asyncio.create_task(self._keep_log(child))
        try:
            async with asyncio.timeout(_START_S):
                ready = await self._line(child)
        except TimeoutError:
            ready = None
        if ready is None:
            await self.kill()
            raise DidNotStart(self.name, child.returncode, self.last_lines)
        self.ports, self.endpoints = ready["ports"], ready["endpoints"]

    async def wait(self) -> int:
        """Wait for the process to end; its exit code (negative: the signal)."""
        assert self._child is not None
        return await self._child.wait()

    async def stop(self) -> None:
        """Ctrl-C, then wait; `meter` holds what was billed. A process that hangs is killed."""
        if self._child is None or self._child.returncode is not None:
            return
        self._child.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(_STOP_S):
                if (line := await self._line(self._child)) is not None:
                    self.meter = line["meter"]
                await self._child.wait()
        except TimeoutError:
            self._tail.append(f"{self.name} did not stop within {_STOP_S:g} s and was killed")
            await self.kill()
        await self._log_end()

    async def kill(self) -> None:
        """kill -9: no goodbye, no flush."""
        if self._child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._child.kill()
        await self._child.wait()
        await self._log_end()

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    @property
    def last_lines(self) -> str:
        return "\n".join(self._tail)

    async def _line(self, child: asyncio.subprocess.Process) -> dict[str, Any] | None:
        """The next JSON line of its stdout, None at the end."""
        assert child.stdout is not None
        line = await child.stdout.readline()
        return json.loads(line) if line else None

    async def _log_end(self) -> None:
        if self._logging is not None:
            await self._logging

    async def _keep_log(self, child: asyncio.subprocess.Process) -> None:
        """Copy its stderr to logs/NAME.log (at most twice five megabytes) and remember the last lines."""
        assert child.stderr is not None
        path = self.home.path / "logs" / f"{self.name}.log"
        path.parent.mkdir(exist_ok=True)
        file = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=1)
        try:
            async for raw in child.stderr:
                line = raw.decode(errors="replace").rstrip()
                self._tail.append(line)
                file.emit(logging.makeLogRecord({"msg": line}))
                if self.echo is not None:
                    self.echo(line)
        finally:
            file.close()
