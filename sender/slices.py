"""Where an access unit can be cut so that its parts leave one after the other."""

import re
from itertools import pairwise

_START = re.compile(rb"\x00\x00\x00?\x01(?=[\x01-\x7f])")
_VIDEO = {1, 5}  # NAL unit types of slices (ITU-T H.264, table 7-1)


def cut(payload: bytes, count: int) -> list[bytes]:
    """An H.264 access unit in `count` parts: one per slice, and what stands before a slice goes with it.

    One with another number of slices is cut into parts of like size. Joined they are the payload.
    """
    if count == 1:
        return [payload]
    starts = [each.start() for each in _START.finditer(payload) if payload[each.end()] & 0x1F in _VIDEO]
    bounds = [0, *starts[1:], len(payload)] if len(starts) == count else even_bounds(len(payload), count)
    return [payload[begin:end] for begin, end in pairwise(bounds)]


def even_bounds(size: int, count: int) -> list[int]:
    """Where each of `count` parts of like size begins, and where the last one ends."""
    return [size * index // count for index in range(count + 1)]
