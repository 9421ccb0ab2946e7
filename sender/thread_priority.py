"""Keeps the priority of threads as it was, whatever a library does to it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def same_priority() -> Iterator[None]:
    """A block that starts an encoder keeps its priority. SVT-AV1 gives its threads, and the one that starts it,
    real-time priority where it may (SCHED_FIFO 99 for root): everything else on the machine, the emulated network too,
    would wait for it."""
    tasks = Path("/proc/self/task")
    if not tasks.is_dir():  # not Linux
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    before = {task.name for task in tasks.iterdir()}
    try:
        yield
    finally:
        started = {task.name for task in tasks.iterdir()} - before
        for thread in [0, *map(int, started)]:
            with suppress(OSError):  # one that has ended meanwhile
                os.sched_setscheduler(thread, policy, parameters)
