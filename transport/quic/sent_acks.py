"""A bound on what aioquic keeps of packets that ask for no acknowledgement.

It keeps each packet until that is acknowledged, and an end that only receives sends little but ACKs, which a peer
acknowledges by chance (RFC 9000 section 13.2.4): it would grow for as long as the connection lasts.
"""

from aioquic.quic.recovery import QuicPacketSpace

KEPT = 4096


def forget_old_acks(space: QuicPacketSpace) -> None:
    """Forget all but the last KEPT of them, when there are twice as many. What is in flight is never forgotten."""
    if len(space.sent_packets) < 2 * KEPT:
        return
    mere = [number for number, packet in space.sent_packets.items() if not packet.in_flight]
    for number in mere[:-KEPT]:
        del space.sent_packets[number]
