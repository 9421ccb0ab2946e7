"""The numbers of each flow of an arm."""

import math
from typing import Any

import pandas as pd

from glassbench.experiments.account.metrics import glass_to_glass, percentile
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.scenario.tracks import CHAT_TRACK

_LEAST = 0.1  # seconds over which rates are taken


def flow_numbers(
    scenario: Scenario, arm: ArmSpec, frames: pd.DataFrame, shares: pd.DataFrame, *, now: float
) -> tuple[dict[str, Any], ...]:
    """A record per flow, from the ledger and the flow table of an arm that ran until `now`.

    `sent_mbps` is what its sender put on the wire from its first capture on, headers and repair included, over the
    duration of its media. `goodput_mbps` is the payload of the frames that were delivered, over the same time.
    `missing` is the share of its packets that the network dropped or lost on the way to the receiver. Latencies are
    those of its video or bulk track.
    """
    records = []
    for flow, route in zip(scenario.flows(arm), scenario.routes(), strict=True):
        own = frames[frames["flow"] == flow.name]
        rows = shares[(shares["flow"] == flow.name) & (shares["direction"] == route.direction)]
        media = rows[rows["at"] >= flow.start]
        seconds = max(_LEAST, min(flow.stop, now - MEDIA_START) - flow.start)
        track = own[own["track"] != CHAT_TRACK]
        latency = glass_to_glass(track)
        arrived = own["delivered_at"].notna() | own["displayed_at"].notna()  # a black box knows only the second
        first = media[media["segment"] == route.over[0]]
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
                "sent_mbps": round(float(first["sent_bytes"].sum()) * 8 / seconds / 1e6, 6),
                "goodput_mbps": round(float(own.loc[arrived, "size_bytes"].sum()) * 8 / seconds / 1e6, 6),
                "missing": round(int(media["missing_packets"].sum()) / sent, 6) if sent else None,
                **{f"g2g_p{100 * share:g}_ms": _ms(percentile(latency, share)) for share in (0.5, 0.95)},
            }
        )
    return tuple(records)


def _ms(seconds: float) -> float | None:
    return None if math.isnan(seconds) else round(seconds * 1e3, 6)
