"""How large the next video frame may be, for controllers that say a rate only."""

from glassbench.transport.congestion.controller import Allowance

LEAST_SHARE = 0.25  # of a frame at the full rate; a smaller picture is hardly worth its packet


def paced_budget(allowance: Allowance, *, waiting_bytes: int, ahead: float, interval: float) -> int:
    """Bytes for a frame that is handed over in `ahead` seconds, so that it leaves before the next one comes.

    It has what the rate carries in an `interval`, less what is left by then of the `waiting_bytes` that have not left
    yet. 0 if hardly anything remains: then the capture is better skipped, and the next one is newer.
    """
    rate = (allowance.media_bps or allowance.target_bps) / 8
    share = rate * interval
    budget = share - max(0.0, waiting_bytes - rate * ahead)
    return int(budget) if budget >= LEAST_SHARE * share else 0
