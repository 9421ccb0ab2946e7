"""How a process runs while an arm runs in it."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from glassbench.netem.live.scheduling import wake_up_exactly

_SWITCH = 100e-6  # seconds after which a codec thread has to let the network on, while it runs Python


@contextmanager
def undisturbed() -> Iterator[None]:
    """A block with exact timers, in which the network need not wait for Python's lock, and no garbage is collected. A
    collection would stop everything for milliseconds, and what a run makes is bounded."""
    wake_up_exactly()
    interval, collecting = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(_SWITCH)
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        if collecting:
            gc.enable()
