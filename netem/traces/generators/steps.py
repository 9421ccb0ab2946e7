"""Steps of capacity: up by 2.5, down to 0.6, and back.

The pattern of RFC 8867 ("Test Cases for Evaluating Congestion Control for Interactive Real-Time Media"), section 5.1
(variable available capacity with a single flow): 1.0, 2.5, 0.6 and 1.0 times the reference capacity, from 0, 40, 60 and
80 of 100 seconds, and 50 ms of propagation each way. Here the pattern is stretched over the duration, and the reference
is 4 instead of 1 Mbit/s, to be above the rate of a video. The uplink keeps the reference. Nothing is random.
"""

import numpy as np

from glassbench.netem.schedule import RateSchedule
from glassbench.netem.traces.trace import Series, Trace, TracePair

NAME = "steps"
SUMMARY = "4, 10, 2.4 and 4 Mbit/s, the capacity steps of RFC 8867; no chance in it"

REFERENCE_BPS = 4e6
STARTS = np.array([0.0, 0.4, 0.6, 0.8])  # parts of the duration
RATIOS = np.array([1.0, 2.5, 0.6, 1.0])
DELAY = 0.05


def generate(rng: np.random.Generator, duration: float) -> TracePair:
    delay = Series(np.zeros(1), np.array([DELAY]))
    down = RateSchedule(STARTS * duration, RATIOS * REFERENCE_BPS, duration)
    up = RateSchedule(np.zeros(1), np.array([REFERENCE_BPS]), duration)
    return TracePair(
        NAME,
        Trace(f"{NAME}.down", "generated", NAME, down, delay),
        Trace(f"{NAME}.up", "generated", NAME, up, delay),
    )
