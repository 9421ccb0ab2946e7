"""How many processors this process may use, which can be fewer than the machine has: taskset, a container, a batch job.

Sources: sched_setaffinity(2), cgroups(7), the kernel's cgroup-v2.rst (cpu.max) and sched-bwc.rst (cpu.cfs_quota_us).
"""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath


def usable_processors(process: Path = Path("/proc/self")) -> int:
    """At least 1. A share of the time of a processor counts as a whole one: otherwise a part of it would be left
    unused."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # Linux only
        count = os.cpu_count() or 1
    return min([count, *(max(1, math.ceil(share)) for share in _shares(process))])


def _shares(process: Path) -> Iterator[float]:
    """The processor time per time that each control group around the process allows, where it says so."""
    for folder in _groups(process):
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (folder / "cpu.max").read_text().split()
            yield int(quota) / int(period)  # without a limit the quota is "max"
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            if int(quota) > 0:  # without a limit it is -1
                yield int(quota) / int(period)


def _groups(process: Path) -> Iterator[Path]:
    """The folders of the control group that the process is in, and of those around it, as far as it can see them."""
    try:
        mounts = (process / "mountinfo").read_text().splitlines()
        memberships = (process / "cgroup").read_text().splitlines()
    except OSError:
        return
    controllers = {names: group for _, names, group in (line.split(":", 2) for line in memberships)}
    for line in mounts:
        mount, _, system = line.partition(" - ")
        kind, _, options = system.split(" ", 2)
        if kind == "cgroup2":
            group = controllers.get("")
        elif kind == "cgroup" and "cpu" in options.split(","):
            group = next((group for names, group in controllers.items() if "cpu" in names.split(",")), None)
        else:
            continue
        root, point = mount.split(" ")[3:5]
        if group is not None:
            yield from _upwards(Path(point), PurePosixPath(root), PurePosixPath(group))


def _upwards(point: Path, root: PurePosixPath, group: PurePosixPath) -> Iterator[Path]:
    """From the group up to where the tree is mounted, which shows only what is below `root`."""
    inside = group.relative_to(root) if group.is_relative_to(root) and ".." not in group.parts else PurePosixPath()
    yield from (point / each for each in (inside, *inside.parents))
