"""What one arm gave: its outcome, its numbers, and two tables with the columns of `results/README.md`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from glassbench.experiments.account.ledger import TYPES

Outcome = Literal["measured", "incomplete", "unsupported", "failed", "not run"]

LEDGER_TYPES = {"arm": "string", **TYPES}
LINK_TYPES = {
    "arm": "string",
    "segment": "string",
    "direction": "string",
    "at": "float64",
    "capacity_bytes": "float64",
    "sent_bytes": "int64",
    "delivered_bytes": "int64",
    "backlog_bytes": "int64",
    "dropped_packets": "int64",
    "lost_packets": "int64",
}
ESTIMATE_TYPES = {
    "arm": "string",
    "flow": "string",
    "at": "float64",
    "target_bps": "float64",
    "pacing_bps": "float64",
    "window_bytes": "Int64",
    "in_flight_bytes": "Int64",
    "rtt_ms": "float64",
    "queue_ms": "float64",
}
FLOW_TYPES = {
    "arm": "string",
    "flow": "string",
    "segment": "string",
    "direction": "string",
    "at": "float64",
    "sent_bytes": "int64",
    "delivered_bytes": "int64",
    "sent_packets": "int64",
    "delivered_packets": "int64",
    "missing_packets": "int64",
}
TABLES = {"ledger": LEDGER_TYPES, "links": LINK_TYPES, "flows": FLOW_TYPES, "estimates": ESTIMATE_TYPES}
"""The tables of an arm, and the types of their columns."""


@dataclass(frozen=True)
class ArmResult:
    """What one arm gave. The tables are None if it never ran; `reason` says why an outcome is not "measured".

    `ledger` has the frames of all flows, `links` what passed each segment, `flows` the part of each flow in that,
    `estimates` what congestion control believed.
    `summary` has the numbers of the table, which are those of the flow "media"; `flow_numbers` has a record per flow.
    `stats` are the counters of both transport ends, `impairments` what each direction was commanded to do and what was
    applied. `notes` are sentences about what the numbers do not tell.
    """

    arm: str
    outcome: Outcome
    reason: str | None = None
    ledger: pd.DataFrame | None = None
    links: pd.DataFrame | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)
    stats: Mapping[str, Any] = field(default_factory=dict)
    impairments: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    flows: pd.DataFrame | None = None
    estimates: pd.DataFrame | None = None
    flow_numbers: tuple[Mapping[str, Any], ...] = ()
