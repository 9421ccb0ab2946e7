"""How soon the kernel lets this process run: its timers, and its turn before others. Linux only; harmless else."""

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

    "fifo" is before all ordinary programs, for which CAP_SYS_NICE is needed. Without, a "short slice" of time is asked
    for, from Linux 6.12 on: the scheduler (EEVDF) prefers whoever wants little. Only for one that mostly sleeps.
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
