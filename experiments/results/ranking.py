"""By which numbers arms are ordered, soonest first."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from glassbench.experiments.account.metric_table import View
from glassbench.experiments.account.number_text import finite


class Ranking(NamedTuple):
    """How arms are ordered: by these columns of the summary, the first one first. `view` has the metrics of the table
    of one run. `picture_floor` is the SSIM that pictures have at least in the picture delay; it is None where latency
    decides, and not the signal delay."""

    columns: tuple[str, ...]
    view: View
    picture_floor: float | None = None

    @property
    def by_signal(self) -> bool:
        """Whether the signal delay decides."""
        return self.picture_floor is not None

    @property
    def picture_delay(self) -> str:
        """What sentences call the picture delay."""
        return f"picture delay (SSIM of at least {self.picture_floor:g})"

    def title(self, subject: str) -> str:
        """What is compared, and by what its arms are ordered if it is not latency."""
        return f"{subject}, judged by p95 signal delay and p95 {self.picture_delay}" if self.by_signal else subject


BY_LATENCY = Ranking(("g2g_p95_ms", "g2g_p50_ms", "signal_p95_ms"), "table")


def ranking_of(counters: Iterable[object]) -> Ranking:
    """What decides, for the `stats` of all arms.

    An encoder that follows the network skips captures, and what was never shown has infinite latency. So where one of
    them follows, the signal delay decides; and since empty pictures can win that, the picture delay stands beside it.
    """
    for stats in counters:
        if isinstance(stats, Mapping) and stats.get("follows") is True:
            floor = finite(stats.get("picture_floor"))
            if floor is not None:
                return Ranking(("signal_p95_ms", "picture_p95_ms", "g2g_p95_ms"), "following", floor)
    return BY_LATENCY
