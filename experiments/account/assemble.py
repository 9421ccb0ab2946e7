"""The account of an arm from what its ends and its links wrote down: the only place that makes one."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from glassbench.experiments.account import ledger
from glassbench.experiments.account.arm_result import LINK_TYPES, ArmResult, Outcome
from glassbench.experiments.account.notes import with_notes
from glassbench.experiments.account.picture_quality import with_quality
from glassbench.experiments.account.reports import ROLES, EndReport, LinkReport, Role
from glassbench.experiments.account.summary import summarize_arm
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.size_model import SizeSource
from glassbench.sender.source import PixelSource


def assemble(
    scenario: Scenario,
    arm: ArmSpec,
    source: PixelSource | SizeSource,
    ends: Mapping[Role, EndReport],
    links: Sequence[LinkReport],
    *,
    outcome: Outcome = "measured",
    reason: str | None = None,
    memo: QualityMemo | None = None,
    about: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> ArmResult:
    """One arm, whatever world it ran in. `memo` is given where the quality of its pictures is to be measured; `about`
    is what its world tells besides, by the name of a table in the counters.

    Raises LedgerError if the reports contradict each other.
    """
    sender, receiver = (ends[role] for role in ROLES)
    frames = ledger.join(sender.sent, receiver.received, media_start=MEDIA_START)
    if memo is not None and not isinstance(source, SizeSource):
        frames = with_quality(
            frames, receiver.decoded, source, media=scenario.video.codec, media_start=MEDIA_START, memo=memo
        )
    table = link_table(links)
    result = ArmResult(
        arm.label,
        outcome,
        reason,
        ledger=frames,
        links=table,
        summary=summarize_arm(scenario, frames, table, now=receiver.ended_at),
        stats={
            **{role: dict(ends[role].counters) for role in ROLES},
            **receiver.pipeline,
            "connection": {role: asdict(ends[role].connection) for role in ROLES},
            "ended_at": round(receiver.ended_at - MEDIA_START, 6),
            **(about or {}),
        },
        impairments={link.direction: link.impairments for link in links if link.impairments},
        notes=(*source.notes, *notes),
    )
    return with_notes(result, scenario)


def link_table(links: Sequence[LinkReport]) -> pd.DataFrame:
    """A row per direction and window, with all columns of LINK_TYPES but the arm."""
    rows = [{"direction": link.direction, **row._asdict()} for link in links for row in link.rows]
    types = {name: kind for name, kind in LINK_TYPES.items() if name != "arm"}
    return pd.DataFrame(rows, columns=list(types)).astype(types)
