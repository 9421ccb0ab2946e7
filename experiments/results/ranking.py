"""By which numbers arms are ordered, soonest first."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from glassbench.experiments.account.metric_table import View
from glassbench.experiments.account.number_text import finite


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

    def title(self, subject: str) -> str:
        """What is compared, and by what its arms are judged if it is not latency."""
        if not self.by_signal:
            return subject
        return f"{subject}, judged by p95 signal delay{self.picture_delay and f' and p95 {self.picture_delay}'}"


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
