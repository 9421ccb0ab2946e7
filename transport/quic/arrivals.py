"""When the bytes of a stream arrived, whatever order they were delivered in."""

_MAX_RANGES = 16384  # of one stream; a peer that sends single bytes out of order gets delivery times instead


class ArrivedRanges:
    """The ranges of one stream that arrived and were not yet asked for, with their instants. Offsets in bytes."""

    __slots__ = ("_consumed", "_ranges")

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int, float]] = []  # (start, stop, at), disjoint, ascending
        self._consumed = 0

    def add(self, start: int, stop: int, at: float) -> None:
        """Bytes [start, stop) arrived; the first arrival of each byte counts."""
        start = max(start, self._consumed)
        ranges = self._ranges
        if start >= stop or len(ranges) >= _MAX_RANGES:
            return
        if not ranges or start >= ranges[-1][1]:
            ranges.append((start, stop, at))
            return
        merged: list[tuple[int, int, float]] = []
        for arrived in ranges:
            if start < stop and start < arrived[0]:
                merged.append((start, min(stop, arrived[0]), at))
            merged.append(arrived)
            start = max(start, arrived[1])
        if start < stop:
            merged.append((start, stop, at))
        self._ranges = merged

    def take(self, start: int, stop: int, default: float) -> tuple[float, float]:
        """The first and the last arrival among bytes [start, stop); everything before `stop` is forgotten."""
        times = [at for a, b, at in self._ranges if a < stop and b > start]
        keep = 0
        while keep < len(self._ranges) and self._ranges[keep][1] <= stop:
            keep += 1
        del self._ranges[:keep]
        self._consumed = max(self._consumed, stop)
        return (min(times), max(times)) if times else (default, default)
