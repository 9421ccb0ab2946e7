"""A terminal of a low orbit constellation (Starlink): a new satellite every 15 seconds.

- The global controller gives each terminal a satellite for 15 s (Tanveer et al., "Making Sense of Constellations",
  CoNEXT Companion 2023), at the same instants everywhere, with large changes of delay and throughput (Mohan et al., "A
  Multifaceted Look at Starlink Performance", WWW 2024).
- Around the change delays spike, for about 75 ms before and 140 ms after it ("Statistical Characterization and
  Prediction of E2E Latency over LEO Satellite Networks", arXiv 2601.08439): here nothing is carried for a part of the
  time after the change, and packets queue.
- Up to half of the packets are lost around handovers (Kassem et al., "A Browser-side View of Starlink Connectivity",
  IMC 2022).
- One-way delay: up and down again over a satellite at 550 km seen at 25 degrees (the least that Starlink uses) to 90,
  3.7 to 7.5 ms, plus a part for scheduling and ground network that makes the median round trip the 50 ms of Michel et
  al., "A First Look at Starlink Performance", IMC 2022 (half of it between 40 and 60 ms).
Our choices, without a source: mean rates of 120 and 15 Mbit/s and their spread, and that one slot in six has an outage
of about a second (an obstacle in the field of view).
"""

import numpy as np

from glassbench.netem.schedule import RateSchedule
from glassbench.netem.traces.generators.processes import grid, ornstein_uhlenbeck
from glassbench.netem.traces.trace import FloatArray, Series, Trace, TracePair, merged

NAME = "satellite"
SUMMARY = (
    "low orbit satellite: 120 Mbit/s, a handover with loss and a spike of delay every 15 s, now and then an outage"
)

STEP = 0.005
SLOT = 15.0
FIRST_HANDOVER = (3.0, 12.0)  # the trace starts within a slot

DOWN_RATE, UP_RATE = 120e6, 15e6
SLOT_LOG_STD = 0.35
RIPPLE_LOG_STD, RIPPLE_TIME = 0.1, 0.5

SPIKE_BEFORE, SPIKE_AFTER, SILENCE_LEAST = 0.075, 0.14, 0.04
LOSS_MOST = 0.5
OUTAGE_CHANCE, OUTAGE_MEAN, OUTAGE_LATEST = 1 / 6, 1.0, 12.0

ALTITUDE, EARTH_RADIUS, LIGHT = 550e3, 6371e3, 299_792_458.0
ELEVATION_LEAST = 25.0
GROUND_DELAY = 0.019
DELAY_STEP = 1.0


def generate(rng: np.random.Generator, duration: float) -> TracePair:
    start_rng, slot_rng, down_rng, up_rng = rng.spawn(4)
    handovers = start_rng.uniform(*FIRST_HANDOVER) + SLOT * np.arange(-1, int(duration / SLOT) + 1)
    slots = [_Slot(at, slot_rng) for at in handovers]
    times = grid(duration, STEP)
    slot_of = np.searchsorted(handovers, times + 1e-9, side="right") - 1

    carries = np.ones(len(times), dtype=np.bool_)
    loss = np.zeros(len(times))
    for slot in slots:
        for start, end in slot.silences:
            carries[(times >= start) & (times < end)] = False
        loss[(times >= slot.starts_at - SPIKE_BEFORE) & (times < slot.starts_at + SPIKE_AFTER)] = slot.loss
    delays = np.array([slots[index].delay(time) for index, time in zip(slot_of, times, strict=True)])
    delay = Series(*merged(times, delays))

    def direction(name: str, mean: float, ripple_rng: np.random.Generator, column: int) -> Trace:
        level = np.array([slot.level[column] for slot in slots])[slot_of]
        ripple = ornstein_uhlenbeck(ripple_rng, len(times), STEP, RIPPLE_TIME, RIPPLE_LOG_STD)
        schedule = RateSchedule(times, mean * level * np.exp(ripple) * carries, duration)
        return Trace(name, "generated", NAME, schedule, delay, Series(*merged(times, loss)))

    down = direction(f"{NAME}.down", DOWN_RATE, down_rng, 0)
    return TracePair(NAME, down, direction(f"{NAME}.up", UP_RATE, up_rng, 1))


class _Slot:
    """What the satellite of one slot gives: rate levels, silences, loss around its start, delay over time."""

    def __init__(self, starts_at: float, rng: np.random.Generator) -> None:
        self.starts_at = starts_at
        self.level: FloatArray = np.exp(rng.normal(-(SLOT_LOG_STD**2) / 2, SLOT_LOG_STD, 2))
        self.loss = float(rng.uniform(0.0, LOSS_MOST))
        silent_until = starts_at + rng.uniform(SILENCE_LEAST, SPIKE_AFTER)
        obstructed, outage_at, outage = rng.uniform(), starts_at + rng.uniform(1.0, OUTAGE_LATEST), rng.exponential()
        self.silences = [(starts_at, silent_until)]
        if obstructed < OUTAGE_CHANCE:
            self.silences.append((outage_at, outage_at + OUTAGE_MEAN * outage))
        self._elevations = rng.uniform(ELEVATION_LEAST, 90.0, 2)  # at the start and at the end of the slot

    def delay(self, time: float) -> float:
        """One-way delay in seconds; it follows the satellite in steps of DELAY_STEP."""
        part = np.floor((time - self.starts_at) / DELAY_STEP) * DELAY_STEP / SLOT
        elevation = np.radians(np.interp(part, [0.0, 1.0], self._elevations))
        orbit = EARTH_RADIUS + ALTITUDE
        slant = np.sqrt(orbit**2 - (EARTH_RADIUS * np.cos(elevation)) ** 2) - EARTH_RADIUS * np.sin(elevation)
        return float(np.round(GROUND_DELAY + 2 * slant / LIGHT, 6))
