"""The numbers of one arm, of all its tracks."""

from typing import Any

import pandas as pd

from glassbench.experiments.account import metrics
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.scenario.tracks import CHAT_TRACK, VIDEO_TRACK

_LEAST_DURATION = 0.1  # seconds over which the rates of an interrupted run are taken


def summarize_arm(scenario: Scenario, frames: pd.DataFrame, links: pd.DataFrame, *, now: float) -> dict[str, Any]:
    """Of what was measured until `now`, from its ledger and link table."""
    duration = min(scenario.duration, max(now - MEDIA_START, _LEAST_DURATION))
    summary = metrics.summarize(frames[frames["track"] == VIDEO_TRACK], links, duration=duration)
    if scenario.chat is not None:
        summary["chat"] = metrics.summarize_messages(frames[frames["track"] == CHAT_TRACK])
    return summary
