"""SRTO_LOSSMAXTTL: a gap may be reordering, so the receiver lets some packets pass before it asks for what is missing.

How many they are, the *tolerance*, follows from the network as in libsrt (its `unlose`): it grows to the distance by
which a packet of the first transmission came late, and shrinks by one after 50 packets in order or after ten that were
late by much less.
"""

_IN_ORDER = 50
_EARLY = 10
_EARLY_BY = 2  # packets that could have been let pass still


class ReorderTolerance:
    """Sequence numbers are unwrapped. It holds those missing ones that nobody was asked for yet."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tolerance = most
        self._arrivals = 0
        self._fresh: dict[int, int] = {}  # by sequence number, in growing order: the arrival at which it is asked for
        self._in_order = self._early = 0

    def on_packet(self, seq: int, missing: range, *, behind: int, retransmitted: bool) -> list[int]:
        """A packet came, `behind` numbers below the newest, and with it the news that those in `missing` have not.

        The answer is what to ask for now.
        """
        tolerance = self._tolerance
        if tolerance:
            self._arrivals += 1
            self._fresh.update(dict.fromkeys(missing, self._arrivals + tolerance))
        asked = list(missing) if not tolerance else []
        if behind:
            self._fill(seq, behind, retransmitted)
        if not behind or retransmitted:
            self._in_order += 1
            if self._in_order == _IN_ORDER:
                self._in_order = 0
                self._shrink()
        if tolerance:
            while self._fresh:
                first = next(iter(self._fresh))
                if self._fresh[first] > self._arrivals:
                    break
                del self._fresh[first]
                asked.append(first)
        return asked

    def forget(self, first: int, end: int) -> None:
        """Nobody waits for the numbers from `first` to before `end` any more."""
        for seq in range(first, end) if self._fresh else ():
            self._fresh.pop(seq, None)

    def _fill(self, seq: int, behind: int, retransmitted: bool) -> None:
        due = self._fresh.pop(seq, None)
        if retransmitted:
            return
        self._in_order = 0
        if behind > self._tolerance:
            self._tolerance = min(behind, self._most)
            self._early = 0
        elif due is not None and due - self._arrivals > _EARLY_BY:
            self._early += 1
            if self._early == _EARLY:
                self._early = 0
                self._shrink()

    def _shrink(self) -> None:
        self._tolerance = max(0, self._tolerance - 1)
