"""How steadily a machine runs."""

import time


def pauses(seconds: float, *, least: float) -> list[float]:
    """Compute for so long, and say for how long each time somebody else had the processor meanwhile, if for `least`
    seconds or more: another program, or the host of a virtual machine."""
    found: list[float] = []
    began_at = before = time.monotonic()
    while before < began_at + seconds:
        now = time.monotonic()
        if now - before >= least:
            found.append(now - before)
        before = now
    return found
