"""Picture quality in the ledger: what was on the screen in the place of each captured frame, and how good it was."""

import zlib
from collections.abc import Callable, Sequence

import pandas as pd

from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.receiver.decoded import Decoded
from glassbench.receiver.quality import QualityMemo, measure_quality
from glassbench.receiver.viewing import Viewing
from glassbench.receiver.vmaf import measure_vmaf
from glassbench.sender.encoder import stamped_pictures
from glassbench.sender.source import PixelSource
from glassbench.transport.stamp_code import Stamp


class ScreenedVideo:
    """The video frames of a ledger, and the pictures of `source` and of the screen that belong to them. `decoded` is in
    order of decoding, and `media` its codec."""

    def __init__(
        self, frames: pd.DataFrame, decoded: Sequence[Decoded], source: PixelSource, *, media: str, media_start: float
    ) -> None:
        self._rows = (frames["flow"] == MEDIA) & (frames["track"] == VIDEO_TRACK)
        self._source = source
        self._stamps = _stamps(frames[self._rows], media_start)
        fingerprint = zlib.crc32(repr(self._stamps).encode())
        self._viewing = Viewing(
            decoded,
            [stamp.captured_at for stamp in self._stamps],
            reference_identity=f"{source.identity} {fingerprint:08x}",
            media=media,
            width=source.width,
            height=source.height,
            interval=float(1 / source.fps),
        )

    def with_quality(self, frames: pd.DataFrame, memo: QualityMemo) -> pd.DataFrame:
        """The ledger with `screen_sequence`, `psnr_db`, `ssim` and `own_ssim`."""
        reference = stamped_pictures(self._source, self._stamps)
        instants = measure_quality(self._viewing, reference, memo=memo.compared)
        frames = frames.copy()
        frames.loc[self._rows, "screen_sequence"] = pd.array([at.shown_sequence for at in instants], dtype="Int64")
        frames.loc[self._rows, "psnr_db"] = [at.psnr_db for at in instants]
        frames.loc[self._rows, "ssim"] = [at.ssim for at in instants]
        frames.loc[self._rows, "own_ssim"] = [at.own_ssim for at in instants]
        return frames

    def with_vmaf(self, frames: pd.DataFrame, memo: QualityMemo, stop: Callable[[], bool]) -> pd.DataFrame:
        """The ledger with `vmaf` and `own_vmaf`. Raises VmafError, and VmafStopped if `stop` says so."""
        reference = stamped_pictures(self._source, self._stamps)
        scores = measure_vmaf(self._viewing, reference, memo=memo.vmaf, stop=stop)
        frames = frames.copy()
        frames.loc[self._rows, "vmaf"] = [at.vmaf for at in scores]
        frames.loc[self._rows, "own_vmaf"] = [at.own_vmaf for at in scores]
        return frames


def _stamps(video: pd.DataFrame, media_start: float) -> list[Stamp]:
    """The stamp of each source instant. An instant that was never encoded has the number of the frame before it."""
    numbers = video["sequence"].where(video["sequence"] >= 0).ffill().fillna(0).astype(int)
    instants = [round(media_start + at, 6) for at in video["captured_at"]]
    return [Stamp(number, at) for number, at in zip(numbers.tolist(), instants, strict=True)]
