"""A media controller inside a transport's window, as media meet it whose QUIC stack has a congestion control of its own
(draft-ietf-avtcore-rtp-over-quic, on congestion control): what may leave is the lesser of what the two allow.

Both are told of everything that is sent and heard, each as if it were alone:

- To the window the media controller is the application. A window that was never full is not the limit, however full
  that of the other was; and while the media controller holds packets back, the application has nothing to send.
- To the media controller the window is a part of the path.

The application is told the target of the media controller, and not more than the window carries: itself in a round
trip. A probe is padded only if the window lets it leave at its rate.
"""

from dataclasses import replace

from glassbench.transport.congestion.controller import (
    Allowance,
    Controller,
    Feedback,
    FramePlanner,
    MakeController,
    SentPacket,
)
from glassbench.transport.congestion.frame_budget import LEAST_SHARE
from glassbench.transport.round_trip import RoundTrip

_UNPACED_BPS = 1e12  # a rate that holds nothing back


class _Part:
    """One of the two, with notes of its own on the packets around which its window was full."""

    def __init__(self, controller: Controller, *, max_datagram_bytes: int) -> None:
        self.controller = controller
        self._packet = max_datagram_bytes
        self._full_number = -1  # the newest packet in flight when the window was last full

    def on_sent(self, packet: SentPacket) -> SentPacket:
        """Returns the packet with this controller's memo."""
        if packet.in_flight_bytes + self._packet > self.controller.allowance.window_bytes:
            self._full_number = packet.number
        own = replace(packet)
        self.controller.on_sent(own)
        return own

    def on_feedback(self, feedback: Feedback, own: list[SentPacket]) -> None:
        """`own` are the packets of the results, as `on_sent` returned them."""
        results = tuple(
            result._replace(packet=packet, app_limited=packet.number > self._full_number)
            for result, packet in zip(feedback.results, own, strict=True)
        )
        self.controller.on_feedback(feedback._replace(results=results))

    def resize(self, max_datagram_bytes: int) -> None:
        self._packet = max_datagram_bytes
        self.controller.resize(max_datagram_bytes)

    def handle_timer(self, *, now: float) -> None:
        at = self.controller.get_timer()
        if at is not None and at <= now:
            self.controller.handle_timer(now=now)


class NestedController:
    """The `Controller` made of two. `media` gives the rates, `window` bounds them."""

    def __init__(self, media: Controller, window: Controller, *, max_datagram_bytes: int) -> None:
        self._media = _Part(media, max_datagram_bytes=max_datagram_bytes)
        self._window = _Part(window, max_datagram_bytes=max_datagram_bytes)
        self._parts = (self._media, self._window)
        self._round_trip = RoundTrip(guess=0.0)

    @property
    def allowance(self) -> Allowance:
        media, window = self._media.controller.allowance, self._window.controller.allowance
        carried_bps = 8 * self._carried(window)
        return Allowance(
            window_bytes=min(media.window_bytes, window.window_bytes),
            unpaced_bytes=min(media.unpaced_bytes, window.unpaced_bytes),
            pacing_bps=min(_pacing_bps(media), _pacing_bps(window)),
            burst_bytes=min(media.burst_bytes, window.burst_bytes),
            target_bps=min(media.target_bps, carried_bps),
            base_rtt=media.base_rtt,
            probe=media.probe and window.probe,
            padding_bps=media.padding_bps if media.padding_bps <= window.pacing_bps else 0.0,
            media_bps=min(media.media_bps, carried_bps),
        )

    def on_sent(self, packet: SentPacket) -> None:
        media, window = self._media.controller.allowance, self._window.controller.allowance
        held_back = media.window_bytes < window.window_bytes or _pacing_bps(media) < _pacing_bps(window)
        as_application = replace(packet, idle_at=packet.at) if held_back else packet
        packet.memo = (self._media.on_sent(packet), self._window.on_sent(as_application))

    def on_feedback(self, feedback: Feedback) -> None:
        if feedback.rtt is not None:
            self._round_trip.add(feedback.rtt)
        memos = [result.packet.memo for result in feedback.results]
        for place, part in enumerate(self._parts):
            part.on_feedback(feedback, [memo[place] for memo in memos if isinstance(memo, tuple)])

    def undo_losses(self, *, since: float, now: float) -> None:
        for part in self._parts:
            part.controller.undo_losses(since=since, now=now)

    def resize(self, max_datagram_bytes: int) -> None:
        for part in self._parts:
            part.resize(max_datagram_bytes)

    def get_timer(self) -> float | None:
        timers = [part.controller.get_timer() for part in self._parts]
        return min((at for at in timers if at is not None), default=None)

    def handle_timer(self, *, now: float) -> None:
        for part in self._parts:
            part.handle_timer(now=now)

    def _carried(self, window: Allowance) -> float:
        """What the window carries, in bytes per second: itself in a round trip."""
        return window.window_bytes / (self._round_trip.smoothed if self._round_trip.is_measured else window.base_rtt)


class NestedPlanner(NestedController):
    """The same around a media controller that plans frames. No frame is larger than the room of the window."""

    def frame_budget(self, *, in_flight_bytes: int, ready_at: float, interval: float, now: float) -> int | None:
        planner, window = self._media.controller, self._window.controller.allowance
        assert isinstance(planner, FramePlanner)
        planned = planner.frame_budget(in_flight_bytes=in_flight_bytes, ready_at=ready_at, interval=interval, now=now)
        carried = self._carried(window)
        room = window.window_bytes - max(0.0, in_flight_bytes - carried * max(0.0, ready_at - now))
        if planned is not None and planned <= room:
            return planned
        return int(room) if room >= LEAST_SHARE * carried * interval else 0


def _pacing_bps(allowance: Allowance) -> float:
    """The rate of leaving. What is never paced leaves as fast as the other lets it; its rate may be no more than a
    guess."""
    unpaced = allowance.unpaced_bytes >= allowance.window_bytes
    return max(allowance.pacing_bps, _UNPACED_BPS) if unpaced else allowance.pacing_bps


def make_nested(media: MakeController, window: MakeController, *, max_datagram_bytes: int) -> NestedController:
    """A new media controller inside a new window."""
    inner = media(max_datagram_bytes=max_datagram_bytes)
    outer = window(max_datagram_bytes=max_datagram_bytes)
    kind = NestedPlanner if isinstance(inner, FramePlanner) else NestedController
    return kind(inner, outer, max_datagram_bytes=max_datagram_bytes)
