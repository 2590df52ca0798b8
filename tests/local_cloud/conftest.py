"""Runs a service of the local cloud as the real process users run, on free ports, in its own folder."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.__main__ import load
from local.service import port_setting


class ServiceProcess:
    """One service in its own process. `kill` is kill -9; `start` again keeps ports and state."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.name = name
        self.folder = folder
        self.ports: dict[str, int] = {}
        self.endpoints: dict[str, str] = {}
        self.meter: dict[str, float] = {}
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> "ServiceProcess":
        ports = [f"--port={name}={port}" for name, port in self.ports.items()]
        environment = dict(self._environment)
        if not self.ports:
            for name in load(self.name).default_ports:
                environment.setdefault(port_setting(self.name, name), "0")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "local", "serve", self.name, f"--dir={self.folder}", *ports],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=Path(__file__).parents[2],
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with {self._process.wait()} before it listened")
        ready = json.loads(line)
        self.ports, self.endpoints = ready["ports"], ready["endpoints"]
        return self

    def kill(self) -> None:
        """kill -9: no goodbye, no flush."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._reap()

    def ask_to_stop(self) -> None:
        """Ctrl-C, without waiting for what it does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Ctrl-C: a clean stop; `meter` then holds what was billed."""
        self.ask_to_stop()
        self.wait_for_the_stop()

    def wait_for_the_stop(self) -> None:
        if self._process is not None:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            self.meter = json.loads(line)["meter"] if line else {}
            self._reap()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _reap(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.wait(timeout=60)
        self._process.stdout.close()
        self._process = None


@pytest.fixture(scope="session")
def launch(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., ServiceProcess]]:
    """launch("cosmos", folder=..., environment=...) starts a service; all are stopped at the end."""
    running: list[ServiceProcess] = []

    def start(
        name: str, folder: Path | None = None, environment: dict[str, str] | None = None
    ) -> ServiceProcess:
        process = ServiceProcess(name, folder or tmp_path_factory.mktemp(name), environment)
        running.append(process.start())
        return process

    yield start
    for process in running:
        process.ask_to_stop()
    for process in running:
        process.wait_for_the_stop()
