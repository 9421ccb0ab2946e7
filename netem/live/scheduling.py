"""How soon the kernel lets a thread run, and where: its timers, its turn before others, its processor. Linux only;
harmless else."""

import ctypes
import os
import platform
import struct
from contextlib import suppress
from typing import Literal

_PR_SET_TIMERSLACK = 29
_SYS_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_SCHED_ATTR = struct.Struct("@IIQiIQQQII")  # struct sched_attr, sched_setattr(2)
_SLICE_NS = 100_000  # the shortest that the kernel takes


def wake_up_exactly() -> None:
    """Ask the kernel not to delay the timers of this thread by its usual 50 us of slack."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)


def run_first() -> Literal["fifo", "short slice", "as others"]:
    """Take a processor as soon as there is work, as far as this process may, and say how far that is.

    "fifo" is before all ordinary programs; it needs CAP_SYS_NICE. Without that, a "short slice" of time is asked for,
    from Linux 6.12 on: the scheduler (EEVDF) prefers threads that want little. Only a thread that mostly sleeps should
    do this.
    """
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        return "fifo"
    with suppress(OSError, AttributeError, KeyError):
        attributes = _SCHED_ATTR.pack(_SCHED_ATTR.size, 0, 0, 0, 0, _SLICE_NS, 0, 0, 0, 0)
        number = _SYS_SCHED_SETATTR[platform.machine()]
        if ctypes.CDLL(None, use_errno=True).syscall(number, 0, attributes, 0) == 0:
            return "short slice"
    return "as others"


def run_patiently() -> None:
    """Never interrupt whoever runs when this thread wakes up (SCHED_BATCH, sched(7)).

    It is for long computations, which would otherwise delay an emulator in the middle of a packet.
    """
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def run_as_others() -> None:
    """Undo `run_patiently`."""
    with suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def spare_processor(attempt: int) -> int | None:
    """One of the processors of this thread, which others leave to an emulator; None if there is only one.

    Each process chooses another one, so that runs at the same time get along, and so does each attempt.
    """
    try:
        processors = sorted(os.sched_getaffinity(0))
    except AttributeError:
        return None
    return processors[(os.getpid() + attempt) % len(processors)] if len(processors) > 1 else None


def stay_on(processor: int | None) -> bool:
    """Keep this thread on that processor, if there is one. Returns whether it is so."""
    return processor is not None and _may_run_on({processor})


def stay_off(processor: int | None) -> bool:
    """Keep this thread off that processor, if there is one. Returns whether it is so."""
    return processor is not None and _may_run_on(os.sched_getaffinity(0) - {processor})


def _may_run_on(processors: set[int]) -> bool:
    try:
        os.sched_setaffinity(0, processors)
    except OSError:  # none of them is there any more
        return False
    return True
