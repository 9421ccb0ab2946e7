"""By which numbers arms are ordered, soonest first."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from glassbench.experiments.account.metric_table import METRICS, Metric, View
from glassbench.experiments.account.number_text import finite

_MEDIAN = 0.5


class Ranking(NamedTuple):
    """How arms are ordered: by these columns of the summary, the first one first.

    `view` has the metrics of the table of one run. With `by_signal` the signal delay decides, and not latency.
    `picture_floor` is the SSIM that a picture has at least in the picture delay, which decides too; None without it.
    """

    columns: tuple[str, ...]
    view: View
    by_signal: bool
    picture_floor: float | None = None

    @property
    def picture_delay(self) -> str:
        """What sentences call the picture delay; empty if it does not decide."""
        return "" if self.picture_floor is None else f"picture delay (SSIM of at least {self.picture_floor:g})"

    @property
    def judged_by(self) -> dict[str, str]:
        """The metrics that decide by their names, and what sentences call them."""
        if not self.by_signal:
            return {"p95": "p95"}
        pictures = {"picture_p95": f"p95 {self.picture_delay}"} if self.picture_delay else {}
        return {"signal_p95": "p95 signal delay", **pictures}

    def metrics(self, view: View) -> list[Metric]:
        """The metrics of a view of many runs.

        Where the signal delay decides, what decides takes the place of the percentiles of latency above the median, and
        of what is made of them: all captures count in these, so they are infinite where some were skipped.
        """
        return [
            metric
            for metric in METRICS.values()
            if (view in metric.views and not (self.by_signal and metric.share is not None and metric.share > _MEDIAN))
            or (self.by_signal and metric.name in self.judged_by)
        ]

    def order(self, arms: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The records of a run's arms, soonest first; those that were not measured to their end are last."""
        return sorted(arms, key=self._place)

    def _place(self, arm: Mapping[str, Any]) -> tuple[bool, list[float], str]:
        numbers = [finite(arm["summary"].get(name)) for name in self.columns]
        return arm["outcome"] != "measured", [math.inf if number is None else number for number in numbers], arm["arm"]

    def decides(self, metric: Metric) -> bool:
        """Whether a metric orders arms, or says at what price."""
        return metric.headline or metric.column in self.columns

    def title(self, subject: str) -> str:
        """What is compared, and by what its arms are judged if it is not latency."""
        return f"{subject}, judged by {' and '.join(self.judged_by.values())}" if self.by_signal else subject


BY_LATENCY = Ranking(("g2g_p95_ms", "g2g_p50_ms", "signal_p95_ms"), "table", by_signal=False)
_BY_SIGNAL = Ranking(("signal_p95_ms", "picture_p95_ms", "g2g_p95_ms"), "following", by_signal=True)


def ranking_of(counters: Iterable[object]) -> Ranking:
    """What decides, for the `stats` of all arms.

    An encoder that follows the network skips captures, and what was never shown has infinite latency. So where one of
    them follows, the signal delay decides; and since empty pictures can win that, the picture delay stands beside it.
    """
    tables = [stats for stats in counters if isinstance(stats, Mapping)]
    if not any(stats.get("follows") is True for stats in tables):
        return BY_LATENCY
    floors = (finite(stats.get("picture_floor")) for stats in tables)
    return _BY_SIGNAL._replace(picture_floor=next((floor for floor in floors if floor is not None), None))
