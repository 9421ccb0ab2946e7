"""webtransport-stream-per-frame: one unidirectional WebTransport stream per frame, as a browser can take them."""

from glassbench.transport.contract import Transport, TransportConfig
from glassbench.transport.quic.arms import stream_receiver, stream_sender
from glassbench.transport.quic.options import QuicOptions
from glassbench.transport.quic.streams import StreamPer
from glassbench.transport.quic.webtransport import WebTransportSession


def make_sender(config: TransportConfig) -> Transport:
    """The calling end."""
    return stream_sender(config, QuicOptions, WebTransportSession, StreamPer.FRAME)


def make_receiver(config: TransportConfig) -> Transport:
    """The listening end."""
    return stream_receiver(config, QuicOptions, WebTransportSession, StreamPer.FRAME)


ENDS = (make_sender, make_receiver)
