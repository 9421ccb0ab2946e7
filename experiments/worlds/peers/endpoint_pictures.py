"""What comes from an endpoint of the user, as pictures: of any codec, but of the size that was sent."""

import av
import numpy as np

from glassbench.experiments.worlds.peers.peer import PeerContext, PeerError
from glassbench.experiments.worlds.peers.streams import TimedUnit
from glassbench.receiver.planes import luma

_LEAST_CONTRAST = 32  # of a picture that is not grey


class PictureDecoder:
    """Whatever codec comes, to pictures for the outlet. Those that are grey are of before the first capture. Raises
    PeerError."""

    def __init__(self, context: PeerContext) -> None:
        self._context = context
        self._decoder: av.VideoCodecContext | None = None
        self.codec = ""

    def take(self, unit: TimedUnit) -> None:
        """Decode an access unit."""
        if self._decoder is None:
            self._decoder, self.codec = _decoder(unit.codec), unit.codec
        try:
            pictures = self._decoder.decode(av.Packet(unit.data)) if unit.data else []
        except av.FFmpegError:
            return  # something of it is missing
        for picture in pictures:
            if not picture.is_corrupt:
                give_picture(self._context, picture)


def give_picture(context: PeerContext, picture: av.VideoFrame) -> None:
    """Let the outlet have a picture, unless it is grey. Raises PeerError if it has another size than was sent."""
    at = context.outlet.now()
    video = context.video
    if (picture.width, picture.height) != (video.width, video.height):
        raise PeerError(
            f"the pictures that come are {picture.width}x{picture.height}, and {video.width}x{video.height} were sent: "
            "what is between has to keep their size"
        )
    sample = luma(picture)[::8, : picture.width : 8]
    if int(np.ptp(sample)) > _LEAST_CONTRAST:
        context.outlet.give(picture.to_ndarray(format="yuv420p").tobytes(), at=at)


def _decoder(codec: str) -> av.VideoCodecContext:
    context = av.CodecContext.create(codec, "r")
    assert isinstance(context, av.VideoCodecContext)
    context.thread_count = 1
    return context
