"""What a payload format does: a coded frame to the payloads of its packets, and back.

There is one file a format, a module with these names; `session.py` has the table. A format knows nothing of packets:
order, loss and repair are settled before, and it keeps no state between two frames.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from glassbench.transport.layers import reference_distance


class CodedFrame(NamedTuple):
    """A frame as it is handed to a payload format.

    `number` counts the frames of the stream and `base` those of the base layer, each from a number of chance. `layer`
    is its layer of `layers`, and `since_base` says how many places of the pattern (`layers.py`) the base frame before
    it is away, 0 if it is one.
    """

    data: bytes
    number: int = 0
    keyframe: bool = False
    layer: int = 0
    layers: int = 1
    base: int = 0
    since_base: int = 0

    @property
    def refers_to_base(self) -> bool:
        """Whether it refers to nothing but the base frame before it."""
        return self.layer > 0 and reference_distance(self.layer, self.layers) == self.since_base

    @property
    def is_discardable(self) -> bool:
        """Whether nothing refers to it."""
        return self.layer > 0 and self.layer == self.layers - 1


class Position(NamedTuple):
    """Where in its stream a payload stands, as far as it says so itself.

    `begins_frame`: no packet that a decoder needs can come before it in its frame. `precedes_picture`: it can only
    stand before or at the beginning of a picture. `holds_picture`: it has a part of a picture. `continues_picture`: it
    has, and cannot be the beginning of one. `is_keyframe`: the picture is a recovery point.
    """

    begins_frame: bool = False
    precedes_picture: bool = False
    holds_picture: bool = True
    continues_picture: bool = False
    is_keyframe: bool = False


class PayloadFormat(Protocol):
    """A media in RTP. `ENCODING` is its name in a session description, `PARAMETERS` are those of its `fmtp` line."""

    ENCODING: str
    PARAMETERS: str

    def packetize(self, frame: CodedFrame, room: int, reserved: int) -> list[bytes]:
        """Payloads of at most `room` bytes; the first leaves `reserved` bytes free for its header extension. Raises
        Malformed for bytes that are not of this media."""

    def depacketize(self, payloads: Sequence[bytes]) -> bytes:
        """The frame that these payloads, complete and in order, carry. Raises Malformed."""

    def may_begin(self, payload: bytes) -> bool:
        """Whether a stream of which nothing is known, and that begins like this, may be of this format."""

    def position(self, payload: bytes) -> Position:
        """What it says of its place. It never raises."""


def even_cuts(size: int, reserved: int, room: int, *, least: int = 1) -> list[tuple[int, int]]:
    """Where to cut so many bytes into parts of at most `room`, the first smaller by `reserved`: as few as can be, but
    `least`, and as equal in size as they can be. A short last one would cost a packet's overhead and, on a
    packet-counting link, a full slot."""
    count = max(least, -(-(size + reserved) // room))
    base, longer = divmod(size + reserved, count)
    cuts = []
    start = 0
    for index in range(count):
        end = start + base + (index < longer) - (reserved if index == 0 else 0)
        cuts.append((start, end))
        start = end
    return cuts
