"""Temporal layers: which layer a frame has, and what it refers to. Everybody takes the rule from here.

With n layers the frames of a group follow a pattern of 2^(n-1) places that begins anew at each keyframe:

    1: 0        2: 0 1        3: 0 2 1 2

A frame of the base layer, 0, refers to the base frame before it, any other to the newest earlier frame of a lower
layer, and neither to anything else. So nothing that follows needs a frame of the highest layer, and without the two
highest of three layers a quarter of the frames is left, which decodes to the same pictures. `codecs.py` says which
encoders keep this rule.

Both ends agree on the number of layers of a track, so a receiver knows the layer of a frame that it never saw. To
receivers of other makes RTP tells it by TID and TL0PICIDX (VP8, RFC 7741) or by TID and P_DIFF (VP9, RFC 9628).
"""

from glassbench.transport.contract import Frame

MOST_LAYERS = 3
RATE_SHARES = {1: (1.0,), 2: (0.6, 0.4), 3: (0.4, 0.2, 0.4)}
"""What each layer has of the rate, by their number; as in libwebrtc (kLayerRateAllocation)."""


def period(layers: int) -> int:
    """After how many places the pattern of so many layers begins anew."""
    return 1 << (layers - 1)


def layer_of(place: int, layers: int) -> int:
    """The layer of the frame at a place of its group. The keyframe is at place 0."""
    within = place % period(layers)
    return 0 if within == 0 else layers - (within & -within).bit_length()


def reference_distance(layer: int, layers: int) -> int:
    """How many places back the frame is that one of this layer refers to, unless it is a keyframe."""
    return period(layers) >> layer


def spacing(layer: int, layers: int) -> int:
    """How many places lie between two frames of a layer."""
    return period(layers) >> max(0, layer - 1)


def overtakes(later: Frame, frame: Frame) -> bool:
    """Whether a frame is of no use once a later one of its track goes ahead of it: it is of a higher layer, and a
    receiver that shows what it has would be past it when it comes."""
    return frame.track == later.track and frame.layer > later.layer and frame.sequence < later.sequence


def needs(frame: Frame, other: Frame, layers: int) -> bool:
    """Whether a frame cannot be decoded without another one that came before it."""
    if frame.track != other.track or frame.group != other.group or frame.sequence <= other.sequence:
        return False
    if other.layer == 0:
        return True
    return frame.layer > other.layer and frame.sequence - other.sequence < reference_distance(other.layer, layers)
