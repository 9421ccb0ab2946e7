"""The numbers of each flow of an arm."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from glassbench.experiments.account.metrics import glass_to_glass, in_ms, sent_mbps
from glassbench.experiments.account.percentile import percentile
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.scenario.flow import Flow, FlowRoute
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.scenario.tracks import CHAT_TRACK

_ROUNDING = 1e-9  # seconds
_LEAST = 0.1  # seconds over which the rates of an interrupted run are taken


def flow_numbers(
    scenario: Scenario, arm: ArmSpec, frames: pd.DataFrame, shares: pd.DataFrame, *, now: float
) -> tuple[dict[str, Any], ...]:
    """A record per flow, from the ledger and the flow table of an arm that ran until `now`.

    `sent_mbps` is what its sender put on the wire from its first capture on, headers and repair included, over the
    duration of its media; None if no link of ours saw it. `goodput_mbps` is the payload of the frames that were
    delivered, over the same time; None where a stack encodes by itself, and nobody else knows how much. `missing` is
    the share of its packets that the network dropped or lost on the way to the receiver. Latencies are those of its
    video or bulk track.
    """
    records = []
    for flow, route in zip(scenario.flows(arm), scenario.routes(), strict=True):
        own = frames[frames["flow"] == flow.name]
        rows = shares[_where(shares, flow=flow.name, direction=route.direction)]
        seconds = media_seconds(flow, now=now)
        track = own[own["track"] != CHAT_TRACK]
        latency = glass_to_glass(track)
        arrived = own["delivered_at"].notna() | own["displayed_at"].notna()  # a black box knows only the second
        payload = int(own.loc[arrived, "size_bytes"].sum())
        first = on_first_link(shares, flow, route)
        sent = int(first["sent_packets"].sum())
        records.append(
            {
                "flow": flow.name,
                "transport": flow.arm.label,
                "source": "greedy" if flow.greedy else flow.video.source,
                "from": route.source_host,
                "to": route.destination_host,
                "captured": len(track),
                "displayed": int((track["fate"] == "displayed").sum()),
                "sent_mbps": None if first.empty else round(sent_mbps(first, seconds), 6),
                "goodput_mbps": round(payload * 8 / seconds / 1e6, 6) if payload or not arrived.any() else None,
                "missing": round(int(_since(rows, flow.start)["missing_packets"].sum()) / sent, 6) if sent else None,
                **{f"g2g_p{100 * share:g}_ms": in_ms(percentile(latency, share)) for share in (0.5, 0.95)},
            }
        )
    return tuple(records)


def on_first_link(shares: pd.DataFrame, flow: Flow, route: FlowRoute) -> pd.DataFrame:
    """The rows of the flow table with what a flow put on its first link, from its first capture on."""
    there = _where(shares, flow=flow.name, segment=route.over[0], direction=route.direction)
    return _since(shares[there], flow.start)


def media_seconds(flow: Flow, *, now: float) -> float:
    """How long the media of a flow lasted until `now`, of which rates are taken."""
    return max(_LEAST, min(flow.stop, now - MEDIA_START) - flow.start)


def _where(rows: pd.DataFrame, **values: str) -> npt.NDArray[np.bool_]:
    """Which rows have these values. Of few rows, arrays are much sooner than columns of pandas."""
    have: npt.NDArray[np.bool_] = np.logical_and.reduce(
        [rows[name].to_numpy() == value for name, value in values.items()]
    )
    return have


def _since(rows: pd.DataFrame, start: float) -> pd.DataFrame:
    """The rows of a flow table from the window on that has the instant `start`."""
    at = rows["at"]
    from_here: pd.DataFrame = rows[at >= at[at <= start + _ROUNDING].max()]
    return from_here
