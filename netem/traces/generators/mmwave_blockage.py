"""5G millimetre wave on foot in a busy street: very fast, until somebody stands in the beam.

Signal to noise ratio, in decibels: a mean, minus slow shadowing, minus blockage; from it a rate.
- Blockage is an alternating renewal process with exponential times between blockages (Gapeyenko et al., "On the
  Temporal Effects of Mobile Blockers in Urban Millimeter-Wave Cellular Scenarios", IEEE Trans. Vehicular Technology
  2017).
- Passers-by: mean fade of 0.299 s and 15.8 dB (MacCartney, Rappaport and Rangan, "Rapid Fading Due to Human Blockage in
  Pedestrian Crowds at 5G Millimeter-Wave Frequencies", GLOBECOM 2017: the figures of the 7 degree antenna at 73.5 GHz).
  Their four-state model has linear slopes (in dB) into and out of the fade, as here.
- The user's own body: 30 dB (3GPP TR 38.901, 7.6.4.1, self-blocking), "on the order of a few 100 ms or more" (Raghavan
  et al., "Statistical Blockage Modeling and Robustness of Beamforming in Millimeter-Wave Systems", 2018).
- Shadowing: 4 dB over 10 m (TR 38.901, UMi street canyon in line of sight), at 1.4 m/s.
- Rate: Shannon's bound times 0.6 down and 0.4 up, nothing below -10 dB, at most 4.4 and 2.0 bit/s/Hz (3GPP TR 36.942,
  annex A), over four carriers of 100 MHz down and one up. The peak of 1.8 Gbit/s down is of the order that the first
  commercial networks reached (Narayanan et al., "A First Look at Commercial 5G Performance on Smartphones", WWW 2020).
Our choices, without a source: the mean ratio, how often somebody passes or the user turns, the 10 ms to the server.
Falling back to 4G during a blockage is not modelled.
"""

from typing import NamedTuple

import numpy as np

from glassbench.netem.schedule import RateSchedule
from glassbench.netem.traces.generators.processes import (
    DIGITS,
    Intervals,
    decibels,
    grid,
    inside,
    ornstein_uhlenbeck,
    renewal,
)
from glassbench.netem.traces.trace import FloatArray, Series, Trace, TracePair

NAME = "mmwave-blockage"
SUMMARY = "5G millimetre wave on foot: above 1 Gbit/s, with outages of about a second when the body blocks the beam"

STEP = 0.01
SNR_DB = 16.0
UPLINK_DB = -8.0
SHADOW_DB, SHADOW_TIME = 4.0, 10.0 / 1.4

PASSER_GAP, PASSER_LENGTH, PASSER_DB, PASSER_DB_STD = 4.0, 0.299, 15.8, 3.0
BODY_GAP, BODY_LENGTH, BODY_DB = 8.0, 1.0, 30.0
LOG_STD = 0.5  # of the lengths of both
SLOPE = 0.2  # part of a blockage in which it sets in, and the same in which it ends

SNR_LEAST_DB = -10.0

DELAY = 0.01


class Radio(NamedTuple):
    """Bandwidth in Hz, the part of Shannon's bound that is reached, and the largest rate in bit/s/Hz."""

    bandwidth: float
    part: float
    largest: float


DOWN = Radio(400e6, 0.6, 4.4)
UP = Radio(100e6, 0.4, 2.0)


def generate(rng: np.random.Generator, duration: float) -> TracePair:
    shadow_rng, passer_rng, body_rng, depth_rng = rng.spawn(4)
    times = grid(duration, STEP)
    passers = renewal(duration, lambda: passer_rng.exponential(PASSER_GAP), lambda: _length(passer_rng, PASSER_LENGTH))
    bodies = renewal(duration, lambda: body_rng.exponential(BODY_GAP), lambda: _length(body_rng, BODY_LENGTH))
    passer_db = np.maximum(0.0, np.round(depth_rng.normal(PASSER_DB, PASSER_DB_STD, len(passers)), DIGITS))
    snr_db = (
        SNR_DB
        + ornstein_uhlenbeck(shadow_rng, len(times), STEP, SHADOW_TIME, SHADOW_DB)
        - _attenuation(times, passers, passer_db)
        - _attenuation(times, bodies, np.full(len(bodies), BODY_DB))
    )
    down = _direction(f"{NAME}.down", times, duration, snr_db, DOWN)
    up = _direction(f"{NAME}.up", times, duration, snr_db + UPLINK_DB, UP)
    return TracePair(NAME, down, up)


def _length(rng: np.random.Generator, mean: float) -> float:
    return float(rng.lognormal(np.log(mean) - LOG_STD**2 / 2, LOG_STD))


def _attenuation(times: FloatArray, blockages: Intervals, depth_db: FloatArray) -> FloatArray:
    """Decibels lost at each time: trapezoids."""
    which = inside(times, blockages)
    if not blockages:
        return np.zeros(len(times))
    starts, ends = np.array(blockages).T
    position = (times - starts[which]) / (ends - starts)[which]
    slope = np.clip(np.minimum(position, 1 - position) / SLOPE, 0.0, 1.0)
    return np.where(which >= 0, depth_db[which] * slope, 0.0)


def _direction(name: str, times: FloatArray, duration: float, snr_db: FloatArray, radio: Radio) -> Trace:
    efficiency = np.minimum(radio.part * np.log2(1 + decibels(snr_db)), radio.largest)
    rates = np.where(snr_db < SNR_LEAST_DB, 0.0, radio.bandwidth * efficiency)
    schedule = RateSchedule(times, rates, duration)
    return Trace(name, "generated", NAME, schedule, delay=Series(np.zeros(1), np.array([DELAY])))
