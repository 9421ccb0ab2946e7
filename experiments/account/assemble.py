"""Makes the account of an arm from what its ends and its links wrote down. Nothing else makes one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from glassbench.experiments.account import ledger
from glassbench.experiments.account.arm_result import ESTIMATE_TYPES, FLOW_TYPES, LINK_TYPES, ArmResult, Outcome
from glassbench.experiments.account.flow_numbers import flow_numbers
from glassbench.experiments.account.instants import RECEIVED_INSTANTS
from glassbench.experiments.account.notes import with_notes
from glassbench.experiments.account.picture_quality import ScreenedVideo
from glassbench.experiments.account.reports import ROLES, EndReport, LinkReport, Role
from glassbench.experiments.account.session_numbers import session_numbers
from glassbench.experiments.account.summary import summarize_arm
from glassbench.experiments.account.typed_table import typed_table
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.receiver.quality import QualityMemo
from glassbench.receiver.vmaf import VmafError, VmafStopped
from glassbench.sender.size_model import SizeSource
from glassbench.sender.source import PixelSource


def assemble(
    scenario: Scenario,
    arm: ArmSpec,
    source: PixelSource | SizeSource,
    ends: Sequence[EndReport],
    links: Sequence[LinkReport],
    *,
    outcome: Outcome = "measured",
    reason: str | None = None,
    memo: QualityMemo | None = None,
    stop: Callable[[], bool] = lambda: False,
    about: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> ArmResult:
    """The account of one arm, whatever world it ran in. `ends` has two reports for each flow.

    `source` is that of the flow "media". `memo` is given where the quality of its pictures is to be measured; that may
    take long, and where `stop` says so the arm is "incomplete" instead. `about` is what the world tells besides, by the
    name of a table in the counters. Raises LedgerError if the reports contradict each other.
    """
    by_flow: dict[str, dict[Role, EndReport]] = {}
    for end in ends:
        by_flow.setdefault(end.flow, {})[end.role] = end
    media = by_flow[MEDIA]
    frames = pd.concat([_ledger(name, both) for name, both in by_flow.items()], ignore_index=True)
    picture_floor = None
    unscored: list[str] = []
    if memo is not None and not isinstance(source, SizeSource) and media["receiver"].tells_pictures:
        picture_floor = scenario.video.picture_floor
        codec = media["receiver"].decoded_media or scenario.video.codec
        video = ScreenedVideo(frames, media["receiver"].decoded, source, media=codec, media_start=MEDIA_START)
        frames = video.with_quality(frames, memo)
        if scenario.video.vmaf is not None:
            try:
                frames = video.with_vmaf(frames, memo, stop)
            except VmafStopped:
                outcome, reason = "incomplete", "interrupted while its pictures were scored"
            except VmafError as error:
                unscored = [f"VMAF was not measured: {error}"]
    table, shares = link_table(links), flow_table(links)
    now = max(end.ended_at for end in ends if end.role == "receiver")
    others = {name: _counters(both) for name, both in by_flow.items() if name != MEDIA}
    result = ArmResult(
        arm.label,
        outcome,
        reason,
        ledger=frames,
        links=table,
        flows=shares,
        estimates=estimate_table(ends),
        summary={
            **summarize_arm(scenario, arm, frames, table, shares, now=now),
            **session_numbers(scenario.media(arm), scenario.routes()[0], media, links, whole=outcome == "measured"),
        },
        flow_numbers=flow_numbers(scenario, arm, frames, shares, now=now),
        stats={
            **_counters(media),
            **({"flows": others} if others else {}),
            "follows": scenario.media(arm).follows,
            "picture_floor": picture_floor,
            "ended_at": round(now - MEDIA_START, 6),
            **(about or {}),
        },
        impairments={link.name: link.impairments for link in links if link.impairments},
        notes=(*(() if scenario.media(arm).greedy else source.notes), *unscored, *notes),
    )
    return with_notes(result, scenario)


def link_table(links: Sequence[LinkReport]) -> pd.DataFrame:
    """A row per link and window, with all columns of LINK_TYPES but the arm."""
    rows = [
        {"segment": link.segment, "direction": link.direction, **row._asdict()} for link in links for row in link.rows
    ]
    return typed_table(rows, _without_arm(LINK_TYPES))


def flow_table(links: Sequence[LinkReport]) -> pd.DataFrame:
    """A row per flow, link and window, with all columns of FLOW_TYPES but the arm."""
    rows = [
        {"flow": name, "segment": link.segment, "direction": link.direction, "at": window.at, **part._asdict()}
        for link in links
        for name, parts in link.flows.items()
        for window, part in zip(link.rows, parts, strict=True)
    ]
    return typed_table(rows, _without_arm(FLOW_TYPES))


def estimate_table(ends: Sequence[EndReport]) -> pd.DataFrame:
    """A row per flow and estimate of its congestion control, with all columns of ESTIMATE_TYPES but the arm."""
    rows = [
        {
            "flow": end.flow,
            "at": round(estimate.at - MEDIA_START, 6),
            "target_bps": estimate.target_bps,
            "pacing_bps": estimate.pacing_bps,
            "window_bytes": estimate.window_bytes,
            "in_flight_bytes": estimate.in_flight_bytes,
            "rtt_ms": estimate.rtt * 1e3,
            "queue_ms": estimate.queue * 1e3,
        }
        for end in ends
        for estimate in end.estimates
    ]
    return typed_table(rows, _without_arm(ESTIMATE_TYPES))


def _ledger(flow: str, ends: Mapping[Role, EndReport]) -> pd.DataFrame:
    sender, receiver = (ends[role] for role in ROLES)
    knows = (sender.knows - set(RECEIVED_INSTANTS)) | (receiver.knows & set(RECEIVED_INSTANTS))
    return ledger.join(sender.sent, receiver.received, media_start=MEDIA_START, flow=flow, knows=knows)


def _counters(ends: Mapping[Role, EndReport]) -> dict[str, Any]:
    return {
        **{role: dict(ends[role].counters) for role in ROLES},
        **ends["receiver"].pipeline,
        "connection": {role: asdict(ends[role].connection) for role in ROLES},
    }


def _without_arm(types: Mapping[str, str]) -> dict[str, str]:
    return {name: kind for name, kind in types.items() if name != "arm"}
