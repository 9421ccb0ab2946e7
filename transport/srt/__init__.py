"""srt: live mode of Secure Reliable Transport, by draft-sharabayko-srt and the behaviour of libsrt 1.5.

Bottom up:

    wire.py              packets and modular numbers
    handshake_packet.py  handshake packets (HSv5) and their extensions
    handshake.py         how caller and listener agree
    timing.py            round trip, and the peer's clock
    options.py           the settings, with libsrt's names
    bandwidth.py         how fast media and repair together may leave
    sending.py           send buffer: retransmission, pacing, TLPKTDROP
    estimate.py          the rate for an encoder that follows
    reordering.py        how long a gap may be reordering
    receiving.py         receive buffer: TSBPD, TLPKTDROP
    acknowledging.py     ACK, light ACK, periodic NAK
    connection.py        one connection of either role, carrying messages
    frames.py            messages back into frames
    ends.py              the two ends of the transport: start here

One fragment of `transport/framing.py` is one live message is one packet. Delivery is at sending time + network delay
at the start + latency, constant, as long as repair succeeds within the latency.
"""

from glassbench.transport.srt.ends import SrtReceiver, SrtSender
from glassbench.transport.srt.options import SrtOptions

__all__ = ["SrtOptions", "SrtReceiver", "SrtSender"]
