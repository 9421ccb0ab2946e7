"""LTE while driving through a city: a rate that wanders, and deep fades every few seconds.

Model. Winstein, Sivaraman and Balakrishnan, "Stochastic Forecasts Achieve High Throughput and Low Delay over Cellular
Networks" (Sprout, NSDI 2013), describe a cellular link as a Cox process: opportunities to send one packet come as a
Poisson process whose rate wanders in Brownian motion, updated every 20 ms, with outages that last about a second. Here
the wander is drawn back to its mean, and fades are a renewal process of their own, so that every half minute has about
the same mean and a few fades, where recorded traces bunch them.

The parameters are fitted to what two LTE downlinks show that were recorded with the Saturator of that paper (AT&T and
Verizon, as distributed with mahimahi; windows of 100 ms). This model over an hour, seed 1:

                                               AT&T        Verizon     here
    mean, standard deviation (Mbit/s)          5.2, 3.1    5.0, 3.6    5.5, 3.2
    time below 1, 2, 3 Mbit/s (%)              10, 17, 29  9, 20, 33   11, 16, 22
    fades of 0.3-2 s below 1 Mbit/s, per 30 s  1.9         3.2         3.7
    gaps of over 0.3 s, per 30 s               1.8         0.2         2.0
    autocorrelation of the rate after 0.5, 5 s 0.84, 0.60  0.76, 0.31  0.60, 0.06

So it has less slow variation than the recordings. The uplink fades with the downlink and wanders on its own around a
mean of 2.6 Mbit/s, between the 0.8 (AT&T) and 6.0 (Verizon) recorded. 20 ms of propagation each way are those of the
emulator of that paper. There is no loss: the link layer repeats what the radio loses, which the rate shows.
"""

import numpy as np

from glassbench.netem.schedule import OpportunitySchedule
from glassbench.netem.traces.generators.processes import Intervals, grid, inside, ornstein_uhlenbeck, renewal
from glassbench.netem.traces.trace import FloatArray, Series, Trace, TracePair

NAME = "lte-driving"
SUMMARY = "LTE in a moving car: about 5 Mbit/s down, deep fades of 0.3-2 s every few seconds"

STEP = 0.02
RATE_MEAN, RATE_STD, RATE_TIME, RATE_LOW = 500.0, 240.0, 2.5, 80.0  # packets/s of the downlink; time in seconds
UP_SCALE = 0.45

FADE_GAP, FADE_GAP_SHAPE = 7.0, 4.0  # mean and shape of a gamma distribution
FADE_MEDIAN, FADE_LOG_STD, FADE_SHORTEST, FADE_LONGEST = 0.7, 0.6, 0.3, 2.0
FADE_OUTAGE = 0.5  # this part of the fades is a full outage; the others leave a few percent of the rate
FADE_LEFT = (0.02, 0.08)

DELAY = 0.02


def generate(rng: np.random.Generator, duration: float) -> TracePair:
    fade_rng, depth_rng, down_rng, up_rng = rng.spawn(4)
    fades = renewal(
        duration,
        lambda: fade_rng.gamma(FADE_GAP_SHAPE, FADE_GAP / FADE_GAP_SHAPE),
        lambda: _fade_length(fade_rng),
    )
    left = np.array([_left(depth_rng) for _ in fades] + [1.0])  # the last entry is for the time outside of fades
    down = _direction(f"{NAME}.down", down_rng, duration, scale=1.0, fades=fades, left=left)
    up = _direction(f"{NAME}.up", up_rng, duration, scale=UP_SCALE, fades=fades, left=left)
    return TracePair(NAME, down, up)


def _fade_length(rng: np.random.Generator) -> float:
    return float(np.clip(rng.lognormal(np.log(FADE_MEDIAN), FADE_LOG_STD), FADE_SHORTEST, FADE_LONGEST))


def _left(rng: np.random.Generator) -> float:
    """The part of the rate that a fade leaves."""
    outage, left = rng.uniform() < FADE_OUTAGE, rng.uniform(*FADE_LEFT)
    return 0.0 if outage else float(left)


def _direction(
    name: str, rng: np.random.Generator, duration: float, *, scale: float, fades: Intervals, left: FloatArray
) -> Trace:
    wander_rng, count_rng, place_rng = rng.spawn(3)
    times = grid(duration, STEP)
    wander = RATE_MEAN + ornstein_uhlenbeck(wander_rng, len(times), STEP, RATE_TIME, RATE_STD)
    rates = scale * (RATE_LOW + np.abs(wander - RATE_LOW)) * left[inside(times, fades)]
    counts = count_rng.poisson(rates * STEP)
    # Opportunities fall anywhere within their step, in 1..20 ms after its start.
    within_ms = place_rng.integers(1, round(STEP * 1000), endpoint=True, size=int(counts.sum()))
    marks = np.sort(np.repeat(np.round(times * 1000).astype(np.int64), counts) + within_ms)
    end = round(duration * 1000)
    marks = np.append(marks[marks < end], end)  # the last opportunity is how long the trace lasts
    schedule = OpportunitySchedule(marks)
    return Trace(name, "generated", NAME, schedule, delay=Series(np.zeros(1), np.array([DELAY])))
