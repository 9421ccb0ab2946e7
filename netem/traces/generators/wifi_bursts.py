"""Wi-Fi in a block of flats: fast while the channel is free, bursty while neighbours or a microwave oven use it.

The channel is free, contended or interfered with. Time goes in half cycles of 60 Hz mains (8.3 ms), each with room for
three transmissions of 2.5 ms (the transmission opportunity limit of best effort traffic in IEEE 802.11ac is 2.528 ms).
- Contended: with n other stations that always have something to send, each transmission is ours with probability
  1 / (n + 1) (all stations contend alike: Bianchi, "Performance Analysis of the IEEE 802.11 Distributed Coordination
  Function", IEEE JSAC 2000). Runs of lost contests are "packet delivery droughts", which Guo et al. (BLADE, arXiv
  2603.16119) find behind the stalls of cloud gaming over Wi-Fi.
- Interfered with: a microwave oven radiates in one half of every mains cycle (Kamerman and Erkocevic, "Microwave Oven
  Interference on Wireless LANs Operating in the 2.4 GHz ISM Band", PIMRC 1997), so every other half cycle carries
  nothing, and some frames are lost after all retries.
Our choices, without a source: 40 Mbit/s after all overhead, how often and how long each state lasts, the losses, 10 ms
to the server. Both directions share the channel: the same states, with contests of their own.
"""

import numpy as np

from glassbench.netem.schedule import RateSchedule
from glassbench.netem.traces.generators.processes import grid, inside, ornstein_uhlenbeck, renewal
from glassbench.netem.traces.trace import FloatArray, Series, Trace, TracePair, merged

NAME = "wifi-bursts"
SUMMARY = "Wi-Fi with busy neighbours and a microwave oven: 40 Mbit/s, with bursts of contention and of interference"

STEP = 1 / 120
ROOM = 3  # transmissions in a step
RATE, RATE_LOG_STD, RATE_TIME = 40e6, 0.25, 5.0

CONTENTION_GAP, CONTENTION_LENGTH, STATIONS_MOST = 3.0, 2.0, 12
OVEN_GAP, OVEN_LENGTH = 15.0, 4.0
CONTENTION_LOSS, OVEN_LOSS = 0.002, 0.02

DELAY = 0.01


def generate(rng: np.random.Generator, duration: float) -> TracePair:
    contention_rng, oven_rng, stations_rng, rate_rng, down_rng, up_rng = rng.spawn(6)
    times = grid(duration, STEP)
    contentions = renewal(
        duration,
        lambda: contention_rng.exponential(CONTENTION_GAP),
        lambda: contention_rng.exponential(CONTENTION_LENGTH),
    )
    ovens = renewal(duration, lambda: oven_rng.exponential(OVEN_GAP), lambda: oven_rng.exponential(OVEN_LENGTH))
    # The last entry is for the time outside of contention.
    stations = np.append(stations_rng.integers(1, STATIONS_MOST, endpoint=True, size=len(contentions)), 0)
    others = stations[inside(times, contentions)]
    oven = inside(times, ovens) >= 0
    rates = RATE * np.exp(ornstein_uhlenbeck(rate_rng, len(times), STEP, RATE_TIME, RATE_LOG_STD) - RATE_LOG_STD**2 / 2)
    rates[oven & (np.arange(len(times)) % 2 == 1)] = 0.0
    loss = Series(*merged(times, np.where(oven, OVEN_LOSS, np.where(others > 0, CONTENTION_LOSS, 0.0))))

    def direction(name: str, contest_rng: np.random.Generator) -> Trace:
        won: FloatArray = contest_rng.binomial(ROOM, 1 / (others + 1)) / ROOM
        schedule = RateSchedule(times, rates * won, duration)
        return Trace(name, "generated", NAME, schedule, Series(np.zeros(1), np.array([DELAY])), loss)

    return TracePair(NAME, direction(f"{NAME}.down", down_rng), direction(f"{NAME}.up", up_rng))
