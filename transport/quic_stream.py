"""quic-stream: one ordered QUIC stream per track. A lost packet holds back all frames behind it."""

from glassbench.transport.contract import Transport, TransportConfig
from glassbench.transport.quic.arms import stream_receiver, stream_sender
from glassbench.transport.quic.options import QuicOptions
from glassbench.transport.quic.session import BareSession
from glassbench.transport.quic.streams import StreamPer


def make_sender(config: TransportConfig) -> Transport:
    """The calling end."""
    return stream_sender(config, QuicOptions, BareSession, StreamPer.TRACK)


def make_receiver(config: TransportConfig) -> Transport:
    """The listening end."""
    return stream_receiver(config, QuicOptions, BareSession, StreamPer.TRACK)


ENDS = (make_sender, make_receiver)
