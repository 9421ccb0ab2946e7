"""quic-stream-per-gop: one QUIC stream per group of pictures. A lost packet holds back the rest of its group only."""

from glassbench.transport.contract import Transport, TransportConfig
from glassbench.transport.quic.arms import stream_receiver, stream_sender
from glassbench.transport.quic.options import QuicOptions
from glassbench.transport.quic.session import BareSession
from glassbench.transport.quic.streams import StreamPer


def make_sender(config: TransportConfig) -> Transport:
    """The calling end."""
    return stream_sender(config, QuicOptions, BareSession, StreamPer.GROUP)


def make_receiver(config: TransportConfig) -> Transport:
    """The listening end."""
    return stream_receiver(config, QuicOptions, BareSession, StreamPer.GROUP)


ENDS = (make_sender, make_receiver)
