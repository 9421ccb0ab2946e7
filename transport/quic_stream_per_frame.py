"""quic-stream-per-frame: one QUIC stream per frame. A lost packet holds back its own frame only."""

from glassbench.transport.contract import Transport, TransportConfig
from glassbench.transport.quic.arms import stream_receiver, stream_sender
from glassbench.transport.quic.options import QuicOptions
from glassbench.transport.quic.session import BareSession
from glassbench.transport.quic.streams import StreamPer


def make_sender(config: TransportConfig) -> Transport:
    """The calling end."""
    return stream_sender(config, QuicOptions, BareSession, StreamPer.FRAME)


def make_receiver(config: TransportConfig) -> Transport:
    """The listening end."""
    return stream_receiver(config, QuicOptions, BareSession, StreamPer.FRAME)


ENDS = (make_sender, make_receiver)
