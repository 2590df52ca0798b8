"""What every benchmark says about its run: how busy the machine was, and what each process used of it."""

import os
import resource
from collections.abc import Mapping
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def load_average() -> float:
    """Of the last minute: beyond the number of cores, everything here was measured beside other work."""
    return round(os.getloadavg()[0], 1)


def cpu_s(pid: int) -> float:
    """Processor seconds that a process has used, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def resident_mb(pid: int) -> float:
    """Memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES / 1e6


def machine_busy_s() -> float:
    """Processor seconds that everything on this machine has used since it started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / _TICKS_PER_S


class Cpu:
    """Cores that processes keep busy between `start` and `cores`, and how much others take."""

    def __init__(self, processes: Mapping[str, int]) -> None:
        self._processes = dict(processes)
        self._first = {name: cpu_s(pid) for name, pid in self._processes.items()}
        self._busy = machine_busy_s()

    def used_s(self) -> dict[str, float]:
        """Processor seconds since this was made, by process; `others` is all the rest of the machine."""
        used = {name: cpu_s(pid) - self._first[name] for name, pid in self._processes.items()}
        return {**used, "others": max(0.0, machine_busy_s() - self._busy - sum(used.values()))}


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed.

    >>> percentile([3.0, 1.0, 2.0, 4.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]
