"""What encoding and decoding took in live runs, as files that a scenario can name: `encode_cost = "recorded:FILE"`."""

from pathlib import Path

import numpy as np
import pandas as pd

from glassbench.experiments.results.files import ResultsError, write_bytes
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.tracks import VIDEO_TRACK

ENCODE, DECODE = "encode-cost.txt", "decode-cost.txt"

_STEPS = {
    # Of the ledger: from and to. What a thread waits for its turn is part of what a codec costs.
    ENCODE: ("captured_at", "queued_at"),
    DECODE: ("released_at", "decoded_at"),
}


def write_codec_costs(folder: Path, ledger: pd.DataFrame) -> tuple[Path, Path]:
    """Write both files into a folder: a line per frame of the video, the median over all arms and runs of the ledger.

    It is a median, so that a moment in which the machine was busy is not repeated for ever, and it is per frame, since
    keyframes cost more. Raises ResultsError.
    """
    video = ledger[(ledger["flow"] == MEDIA) & (ledger["track"] == VIDEO_TRACK)]
    for name, (begin, end) in _STEPS.items():
        took = (video[end] - video[begin]).groupby(video["sequence"]).median().dropna() * 1e3
        took = took[took.index >= 0]
        if not len(took):
            raise ResultsError(f"no frame was {'encoded' if name == ENCODE else 'decoded'}: there is no cost to record")
        every = np.interp(np.arange(int(took.index.max()) + 1), took.index, took.to_numpy())
        head = f"# milliseconds a frame, by sequence: from {begin} to {end}, median of live runs\n"
        write_bytes(folder / name, (head + "".join(f"{max(0.0, cost):.3f}\n" for cost in every)).encode())
    return folder / ENCODE, folder / DECODE
