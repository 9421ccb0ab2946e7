"""Which frames can be decoded: those whose reference was, by the rule of `transport/layers.py`."""

from collections import deque

from glassbench.transport.contract import Frame
from glassbench.transport.layers import layer_of, period, reference_distance


class References:
    """Of a track with so many `layers`: the group that is decoded, and the newest frames of it that were.

    The layer of a frame follows from its place in its group, whatever its header says.
    """

    def __init__(self, layers: int) -> None:
        self._layers = layers
        self._keyframe: Frame | None = None  # of the group
        self._decoded: deque[int] = deque(maxlen=period(layers))

    def can_decode(self, frame: Frame) -> bool:
        """Whether everything that a frame refers to was decoded."""
        if frame.keyframe:
            return True
        if self._keyframe is None or frame.group != self._keyframe.group:
            return False
        distance = reference_distance(self.layer_of(frame.sequence), self._layers)
        return frame.sequence - distance in self._decoded

    def breaks(self, frame: Frame) -> bool:
        """Whether nothing can be decoded before the next keyframe if this frame cannot."""
        is_of_group = self._keyframe is not None and frame.group == self._keyframe.group
        return not is_of_group or self.layer_of(frame.sequence) == 0

    def decoded(self, frame: Frame) -> None:
        """A frame went to the decoder."""
        if frame.keyframe:
            self._keyframe = frame
        self._decoded.append(frame.sequence)

    def clear(self) -> None:
        """The decoder has lost all of it."""
        self._keyframe = None
        self._decoded.clear()

    def layer_of(self, sequence: int) -> int:
        """The layer of a frame, be it here or not, if it is of the group; the base layer where no group is known."""
        return 0 if self._keyframe is None else layer_of(sequence - self._keyframe.sequence, self._layers)
