"""aioquic's connection with what live video needs: when to acknowledge, to probe, and how large a datagram may be.

- ACKs: not after every millisecond, but at once where they cannot wait (`ack_policy.py`).
- Probes: at a steady pace while nothing is acknowledged, where RFC 9002's backoff doubles without bound.
- Size: a caller finds out what the path carries (`path_mtu.py`); aioquic keeps the size with which it began.
- ECN: marks, their counts, and whether they can be believed (`ecn.py`, `marked.py`).
- Early data: whether it may leave, what of it fits a packet, and its repetition if the listener refused it.
"""

from typing import Any

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnectionState
from aioquic.quic.events import ConnectionTerminated, QuicEvent
from aioquic.quic.packet import QuicErrorCode, QuicPacketType
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketPacer
from aioquic.tls import Epoch, SessionTicketFetcher

from glassbench.transport.contract import Address
from glassbench.transport.quic.ack_policy import AckPolicy
from glassbench.transport.quic.chance import Chance
from glassbench.transport.quic.control import ControlAdapter
from glassbench.transport.quic.ecn import ECT_0
from glassbench.transport.quic.loss import LossDetection
from glassbench.transport.quic.marked import MarkedConnection
from glassbench.transport.quic.observed import Reports
from glassbench.transport.quic.path_mtu import BASE_BYTES, PathMtu
from glassbench.transport.quic.sent_acks import forget_old_acks

_ACK_DELAY = 0.005  # RFC 9000 13.2.1 allows up to the announced max_ack_delay, 25 ms in aioquic
_REPORT_ACK_DELAY = 0.025  # the most that aioquic announces: acknowledgements of reports go with media
_PROBE_INTERVAL = 0.1
_INSTANT = 1e-6
_HANDSHAKE_PACKETS = 10
NO_ERROR = (QuicErrorCode.NO_ERROR, 0x100)  # of QUIC and of HTTP/3
_ENDED = (QuicConnectionState.CLOSING, QuicConnectionState.DRAINING, QuicConnectionState.TERMINATED)


class Stack(MarkedConnection):
    """A QUIC connection: with `scheduled`, our ACK policy and probes; else aioquic as it is, observed.

    `path_mtu` is the search of an end that sends media; without it datagrams stay at the size of the configuration.
    With `timed` the listener reports when packets arrived.
    """

    def __init__(
        self,
        reports: Reports,
        *,
        configuration: QuicConfiguration,
        chance: Chance,
        scheduled: bool,
        ecn: bool = False,
        timed: bool = False,
        path_mtu: PathMtu | None = None,
        original_destination_connection_id: bytes | None = None,
        session_ticket_fetcher: SessionTicketFetcher | None = None,
    ) -> None:
        with chance:
            super().__init__(
                reports,
                configuration=configuration,
                ecn=ecn,
                timed=timed,
                original_destination_connection_id=original_destination_connection_id,
                session_ticket_fetcher=session_ticket_fetcher,
            )
        self._chance = chance
        self._scheduled = scheduled
        self._detection = self._learning_detection() if scheduled else None
        control = self._loss._cc
        self.control = control if isinstance(control, ControlAdapter) else None
        self._path_mtu = path_mtu
        if self.control is not None:
            self.control.path_mtu = path_mtu
        if self._detection is not None:
            self._detection.path_mtu = path_mtu
        if scheduled:
            self._loss._pacer = _Unpaced(max_datagram_size=configuration.max_datagram_size)
            self._ack_delay = _REPORT_ACK_DELAY if timed and configuration.is_client else _ACK_DELAY
        self._ack_policy = AckPolicy()
        self._largest_acked = 0
        self._alive_at = 0.0  # the last sign of the peer, or when something was first sent into a quiet connection
        self._probed_at = 0.0
        self._transmitted_at = 0.0
        self._acted = True  # something happened since the last transmit that a packet may have to tell
        self._early_data_settled = False

    @property
    def started(self) -> bool:
        """Whether the first packet of the peer, or our own call of `connect`, brought the connection to life."""
        return self._close_at is not None or self._close_event is not None

    @property
    def progressed(self) -> bool:
        """Whether a packet of the peer was authentic."""
        return self._state is not QuicConnectionState.FIRSTFLIGHT

    @property
    def sends_early_data(self) -> bool:
        """Whether what is handed over leaves in 0-RTT packets: the caller resumes, and has no better keys yet."""
        return self._is_client and self.started and self._cryptos[Epoch.ZERO_RTT].send.is_valid()

    @property
    def resumed(self) -> bool:
        """Whether both ends proved that they know the secret of an earlier session, instead of by a certificate."""
        return self.tls.session_resumed

    @property
    def terminated(self) -> ConnectionTerminated | None:
        """How the connection ended, as soon as it has: aioquic's event comes after the draining period only."""
        return self._close_event if self._state in _ENDED else None

    @property
    def has_refused(self) -> bool:
        """Whether we ended the connection, for something that the peer did."""
        ending = self._close_event
        return self._state is QuicConnectionState.CLOSING and ending is not None and ending.error_code not in NO_ERROR

    @property
    def rtt(self) -> float:
        """The smoothed round-trip time in seconds, 0 before the first sample."""
        return self._loss._rtt_smoothed

    def silence(self, *, now: float) -> float:
        """For how many seconds the peer has acknowledged nothing of what waits for that; 0 if nothing does."""
        return now - self._alive_at if self._in_flight() else 0.0

    @property
    def spurious_losses(self) -> int:
        """How many of the packets that were declared lost arrived after all."""
        return self._detection.spurious if self._detection is not None else 0

    @property
    def codepoint(self) -> int:
        """The ECN codepoint with which datagrams leave (RFC 3168)."""
        return ECT_0 if self.marking is not None and self.marking.active else 0

    @property
    def peer_certificate(self) -> Any:
        """What the peer presented, proven by its signature but not verified against anything."""
        return self.tls._peer_certificate

    def call(self, peer: Address, *, now: float) -> None:
        """Begin the handshake."""
        with self._chance:
            self.connect(peer, now)

    def take_event(self) -> QuicEvent | None:
        """The next event, or None. aioquic's `next_event` raises and catches an exception to find that there is
        none."""
        return self._events.popleft() if self._events else None

    @property
    def datagram_bytes(self) -> int:
        """What a UDP payload may have now."""
        return self._path_mtu.size_bytes if self._path_mtu is not None else self._max_datagram_size

    def max_datagram_payload(self) -> int:
        """The largest DATAGRAM that fits one packet; a larger one would block all that follow it for ever."""
        header_and_tag = 1 + len(self._peer_cid.cid) + 2 + 16
        if self.sends_early_data:  # a long header: version, two lengths of ids, our id, the length of the packet
            header_and_tag += 4 + 2 + len(self.host_cid) + 2
        room = self.datagram_bytes - header_and_tag - 3
        accepted = self._remote_max_datagram_frame_size
        return room if accepted is None else min(room, accepted - 3)

    def may_open_stream(self) -> bool:
        """Whether the peer has room for one more of our unidirectional streams.

        A stream beyond the peer's limit waits, and to reset it while it waits is an error that ends the connection.
        """
        return self._local_next_stream_id_uni // 4 < self._remote_max_streams_uni

    def discard_stream_data(self, stream_id: int, error_code: int) -> None:
        """Ask the peer to stop sending on a stream."""
        if stream_id in self._streams:
            self.stop_stream(stream_id, error_code)

    def has_id(self, connection_id: bytes) -> bool:
        """Whether the peer may have this connection id for us (RFC 9000 section 5.1)."""
        return any(own.cid == connection_id for own in self._host_cids)

    @property
    def probe_due(self) -> bool:
        """Whether the next call of `transmit` sends a probe; it may carry a packet of data."""
        return self._probe_pending

    def transmit(self, packets: int, *, now: float) -> list[tuple[bytes, Address]]:
        """The datagrams to send. Under our control at most `packets` of them are more than mere ACKs, except in a pure
        handshake."""
        if self._nothing_to_send(now=now):
            return []
        if self.control is not None:
            carries_media = self._handshake_complete or self.sends_early_data
            self.control.permit(packets if carries_media else max(packets, _HANDSHAKE_PACKETS))
        if self._path_mtu is not None:  # a probe for life has to pass wherever anything passes
            self._max_datagram_size = BASE_BYTES if self._probe_pending else self._path_mtu.size_bytes
        self._transmitted_at = now
        self._acted = False
        quiet = not self._in_flight()
        datagrams = more = self.datagrams_to_send(now)
        while more and self.sends_early_data:
            # Early packets share datagrams, and a DATAGRAM that finds no room behind another packet ends aioquic's
            # loop instead of the datagram.
            more = self.datagrams_to_send(now)
            datagrams = datagrams + more
        if self.marking is not None and datagrams:
            self.marking.sent(now=now)
        if quiet and datagrams:
            self._alive_at = now
        if self._loss.spaces:
            forget_old_acks(self._loss.spaces[-1])
        return datagrams

    def probe_path(self, *, now: float) -> list[tuple[bytes, Address]]:
        """A datagram that is larger than others may be, if it is to be known whether that passes (RFC 9000 14.4)."""
        if self._path_mtu is None or not self._handshake_confirmed or self._close_pending or self._state in _ENDED:
            return []
        size = self._path_mtu.probe_bytes(now=now)
        if size is None:
            return []
        self._path_mtu.on_probe_sent(self._packet_number, size)
        return self._padded_ping(size, now=now)

    def pad(self, *, now: float) -> list[tuple[bytes, Address]]:
        """A full datagram with nothing in it, for a controller that wants to see more arrive than there is to say."""
        if not self._handshake_confirmed or self._close_pending or self._state in _ENDED:
            return []
        return self._padded_ping(self.datagram_bytes, now=now)

    def _padded_ping(self, size: int, *, now: float) -> list[tuple[bytes, Address]]:
        """A PING in a datagram of that size."""
        assert self._version is not None  # the handshake is over
        builder = QuicPacketBuilder(
            host_cid=self.host_cid,
            is_client=self._is_client,
            max_datagram_size=size,
            packet_number=self._packet_number,
            peer_cid=self._peer_cid.cid,
            quic_logger=self._quic_logger,
            spin_bit=self._spin_bit,
            version=self._version,
        )
        builder.start_packet(QuicPacketType.ONE_RTT, self._cryptos[Epoch.ONE_RTT])
        self._write_ping_frame(builder, comment="padded")
        builder._datagram_needs_padding = True
        if not self._in_flight():
            self._alive_at = now
        return self._flush_builder(builder, self._network_paths[0], self._peer_cid.cid, now)

    def take(self, data: bytes, peer: Address, ecn: int, *, now: float) -> None:
        """One datagram of the network, with its ECN codepoint."""
        if self.arriving is not None:
            self.arriving.codepoint = ecn
            self.arriving.at = now
        with self._chance:
            self.receive_datagram(data, peer, now)
        largest = self._loss.spaces[-1].largest_acked_packet if self._loss.spaces else 0
        if largest != self._largest_acked:
            self._largest_acked = largest
            self._alive_at = now
            self._acted = True  # what was found lost may be more than stream data
        if self._handshake_complete and not self._early_data_settled:
            self._settle_early_data(now=now)
        if self._scheduled and self._handshake_complete:
            self._ack_policy.hasten(self._loss.spaces[-1], now=now)

    def ack_due(self, *, now: float) -> bool:
        """Whether the next call of `transmit` acknowledges packets of the open connection."""
        at = self._loss.spaces[-1].ack_at if self._loss.spaces else None
        return at is not None and at <= now

    def due_at(self) -> float | None:
        """When `tick` is due.

        Never the instant of the last `transmit`: while it paces, aioquic holds an ACK back that is due at that very
        instant.
        """
        at = self.get_timer() if self.started else None
        if at is None:
            return None
        probe_at = self._probe_at()
        if probe_at is not None and probe_at < at:
            at = probe_at
        return max(at, self._transmitted_at + _INSTANT)

    def tick(self, *, now: float) -> None:
        """Act on the timers."""
        at = self.get_timer() if self.started else None
        if at is not None and now >= at:
            self.handle_timer(now)
            self.settle(now=now)
            self._acted = True
        probe_at = self._probe_at()
        if probe_at is not None and now >= probe_at:
            self._probed_at = now
            self._probe_pending = True  # a probe may exceed the congestion window, which a lost flight fills

    def _settle_early_data(self, *, now: float) -> None:
        """The early data that the listener refused never arrived. Have it repeated; congestion did not lose it (RFC
        9002 section 6.4)."""
        self._early_data_settled = True
        space = self._loss.spaces[-1]
        early = [packet for packet in space.sent_packets.values() if packet.packet_type is QuicPacketType.ZERO_RTT]
        if early and not self.tls.early_data_accepted:
            self._loss._on_packets_lost(congestion_event=False, now=now, packets=early, space=space)

    def _in_flight(self) -> int:
        """Packets of the open connection that ask for an acknowledgement."""
        return self._loss.spaces[-1].ack_eliciting_in_flight if self._loss.spaces else 0

    def _nothing_to_send(self, *, now: float) -> bool:
        """Whether there is nothing to send. Most packets that come need no answer yet, and to ask aioquic costs as much
        as a packet. If a packet of the peer gives cause to say something else, that goes with its acknowledgement, in a
        few milliseconds."""
        if not self._scheduled or self._acted or not self._handshake_confirmed or self._close_pending:
            return False
        ack_at = self._loss.spaces[-1].ack_at
        if ack_at is not None and ack_at <= now:
            return False
        return not self._probe_pending and not self._datagrams_pending and not self.has_stream_data()

    def _probe_at(self) -> float | None:
        if not self._scheduled or not self._handshake_confirmed or self._state in _ENDED or not self._in_flight():
            return None
        return max(self._alive_at + self._loss.get_probe_timeout(), self._probed_at + _PROBE_INTERVAL)

    def _learning_detection(self) -> LossDetection:
        """Loss detection that learns. It takes the place of aioquic's own, which has not been used yet."""
        configuration = self._configuration
        self._loss = detection = LossDetection(
            congestion_control_algorithm=configuration.congestion_control_algorithm,
            initial_rtt=configuration.initial_rtt,
            max_datagram_size=self._max_datagram_size,
            peer_completed_address_validation=not self._is_client,
            quic_logger=self._quic_logger,
            send_probe=self._send_probe,
            logger=self._logger,
        )
        return detection

    def settle(self, *, now: float) -> None:
        """Tell the controller what became of packets. After `take` this waits until the events are handled, since a
        report of receive times is one of them."""
        if self.control is None:
            return
        before = self.datagram_bytes
        if self._detection is not None and (since := self._detection.take_spurious_since()) is not None:
            self.control.flight.undo_losses(since=since, now=now)
        lost_before = self.control.lost_packets
        self.control.flush(self._loss._rtt_latest, self._loss.get_probe_timeout(), self.ce_packets, now=now)
        self.ce_packets = 0
        if self.marking is not None:
            self.marking.lost(self.control.lost_packets - lost_before)
        if self.datagram_bytes != before:
            self.control.resize(self.datagram_bytes, now=now)
            if self.datagram_bytes < before:
                self._reports.on_path_narrowed()
                self._repeat_larger(now=now)

    def _repeat_larger(self, *, now: float) -> None:
        """Packets on their way that are larger than the path carries will not arrive. Have them repeated; congestion
        did not lose them."""
        space = self._loss.spaces[-1]
        larger = [packet for packet in space.sent_packets.values() if packet.sent_bytes > self.datagram_bytes]
        self._loss._on_packets_lost(congestion_event=False, now=now, packets=larger, space=space)


class _Unpaced(QuicPacketPacer):
    """A pacer that does nothing. aioquic's derives its rate from the window, which under our control is a permit and
    means nothing."""

    def update_rate(self, congestion_window: int, smoothed_rtt: float) -> None:
        pass
