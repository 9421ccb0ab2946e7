"""Ends of WebTransport for strangers: one that listens and sends to a browser, and one that calls and watches."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from glassbench.transport.contract import TransportConfig, Unsupported
from glassbench.transport.quic.carrier import Carrier, CountUp, Emit
from glassbench.transport.quic.datagrams import DatagramCarrier
from glassbench.transport.quic.estimating_receiver import EstimatingReceiver
from glassbench.transport.quic.options import DatagramOptions
from glassbench.transport.quic.receiver import QuicReceiver, Unit
from glassbench.transport.quic.scheduled_sender import ScheduledSender
from glassbench.transport.quic.service import Service, Visit
from glassbench.transport.quic.session import Session
from glassbench.transport.quic.stack import Stack
from glassbench.transport.quic.streams import StreamCarrier, StreamPer
from glassbench.transport.quic.webtransport import WebTransportSession

Mapping = Literal["datagram", "stream-per-frame", "stream-per-gop", "stream"]
"""What a frame travels in."""


class _Carried(NamedTuple):
    """What shares a stream, None without streams; and in what unit losses are known."""

    per: StreamPer | None
    unit: Unit


MAPPINGS: dict[Mapping, _Carried] = {
    "datagram": _Carried(None, "datagram"),
    "stream-per-frame": _Carried(StreamPer.FRAME, "frame"),
    "stream-per-gop": _Carried(StreamPer.GROUP, "group"),
    "stream": _Carried(StreamPer.TRACK, "track"),
}


def served_sender(config: TransportConfig, service: Service, mapping: Callable[[], Mapping]) -> ScheduledSender:
    """An end that listens, and sends with our scheduler to whom the service lets in. `mapping` is asked once a caller
    is let in. Raises Unsupported for a controller that asks the other end for receive times: a page sees no packets."""
    options = DatagramOptions(**dict(config.options))  # type: ignore[arg-type]
    if not options.scheduled or options.timed:
        raise Unsupported(f"control={options.control} needs to know when packets arrive, and a page does not see them")

    def carrier(stack: Stack, session: Session, emit: Emit, count_up: CountUp) -> Carrier:
        per = MAPPINGS[mapping()].per
        if per is None:
            return DatagramCarrier(options.repair, stack, session, emit, count_up)
        return StreamCarrier(per, stack, session, emit, count_up)

    return ScheduledSender(config, options, WebTransportSession, carrier, service)


def served_receiver(
    config: TransportConfig, service: Service, mapping: Callable[[], Mapping], track: int
) -> EstimatingReceiver:
    """An end that listens, and receives from whom the service lets in; of the frames of `track` it estimates the rate.
    `mapping` is asked once a caller is let in. A page cannot repair what goes in DATAGRAMs."""
    options = DatagramOptions(**{**dict(config.options), "repair": False})  # type: ignore[arg-type]
    return EstimatingReceiver(config, options, service, lambda: MAPPINGS[mapping()].unit, track)


def visiting_receiver(mapping: Mapping, config: TransportConfig, visit: Visit) -> QuicReceiver:
    """An end that calls what `served_sender` made, and watches it as a browser would."""
    options = DatagramOptions(**dict(config.options))  # type: ignore[arg-type]
    return QuicReceiver(config, options, WebTransportSession, MAPPINGS[mapping].unit, visit=visit)
