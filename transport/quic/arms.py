"""How the pieces make an arm: a session, a way to carry frames, and the scheduler that the options ask for."""

from functools import partial
from typing import Any

from glassbench.transport.contract import TransportConfig
from glassbench.transport.quic.datagrams import DatagramCarrier
from glassbench.transport.quic.options import DatagramOptions, QuicOptions
from glassbench.transport.quic.receiver import QuicReceiver
from glassbench.transport.quic.scheduled_sender import ScheduledSender
from glassbench.transport.quic.sender import QuicSender, StockSender
from glassbench.transport.quic.session import Session
from glassbench.transport.quic.streams import StreamCarrier, StreamPer


def stream_sender(
    config: TransportConfig, options: type[QuicOptions], session: type[Session], per: StreamPer
) -> QuicSender:
    """The sending end of an arm with frames on streams."""
    chosen = options(**_given(config))
    return _scheduler(chosen)(config, chosen, session, partial(StreamCarrier, per))


def stream_receiver(
    config: TransportConfig, options: type[QuicOptions], session: type[Session], per: StreamPer
) -> QuicReceiver:
    """The receiving end of an arm with frames on streams."""
    return QuicReceiver(config, options(**_given(config)), session, per.value)


def datagram_sender(config: TransportConfig, options: type[DatagramOptions], session: type[Session]) -> QuicSender:
    """The sending end of an arm with frames in DATAGRAMs."""
    chosen = options(**_given(config))
    repair = chosen.repair and chosen.scheduled
    return _scheduler(chosen)(config, chosen, session, partial(DatagramCarrier, repair))


def datagram_receiver(config: TransportConfig, options: type[DatagramOptions], session: type[Session]) -> QuicReceiver:
    """The receiving end of an arm with frames in DATAGRAMs."""
    return QuicReceiver(config, options(**_given(config)), session, "datagram")


def _scheduler(options: QuicOptions) -> type[QuicSender]:
    return ScheduledSender if options.scheduled else StockSender


def _given(config: TransportConfig) -> dict[str, Any]:
    return dict(config.options)
