"""quic-stream-per-gop: one QUIC stream per group of pictures. A lost packet holds back the rest of its group only."""

from transport.contract import Transport, TransportConfig
from transport.quic.arms import stream_receiver, stream_sender
from transport.quic.options import QuicOptions
from transport.quic.session import BareSession
from transport.quic.streams import StreamPer


def make_sender(config: TransportConfig) -> Transport:
    """The calling end."""
    return stream_sender(config, QuicOptions, BareSession, StreamPer.GROUP)


def make_receiver(config: TransportConfig) -> Transport:
    """The listening end."""
    return stream_receiver(config, QuicOptions, BareSession, StreamPer.GROUP)


ENDS = (make_sender, make_receiver)
