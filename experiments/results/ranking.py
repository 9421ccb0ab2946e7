"""By which numbers the arms of one run are ordered, soonest first."""

from collections.abc import Mapping, Sequence
from typing import Any

BY_LATENCY = ("g2g_p95_ms", "g2g_p50_ms", "signal_p95_ms")
BY_SIGNAL = ("signal_p95_ms", "g2g_p95_ms", "g2g_p50_ms")


def ranked_by(arms: Sequence[Mapping[str, Any]]) -> tuple[str, str, str]:
    """The numbers that decide, the first one first, for the records of a run's arms.

    An encoder that follows the network skips captures, and what was never shown has infinite latency. So where one of
    them follows, the signal delay decides.
    """
    return BY_SIGNAL if any(_follows(arm.get("stats")) for arm in arms) else BY_LATENCY


def _follows(stats: object) -> bool:
    return isinstance(stats, Mapping) and stats.get("follows") is True
