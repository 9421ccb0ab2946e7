"""Picture quality in the ledger: what was on the screen in the place of each captured frame, and how good it was."""

import zlib
from collections.abc import Sequence

import pandas as pd

from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.receiver.decoded import Decoded
from glassbench.receiver.quality import QualityMemo, measure_quality
from glassbench.receiver.viewing import Viewing
from glassbench.receiver.vmaf import VmafError, measure_vmaf
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
    vmaf: bool,
    memo: QualityMemo,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The ledger with `screen_sequence`, `psnr_db`, `ssim` and `own_ssim` of its video frames, and, if `vmaf` is
    wanted, with `vmaf` and `own_vmaf`; and a note, if these could not be measured. `decoded` is in order of
    decoding."""
    video = (frames["flow"] == MEDIA) & (frames["track"] == VIDEO_TRACK)
    stamps = _stamps(frames[video], media_start)
    fingerprint = zlib.crc32(repr(stamps).encode())
    viewing = Viewing(
        decoded,
        [stamp.captured_at for stamp in stamps],
        reference_identity=f"{source.identity} {fingerprint:08x}",
        media=media,
        width=source.width,
        height=source.height,
        interval=float(1 / source.fps),
    )
    instants = measure_quality(viewing, stamped_pictures(source, stamps), memo=memo.compared)
    frames = frames.copy()
    frames.loc[video, "screen_sequence"] = pd.array([at.shown_sequence for at in instants], dtype="Int64")
    frames.loc[video, "psnr_db"] = [at.psnr_db for at in instants]
    frames.loc[video, "ssim"] = [at.ssim for at in instants]
    frames.loc[video, "own_ssim"] = [at.own_ssim for at in instants]
    if not vmaf:
        return frames, ()
    try:
        scores = measure_vmaf(viewing, stamped_pictures(source, stamps), memo=memo.vmaf)
    except VmafError as error:
        return frames, (f"VMAF was not measured: {error}",)
    frames.loc[video, "vmaf"] = [at.vmaf for at in scores]
    frames.loc[video, "own_vmaf"] = [at.own_vmaf for at in scores]
    return frames, ()


def _stamps(video: pd.DataFrame, media_start: float) -> list[Stamp]:
    """The stamp of each source instant. An instant that was never encoded has the number of the frame before it."""
    numbers = video["sequence"].where(video["sequence"] >= 0).ffill().fillna(0).astype(int)
    instants = [round(media_start + at, 6) for at in video["captured_at"]]
    return [Stamp(number, at) for number, at in zip(numbers.tolist(), instants, strict=True)]
