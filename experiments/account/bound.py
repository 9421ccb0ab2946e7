"""The clairvoyant bound of an arm: what no sender could beat with these captures, over the network of this run."""

import math

import numpy as np
import pandas as pd

from glassbench.experiments.account.oracle import Costs, FloatArray, each_alone
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.flow import FlowRoute
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.scenario.surroundings import surroundings
from glassbench.experiments.scenario.trace_window import window_of
from glassbench.netem.simulator import START_AT
from glassbench.netem.supply import Supply

_GRAIN = 1e-9  # seconds that a cost loses as the difference of two instants


def bound_of(scenario: Scenario, route: FlowRoute, frames: pd.DataFrame) -> FloatArray:
    """The least signal delay of each captured frame in seconds, for a flow over `route`.

    `frames` is the ledger of its video. A frame costs what the cheapest of them cost: in encoder and decoder, and in
    bytes; of one that leaves in slices, only the last has to wait for the encoder, and that may be small. Each
    bottleneck of the route gives a bound of its own as if it were alone, and the largest holds. Loss, queues, other
    flows, handshakes, and delay that varies are left out, so no sender can be below the bound.
    """
    captures = (MEDIA_START + frames["captured_at"].to_numpy(dtype=np.float64)).round(6).tolist()
    encode = _least(frames["encode_end_at"] - frames["encode_start_at"])
    decode = _least(frames["displayed_at"] - frames["released_at"])
    in_slices = bool((frames["queued_at"] < frames["encode_end_at"] - _GRAIN).any())
    size = 1.0 if in_slices else max(1.0, _least(frames["size_bytes"].where(frames["encode_end_at"].notna())))
    supplies, delays = _along(scenario, route)
    bound = np.full(len(captures), encode + sum(delays) + decode)
    for place, supply in enumerate(supplies):
        if supply is not None:
            costs = Costs(encode, decode, sum(delays[:place]), sum(delays[place:]), size)
            bound = np.maximum(bound, each_alone(captures, supply, costs))
    return bound


def _least(costs: "pd.Series[float]") -> float:
    """The least of those that are there, and nothing if none is."""
    least = float(costs.min())
    return 0.0 if math.isnan(least) else max(0.0, least - _GRAIN)


def _along(scenario: Scenario, route: FlowRoute) -> tuple[list[Supply | None], list[float]]:
    """For each element of a route what it offers, and its least delay in seconds."""
    network = scenario.network
    window = window_of(network, seed=scenario.seed, length=scenario.duration)
    supplies, delays = [], []
    for segment in route.over:
        around = surroundings(
            segment,
            route.direction,
            window,
            seed=scenario.seed,
            duration=scenario.duration,
            start_at=START_AT,
            media_start=MEDIA_START,
        )
        down, up = network.segment(segment).paths()
        for element in down if route.direction == "down" else up:
            supplies.append(element.supply(around))
            delays.append(element.least_delay(around))
    return supplies, delays
