"""Where an access unit can be cut so that its parts leave one after the other."""

import re

_START = re.compile(rb"\x00\x00\x00?\x01(?=[\x01-\x7f])")
_VIDEO = {1, 5}  # NAL unit types of slices (ITU-T H.264, table 7-1)


def cut(payload: bytes, count: int) -> list[bytes]:
    """An H.264 access unit in `count` parts: one per slice, and what stands before a slice goes with it.

    One with another number of slices is cut into parts of like size. Joined they are the payload.
    """
    starts = [each.start() for each in _START.finditer(payload) if payload[each.end()] & 0x1F in _VIDEO]
    if len(starts) == count:
        ends = [*starts[1:], len(payload)]
    else:
        ends = [len(payload) * (index + 1) // count for index in range(count)]
    return [payload[begin:end] for begin, end in zip([0, *ends[:-1]], ends, strict=True)]
