"""When an end acknowledges at once, where it would else wait a little to save packets."""

from aioquic.quic.recovery import QuicPacketSpace

_PACKETS_AT_START = 100  # the peer's window is small and grows with ACKs; Chromium's kMinReceivedBeforeAckDecimation
_PACKETS_AFTER_GAP = 4  # the one that shows it and three more: kPacketThreshold of RFC 9002 6.1.1


class AckPolicy:
    """RFC 9000 13.2.1: a packet out of order is acknowledged at once; so are the few that prove the loss, and the first
    of a connection."""

    def __init__(self) -> None:
        self._ranges = 0
        self._at_once = 0

    def hasten(self, space: QuicPacketSpace, *, now: float) -> None:
        """A packet of the peer was taken: let its acknowledgement be due now if it cannot wait."""
        if space.ack_at is None:
            return
        if len(space.ack_queue) != self._ranges:
            self._ranges = len(space.ack_queue)
            self._at_once = _PACKETS_AFTER_GAP
        if self._at_once or space.largest_received_packet < _PACKETS_AT_START:
            self._at_once = max(0, self._at_once - 1)
            space.ack_at = now
