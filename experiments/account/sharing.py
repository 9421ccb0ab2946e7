"""How flows share a segment: how fairly, how much of the capacity they use, and how long its queue is."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from glassbench.experiments.account.reports import LINK_WINDOW
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.flow import FlowRoute
from glassbench.experiments.scenario.session_time import MEDIA_START

_ROUNDING = 1e-6  # seconds


class Sharing(NamedTuple):
    """Numbers of the segment that all flows of one direction pass, over the time in which all of them send. They are
    NaN without several flows there.

    `jain` is Jain's index of the rates at which the flows leave the segment: 1 if these are equal, and 1/n if one of n
    flows has all (Jain, Chiu and Hawe, DEC-TR-301, 1984). `utilisation` is the share of the capacity that they use,
    with packets of feedback that go the same way. `queue_p50` is the median over windows of a time in seconds: how long
    the largest backlog of the window takes to leave.
    """

    jain: float = math.nan
    utilisation: float = math.nan
    queue_p50: float = math.nan


def sharing(scenario: Scenario, links: pd.DataFrame, shares: pd.DataFrame, *, now: float) -> Sharing:
    """The sharing of an arm that ran until `now`, from its link table and its flow table."""
    routes = scenario.routes()
    together = [route for route in routes if route.direction == routes[0].direction]
    segment = _shared_segment(together)
    if len(together) < 2 or segment is None:
        return Sharing()
    flows = {flow.name: flow for flow in scenario.flows(scenario.arms[0])}
    start = max(flows[route.flow].start for route in together)
    stop = min(now - MEDIA_START, *(flows[route.flow].stop for route in together))

    def within(table: pd.DataFrame) -> pd.DataFrame:
        there = (table["segment"] == segment) & (table["direction"] == routes[0].direction)
        return table[there & (table["at"] >= start - _ROUNDING) & (table["at"] < stop - _ROUNDING)]

    by_flow = within(shares).groupby("flow")["delivered_bytes"].sum()
    windows = within(links)
    if windows.empty:
        return Sharing()
    rates = [float(by_flow.get(route.flow, 0.0)) for route in together]
    capacity = windows["capacity_bytes"].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        queues = windows["backlog_bytes"].to_numpy(dtype=np.float64) / capacity * LINK_WINDOW
        used = float(windows["delivered_bytes"].sum() / capacity.sum())
    return Sharing(_jain(rates), used, float(np.median(queues)))


def _jain(rates: Sequence[float]) -> float:
    total = sum(rates)
    return total**2 / (len(rates) * sum(rate**2 for rate in rates)) if total else math.nan


def _shared_segment(routes: Sequence[FlowRoute]) -> str | None:
    """The first segment that all of the flows pass."""
    return next((name for name in routes[0].over if all(name in route.over for route in routes)), None)
