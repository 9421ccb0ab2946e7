"""Whole arms over scenarios of a size model: what a closed form says must be in the ledger."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.account.ledger import check, stages
from glassbench.experiments.scenario import build
from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache

RunArm = Callable[..., ArmResult]


@pytest.fixture
def reuse() -> Iterator[Reuse]:
    with EncodeCache(None) as cache:
        yield Reuse(cache, QualityMemo())


@pytest.fixture
def run_sizes(tmp_path: Path, reuse: Reuse) -> RunArm:
    """`run_sizes(arm, sizes, fps=..., network=...)` runs one arm whose frames have these sizes, one after the other.

    Codecs cost nothing, so a frame leaves its pipeline at the instant of its capture. With `keyframes` no frame refers
    to another. Further keywords are fields of the scenario.
    """

    def run(
        arm: str,
        sizes: Sequence[int],
        *,
        fps: float,
        network: dict[str, Any],
        keyframes: bool = True,
        deadline: str | None = None,
        **fields: Any,
    ) -> ArmResult:
        file = tmp_path / "sizes.txt"
        file.write_text("".join(f"{size}{' key' if keyframes else ''}\n" for size in sizes), encoding="utf-8")
        video = {"source": f"sizes:{file}", "fps": fps, "encode_cost": "none", "decode_cost": "none"}
        if deadline is not None:
            video["deadline"] = deadline
        content = {"name": "closed-form", "duration": f"{len(sizes) / fps!r}s", "network": network, **fields}
        scenario = build({**content, "arms": [arm], "video": video})
        result = run_arm(scenario, scenario.arms[0], reuse)
        assert result.outcome == "measured", result.reason
        return result

    return run


@pytest.fixture
def video_of() -> Callable[[ArmResult], pd.DataFrame]:
    """The ledger of the video of an arm, checked, beside its stages in ms."""

    def frames(result: ArmResult) -> pd.DataFrame:
        assert result.ledger is not None
        check(result.ledger)
        video = result.ledger[result.ledger["track"] == VIDEO_TRACK]
        return pd.concat([video, stages(video)], axis=1).reset_index(drop=True)

    return frames
