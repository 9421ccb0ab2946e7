"""Explicit Congestion Notification in QUIC (RFC 9000 sections 13.4 and 19.3.2): what was received with which mark, and
whether the peer's counts can be believed. Sans-IO.

A codepoint is that of RFC 3168: 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE.
"""

from typing import NamedTuple

from aioquic.quic.recovery import QuicPacketNumberWindow

ECT_0 = 2
_ECT_1 = 1
_CE = 3
_TESTED_PACKETS = 10  # RFC 9000 appendix A.4, as the next
_TESTED_TIME = 3.0  # seconds: three probe timeouts before a round-trip time is known


class EcnCounts(NamedTuple):
    """Packets of one packet number space by their codepoint, in the order of an ACK frame."""

    ect_0: int = 0
    ect_1: int = 0
    ce: int = 0


class Arriving:
    """The codepoint of the datagram that is being taken, and when it came: all packets in it have the same."""

    codepoint = 0
    at = 0.0


class CountingWindow(QuicPacketNumberWindow):
    """aioquic's memory of the packets received in one space, to which each is added once: here they are counted."""

    def __init__(self, arriving: Arriving) -> None:
        super().__init__()
        self.counts = EcnCounts()
        self._arriving = arriving

    def add(self, packet_number: int) -> None:
        super().add(packet_number)
        codepoint = self._arriving.codepoint
        if codepoint:
            ect_0, ect_1, ce = self.counts
            self.counts = EcnCounts(
                ect_0 + (codepoint == ECT_0), ect_1 + (codepoint == _ECT_1), ce + (codepoint == _CE)
            )


class EcnMarking:
    """The sender's side: packets leave as ECT(0) as long as the peer's counts make sense (section 13.4.2).

    `acked` is told of each ACK; a path or a peer that loses, changes or does not count the marks ends the marking.
    """

    def __init__(self) -> None:
        self.active = True
        self._counts: dict[object, EcnCounts] = {}  # by packet number space
        self._lost = 0
        self._confirmed = False
        self._began_at: float | None = None

    def acked(self, space: object, newly_acked: int, counts: EcnCounts | None, *, sent: int) -> int:
        """How many more packets the peer says were marked CE, by an ACK that acknowledges so many new packets.

        `sent` packets were sent in all, which no honest count exceeds.
        """
        if not self.active or not newly_acked:
            return 0
        before = self._counts.get(space, EcnCounts())
        if counts is None or not _plausible(before, counts, newly_acked, sent):
            self.active = False
            return 0
        self._confirmed = True
        self._counts[space] = counts
        return counts.ce - before.ce

    def sent(self, *, now: float) -> None:
        """Packets left: if none of them is acknowledged in three seconds, the marks may be the reason."""
        if self._began_at is None:
            self._began_at = now
        if not self._confirmed and now > self._began_at + _TESTED_TIME:
            self.active = False

    def lost(self, packets: int) -> None:
        """Packets were lost. If the first ones are among them and nothing arrives, the marks may be the reason."""
        self._lost += packets
        if not self._confirmed and self._lost >= _TESTED_PACKETS:
            self.active = False


def _plausible(before: EcnCounts, counts: EcnCounts, newly_acked: int, sent: int) -> bool:
    """Section 13.4.2.1: nothing was sent as ECT(1), and each packet acknowledged was counted as ECT(0) or CE."""
    grew = counts.ect_0 - before.ect_0 + counts.ce - before.ce
    return (
        counts.ect_1 == 0
        and counts.ect_0 >= before.ect_0
        and counts.ce >= before.ce
        and grew >= newly_acked
        and counts.ect_0 + counts.ce <= sent
    )
