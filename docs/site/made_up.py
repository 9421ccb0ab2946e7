"""One second of video that somebody made up: small enough to see each frame, with everything that a metric is about.

Twenty captures, 40 ms apart. The link stands still for a moment, so that five frames are late and the screen freezes;
the picture after that is poor; one frame is lost.
"""

import numpy as np
import pandas as pd

from glassbench.experiments.account.metric_table import Runs
from glassbench.experiments.account.sharing import Sharing

INTERVAL = 0.040  # seconds
_LATENCY_MS = [62, 58, 64, 60, 66, 59, 63, 61, 225, 190, 155, 118, 84, 62, 67, 60, np.nan, 63, 58, 65]
_OWN_SSIM = [0.96] * 8 + [0.93, 0.80, 0.78, 0.82, 0.90] + [0.95] * 7
_SCREEN_SSIM = [0.96] * 8 + [0.93, 0.71, 0.69, 0.74, 0.90] + [0.95] * 3 + [0.84] + [0.95] * 3
FLOOR_MS = 55.0
BOUND_MS = [50.0] * 8 + [180, 140, 100, 60] + [50.0] * 8

RATES = {"flow A": 6.0, "flow B": 3.0}  # Mbit/s
CAPACITY = 10.0  # Mbit/s, of which both use 9
QUEUE_MS = [4, 9, 15, 22, 30, 12, 18, 25, 33, 14, 20, 27]
SENT_MBPS = [2.1, 1.9, 2.4, 2.0, 3.1, 1.7, 2.2, 1.8, 2.6, 2.2]
WINDOW = 0.1  # seconds, of the rates


def frames(latency_ms: list[float] = _LATENCY_MS) -> pd.DataFrame:
    """A ledger with the columns that metrics read; instants in seconds, one row per capture."""
    captured = INTERVAL * np.arange(len(latency_ms))
    shown = captured + np.asarray(latency_ms, dtype=float) / 1e3
    return pd.DataFrame(
        {
            "captured_at": captured,
            "displayed_at": shown,
            "fate": np.where(np.isnan(shown), "lost", "displayed"),
            "own_ssim": np.where(np.isnan(shown), np.nan, _OWN_SSIM),
            "ssim": _SCREEN_SSIM,
            "vmaf": 100 * np.asarray(_SCREEN_SSIM),
            "psnr_db": 20 + 20 * np.asarray(_SCREEN_SSIM),
        }
    )


def late_start() -> pd.DataFrame:
    """The same captures, of which the first four come before the connection stands."""
    return frames([np.nan] * 4 + [95, 70] + _LATENCY_MS[:2] * 7)


def runs(ledger: pd.DataFrame) -> Runs:
    """What a metric is computed from, of that ledger."""
    sent = pd.DataFrame(
        {"at": WINDOW * np.arange(len(SENT_MBPS)), "sent_bytes": np.array(SENT_MBPS) * WINDOW * 1e6 / 8}
    )
    total = sum(RATES.values())
    jain = total**2 / (len(RATES) * sum(rate**2 for rate in RATES.values()))
    return Runs(
        frames=[ledger],
        passed=[sent],
        duration=WINDOW * len(SENT_MBPS),
        sharing=[Sharing(jain, total / CAPACITY, float(np.median(QUEUE_MS)) / 1e3)],
        floor=[frames([FLOOR_MS] * len(_LATENCY_MS))],
        bounds=[np.array(BOUND_MS) / 1e3],
    )
