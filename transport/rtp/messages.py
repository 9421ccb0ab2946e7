"""Messages of a data track in RTP, as they are: cut where a packet is full, put together again in order."""

from collections.abc import Sequence
from itertools import pairwise

from glassbench.transport.rtp.payload_format import CodedFrame, Position

ENCODING = "X-GLASSBENCH-DATA"
PARAMETERS = ""


def packetize(message: CodedFrame, room: int, reserved: int) -> list[bytes]:
    """Payloads of at most `room` bytes, of which all but the last are full."""
    data = message.data
    cuts = [0, *range(room - reserved, len(data), room), len(data)]
    return [data[start:end] for start, end in pairwise(cuts)]


def depacketize(payloads: Sequence[bytes]) -> bytes:
    """The message."""
    return b"".join(payloads)


def may_begin(payload: bytes) -> bool:
    """No message says what it is."""
    return False


def position(payload: bytes) -> Position:
    """Each message can be understood without those before it."""
    return Position(is_keyframe=True)
