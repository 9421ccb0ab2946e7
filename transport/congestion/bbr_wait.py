"""How long BBR waits between two probes for bandwidth (draft-ietf-ccwg-bbr, "Time Scale for Bandwidth Probing").

The draft throws dice, so that probes of different flows are spread over a second and a round. A controller has no dice
here, and must say the same when it hears the same. So the draw is a multiplicative hash (Knuth, TAOCP volume 3, section
6.4) of the bytes delivered so far. It is uniform, and two flows draw alike only if they have delivered the same to the
byte.
"""

_LEAST_WAIT = 2.0  # seconds, and up to one more
_MOST_ROUNDS = 63


class ProbeWait:
    """It is over after 2 to 3 s, or after as many rounds as Reno needs to grow by the BDP: one a packet."""

    def __init__(self) -> None:
        self._over_at = 0.0
        self._since_round = 0

    def start(self, *, delivered: int, rounds: int, now: float) -> None:
        """Wait from now on, in the round of this number, when so many bytes have been delivered in all."""
        draw = spread(delivered)
        self._since_round = rounds - int(2 * draw)  # a round less for half of the flows
        self._over_at = now + _LEAST_WAIT + 2 * draw % 1

    def is_over(self, *, packets: float, rounds: int, now: float) -> bool:
        """Whether to probe, where the path holds so many packets."""
        return now > self._over_at or rounds - self._since_round >= min(packets, _MOST_ROUNDS)


def spread(delivered: int) -> float:
    """A number from 0 to 1 for a number of bytes."""
    return (delivered * 2654435761) % 2**32 / 2**32
