"""Picture quality in the ledger: what was on the screen in the place of each captured frame, and how good it was."""

import zlib
from collections.abc import Sequence

import pandas as pd

from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.receiver.decoded import Decoded
from glassbench.receiver.quality import QualityMemo, measure_quality
from glassbench.sender.encoder import stamped_pictures
from glassbench.sender.source import PixelSource
from glassbench.transport.stamp_code import Stamp


def with_quality(
    frames: pd.DataFrame,
    decoded: Sequence[Decoded],
    source: PixelSource,
    *,
    media: str,
    media_start: float,
    memo: QualityMemo,
) -> pd.DataFrame:
    """The ledger with `screen_sequence`, `psnr_db`, `ssim` and `own_ssim` of its video frames; `decoded` is in order
    of decoding."""
    video = (frames["flow"] == MEDIA) & (frames["track"] == VIDEO_TRACK)
    stamps = _stamps(frames[video], media_start)
    fingerprint = zlib.crc32(repr(stamps).encode())
    instants = measure_quality(
        decoded,
        [stamp.captured_at for stamp in stamps],
        stamped_pictures(source, stamps),
        reference_identity=f"{source.identity} {fingerprint:08x}",
        media=media,
        width=source.width,
        height=source.height,
        interval=float(1 / source.fps),
        memo=memo,
    )
    frames = frames.copy()
    frames.loc[video, "screen_sequence"] = pd.array([at.shown_sequence for at in instants], dtype="Int64")
    frames.loc[video, "psnr_db"] = [at.psnr_db for at in instants]
    frames.loc[video, "ssim"] = [at.ssim for at in instants]
    frames.loc[video, "own_ssim"] = [at.own_ssim for at in instants]
    return frames


def _stamps(video: pd.DataFrame, media_start: float) -> list[Stamp]:
    """The stamp of each source instant. An instant that was never encoded has the number of the frame before it."""
    numbers = video["sequence"].where(video["sequence"] >= 0).ffill().fillna(0).astype(int)
    instants = [round(media_start + at, 6) for at in video["captured_at"]]
    return [Stamp(number, at) for number, at in zip(numbers.tolist(), instants, strict=True)]
