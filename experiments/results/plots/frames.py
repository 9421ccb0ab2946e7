"""The frames of a run as its pictures take them: arm by arm, in the order of its table."""

import pandas as pd

from glassbench.experiments.results.ranking import ranking_of
from glassbench.experiments.results.run import Run


def ranked_video(run: Run) -> dict[str, pd.DataFrame]:
    """The video frames of each arm that ran, as from `Run.video_by_arm`, soonest first."""
    video = run.video_by_arm()
    ranking = ranking_of(arm["stats"] for arm in run.records)
    return {arm: video[arm] for record in ranking.order(run.records) if (arm := record["arm"]) in video}
