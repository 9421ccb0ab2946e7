"""Our congestion control behind aioquic's public hooks, with aioquic's own window reduced to a permit per call."""

import math
from collections.abc import Iterable
from functools import partial
from typing import Any

from aioquic.quic.congestion.base import QuicCongestionControl, register_congestion_control
from aioquic.quic.packet_builder import QuicSentPacket

from glassbench.transport.congestion import ControllerEntry
from glassbench.transport.congestion.flight import Flight
from glassbench.transport.congestion.window import WindowController
from glassbench.transport.quic.path_mtu import PathMtu, SentSize


class ControlAdapter(QuicCongestionControl):
    """Collects aioquic's per-packet reports and passes them to a controller of ours, one call per ACK.

    aioquic sends while `congestion_window` exceeds `bytes_in_flight`: `permit` opens it for a number of packets.
    """

    def __init__(self, entry: ControllerEntry, *, max_datagram_size: int) -> None:
        super().__init__(max_datagram_size=max_datagram_size)
        self.name = entry.name
        controller = entry.make(max_datagram_bytes=max_datagram_size)
        self.received_at: dict[int, float] | None = {} if "receive-times" in entry.needs else None
        self.flight = Flight(controller, max_datagram_bytes=max_datagram_size)
        self.lost_packets = 0
        self.ce_packets = 0
        self.path_mtu: PathMtu | None = None  # told of every packet too, and its probes are no congestion
        self._packet = max_datagram_size
        self._acked: list[SentSize] = []
        self._lost: list[SentSize] = []
        self._rtt_sampled = False

    def permit(self, packets: int) -> None:
        """Let the next call of aioquic send this many packets that count as in flight (ACKs always go)."""
        self.congestion_window = self.bytes_in_flight + packets * self._packet

    def flush(self, latest_rtt: float, probe_timeout: float, ce_packets: int, *, now: float) -> None:
        """Report what the last call into aioquic brought. `latest_rtt` is the sample without the peer's ACK delay; a
        queue marked `ce_packets` of the acknowledged packets."""
        if not self._acked and not self._lost:
            return
        acked, lost, self._acked, self._lost = self._acked, self._lost, [], []
        lost_numbers = self._set_probes_aside([packet.number for packet in lost])
        self.lost_packets += len(lost_numbers)
        self.ce_packets += ce_packets
        self.flight.on_settled(
            [packet.number for packet in acked],
            lost_numbers,
            rtt=latest_rtt if self._rtt_sampled else None,
            probe_timeout=probe_timeout,
            ce_packets=ce_packets,
            received_at=self.received_at,
            now=now,
        )
        if self.received_at is not None:
            self.received_at = {}
        self._rtt_sampled = False
        if self.path_mtu is not None:
            self.path_mtu.on_packets(acked, lost, now=now)

    def resize(self, max_datagram_size: int, *, now: float) -> None:
        """Packets may have another size from now on. What was lost by its size was no congestion."""
        if max_datagram_size < self._packet:
            self.flight.undo_losses(since=-math.inf, now=now)
        self._packet = max_datagram_size
        self.flight.resize(max_datagram_size)

    def _set_probes_aside(self, numbers: list[int]) -> list[int]:
        """The loss of a probe says something about its size and nothing about congestion (RFC 9000 14.4)."""
        probes = [number for number in numbers if self.path_mtu is not None and self.path_mtu.is_probe(number)]
        self.flight.discard(probes)
        return [number for number in numbers if number not in probes]

    def on_packet_acked(self, *, now: float, packet: QuicSentPacket) -> None:
        self.bytes_in_flight -= packet.sent_bytes
        self._acked.append(SentSize(packet.packet_number, packet.sent_bytes))

    def on_packet_sent(self, *, packet: QuicSentPacket) -> None:
        assert packet.sent_time is not None
        self.bytes_in_flight += packet.sent_bytes
        self.flight.on_sent(packet.packet_number, packet.sent_bytes, now=packet.sent_time)

    def on_packets_expired(self, *, packets: Iterable[QuicSentPacket]) -> None:
        expired = list(packets)
        self.bytes_in_flight -= sum(packet.sent_bytes for packet in expired)
        self.flight.discard([packet.packet_number for packet in expired])
        if self.path_mtu is not None:
            probes = [packet for packet in expired if self.path_mtu.is_probe(packet.packet_number)]
            self._lost += [SentSize(packet.packet_number, packet.sent_bytes) for packet in probes]

    def on_packets_lost(self, *, now: float, packets: Iterable[QuicSentPacket]) -> None:
        lost = list(packets)
        self.bytes_in_flight -= sum(packet.sent_bytes for packet in lost)
        self._lost += [SentSize(packet.packet_number, packet.sent_bytes) for packet in lost]

    def on_persistent_congestion(self) -> None:
        """Nothing: `Flight` finds it by itself."""

    def on_rtt_measurement(self, *, now: float, rtt: float) -> None:
        self._rtt_sampled = True

    def get_log_data(self) -> dict[str, Any]:
        """For the qlog: window and pacing (bit/s) of the controller, where aioquic's own window is a permit."""
        allowance, controller = self.flight.allowance, self.flight.controller
        data: dict[str, Any] = {
            "cwnd": allowance.window_bytes,
            "bytes_in_flight": self.bytes_in_flight,
            "pacing_rate": round(allowance.pacing_bps),
        }
        if isinstance(controller, WindowController) and math.isfinite(controller.threshold):
            data["ssthresh"] = int(controller.threshold)
        return data


class _Uncontrolled(QuicCongestionControl):
    """For a listener that sends nothing but ACKs, each with a report of some bytes: there is one for several packets
    that arrived, so that congestion of the way there slows them down, too (RFC 9002 section 7 on ACKs)."""

    def __init__(self, *, max_datagram_size: int) -> None:
        super().__init__(max_datagram_size=max_datagram_size)
        self._open()

    def _open(self) -> None:
        self.congestion_window = self.bytes_in_flight + 2**20

    def on_packet_acked(self, *, now: float, packet: QuicSentPacket) -> None:
        self.bytes_in_flight -= packet.sent_bytes
        self._open()

    def on_packet_sent(self, *, packet: QuicSentPacket) -> None:
        self.bytes_in_flight += packet.sent_bytes
        self._open()

    def on_packets_expired(self, *, packets: Iterable[QuicSentPacket]) -> None:
        self.bytes_in_flight -= sum(packet.sent_bytes for packet in packets)
        self._open()

    def on_packets_lost(self, *, now: float, packets: Iterable[QuicSentPacket]) -> None:
        self.on_packets_expired(packets=packets)

    def on_persistent_congestion(self) -> None:
        pass

    def on_rtt_measurement(self, *, now: float, rtt: float) -> None:
        pass

    def get_log_data(self) -> dict[str, Any]:
        return {"bytes_in_flight": self.bytes_in_flight}


UNCONTROLLED = "glassbench-uncontrolled"
register_congestion_control(UNCONTROLLED, _Uncontrolled)


def registered_name(entry: ControllerEntry) -> str:
    """Enter a controller of ours, or of a package, into aioquic's table, and return the name that it has there. aioquic
    has controllers of its own with the same names."""
    name = f"glassbench-{entry.name}"
    register_congestion_control(name, partial(ControlAdapter, entry))
    return name
