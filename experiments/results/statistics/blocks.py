"""Blocks of one long run: consecutive pieces of at least ten seconds, as observations that are nearly independent."""

import numpy as np
from numpy.typing import NDArray

LEAST_BLOCK = 10.0  # seconds; shorter ones share fades, queues and groups of pictures


def time_blocks(
    captured_at: NDArray[np.float64], latency: NDArray[np.float64], *, length: float = LEAST_BLOCK
) -> list[NDArray[np.float64]]:
    """The latencies (seconds, infinite if never shown) of one run in blocks of `length` seconds of capture.

    `captured_at` is in seconds from the first capture. A rest that is shorter belongs to the block before it. Raises
    ValueError for blocks under LEAST_BLOCK. Pieces without captures are left out.
    """
    if length < LEAST_BLOCK:
        raise ValueError(f"a block has at least {LEAST_BLOCK:g} s, found {length:g} s")
    if len(captured_at) != len(latency):
        raise ValueError(f"{len(captured_at)} captures and {len(latency)} latencies do not belong together")
    if len(latency) == 0:
        return []
    spacing = float(np.median(np.diff(captured_at))) if len(captured_at) > 1 else 0.0
    whole = max(1, int((captured_at[-1] + spacing) / length + 1e-6))
    number = np.minimum((captured_at / length + 1e-9).astype(int), whole - 1)
    blocks = [latency[number == block] for block in range(whole)]
    return [block for block in blocks if len(block)]
