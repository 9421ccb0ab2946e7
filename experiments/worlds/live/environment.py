"""What else a machine did while an arm ran on it (proc(5)). It is empty where there is no /proc."""

import os
from pathlib import Path
from typing import Any

_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


class Environment:
    """From its making on: the share of processor time that was busy, and the share that a hypervisor took away
    (steal)."""

    def __init__(self) -> None:
        self._before = _times()

    def summary(self) -> dict[str, Any]:
        """What happened until now. Shares are of all processors together; `load` is the load average of the last
        minute."""
        now = _times()
        spent = {name: now[name] - self._before[name] for name in now}
        total = sum(spent.values())
        if not total:
            return {}
        return {
            "processors": os.cpu_count(),
            "busy": round(1 - (spent["idle"] + spent["iowait"]) / total, 3),
            "steal": round(spent["steal"] / total, 3),
            "load": os.getloadavg()[0],
        }


def waited() -> float:
    """Seconds in which this process could have run and had no processor."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


def _times() -> dict[str, int]:
    try:
        first = Path("/proc/stat").read_text().splitlines()[0].split()
    except (OSError, IndexError):
        return {}
    return dict(zip(_FIELDS, map(int, first[1:]), strict=False))
