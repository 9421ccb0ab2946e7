"""Persistent congestion (RFC 9002 section 7.6): all that was sent over a long time got lost, so the path is taken for
another one."""

from collections.abc import Iterable

from glassbench.transport.congestion.controller import SentPacket

_TIMEOUTS = 3  # kPersistentCongestionThreshold, RFC 9002 section 7.6.1


class Silence:
    """The time from the sending of the first lost packet to that of the last, if no packet between them arrived."""

    def __init__(self) -> None:
        self._sampled_at: float | None = None  # when the first round-trip time was known: what was sent before is moot
        self._newest_acked_at = -1.0  # when it was sent
        self._since: float | None = None

    def sampled(self, *, now: float) -> None:
        """A round-trip time was measured."""
        if self._sampled_at is None:
            self._sampled_at = now

    def lost(self, packets: Iterable[SentPacket]) -> None:
        """Packets were lost, or given up."""
        for packet in packets:
            if self._sampled_at is None or packet.at <= max(self._sampled_at, self._newest_acked_at):
                continue
            if self._since is None or packet.at < self._since:
                self._since = packet.at

    def ends(self, arrived: Iterable[SentPacket], lost: Iterable[SentPacket], probe_timeout: float) -> bool:
        """Whether one ACK, or the loss timer, shows persistent congestion, given RFC 9002's PTO in seconds."""
        self.lost(lost)
        if (since := self._since) is None:
            self._pass(arrived)
            return False
        broken_at = min((packet.at for packet in arrived if packet.at >= since), default=float("inf"))
        until = max((packet.at for packet in lost if packet.at < broken_at), default=since)
        self._pass(arrived)
        return until - since > _TIMEOUTS * probe_timeout

    def _pass(self, arrived: Iterable[SentPacket]) -> None:
        for packet in arrived:
            self._newest_acked_at = max(self._newest_acked_at, packet.at)
        if self._since is not None and self._since <= self._newest_acked_at:
            self._since = None
