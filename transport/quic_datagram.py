"""quic-datagram: fragments in QUIC DATAGRAMs (RFC 9221), repaired within the deadline by our own retransmission."""

from glassbench.transport.contract import Transport, TransportConfig
from glassbench.transport.quic.arms import datagram_receiver, datagram_sender
from glassbench.transport.quic.session import BareSession


def make_sender(config: TransportConfig) -> Transport:
    """The calling end."""
    return datagram_sender(config, BareSession)


def make_receiver(config: TransportConfig) -> Transport:
    """The listening end."""
    return datagram_receiver(config, BareSession)


ENDS = (make_sender, make_receiver)
