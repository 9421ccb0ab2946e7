"""webtransport-datagram: fragments in HTTP/3 datagrams (RFC 9297) of a WebTransport session, repaired as in quic-
datagram.
"""

from glassbench.transport.contract import Transport, TransportConfig
from glassbench.transport.quic.arms import datagram_receiver, datagram_sender
from glassbench.transport.quic.webtransport import WebTransportSession


def make_sender(config: TransportConfig) -> Transport:
    """The calling end."""
    return datagram_sender(config, WebTransportSession)


def make_receiver(config: TransportConfig) -> Transport:
    """The listening end."""
    return datagram_receiver(config, WebTransportSession)


ENDS = (make_sender, make_receiver)
