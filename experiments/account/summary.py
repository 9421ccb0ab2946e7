"""The numbers of one arm, of all its tracks."""

from typing import Any

import pandas as pd

from glassbench.experiments.account.bound import bound_of
from glassbench.experiments.account.flow_numbers import media_seconds, on_first_link
from glassbench.experiments.account.ledger import FATES
from glassbench.experiments.account.metric_table import Runs, values
from glassbench.experiments.account.metrics import PERCENTILES, glass_to_glass, in_ms, mean_stages
from glassbench.experiments.account.oracle import FloatArray
from glassbench.experiments.account.percentile import percentile
from glassbench.experiments.account.sharing import Sharing, sharing
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.media_spec import PICTURE_FLOOR
from glassbench.experiments.scenario.tracks import CHAT_TRACK, VIDEO_TRACK


def summarize_arm(
    scenario: Scenario,
    arm: ArmSpec,
    frames: pd.DataFrame,
    links: pd.DataFrame,
    shares: pd.DataFrame,
    *,
    now: float,
) -> dict[str, Any]:
    """The numbers of the flow "media" until `now`, from the ledger, the link table and the flow table."""
    flow, route = scenario.media(arm), scenario.routes()[0]
    own = frames[frames["flow"] == MEDIA]
    passed = on_first_link(shares, flow, route)
    shared = sharing(scenario, links, shares, now=now)
    video = own[own["track"] == VIDEO_TRACK]
    bound = bound_of(scenario, route, video)
    floor, duration = flow.video.picture_floor, media_seconds(flow, now=now)
    summary = summarize(video, passed, shared, bound, duration=duration, picture_floor=floor)
    if flow.chat is not None:
        summary["chat"] = summarize_messages(own[own["track"] == CHAT_TRACK])
    return summary


def summarize(
    frames: pd.DataFrame,
    passed: pd.DataFrame,
    shared: Sharing,
    bound: FloatArray,
    *,
    duration: float,
    picture_floor: float = PICTURE_FLOOR,
) -> dict[str, Any]:
    """The numbers of one arm for one track: a row of the summary. Times that never came are infinite. `bound` is the
    least signal delay of each frame in seconds, `picture_floor` the SSIM from which on a picture counts as shown."""
    fates = frames["fate"].value_counts()
    return {
        "captured": len(frames),
        "displayed": int(fates.get("displayed", 0)),
        **values(Runs([frames], [passed], duration, [shared], bounds=[bound], picture_floor=picture_floor)),
        "fates": {fate: int(fates.get(fate, 0)) for fate in FATES},
        "stages_ms": mean_stages(frames),
    }


def summarize_messages(messages: pd.DataFrame) -> dict[str, Any]:
    """The numbers of one arm for the track of messages."""
    delays = glass_to_glass(messages)
    return {
        "sent": len(messages),
        "delivered": int((messages["fate"] == "displayed").sum()),
        **{f"delay_p{100 * share:g}_ms": in_ms(percentile(delays, share)) for share in PERCENTILES},
        "delay_max_ms": in_ms(percentile(delays, 1)),
    }
