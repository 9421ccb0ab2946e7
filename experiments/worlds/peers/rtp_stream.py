"""A stream of H.264 in RTP (RFC 6184) by the `rtp` of ours, with whoever is at the other end: repair and keyframe
requests go over the same port (RFC 5761), if the other end has them."""

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress

from glassbench.experiments.scenario.tracks import VIDEO_TRACK
from glassbench.experiments.worlds.peers.outlet import Outlet
from glassbench.experiments.worlds.peers.peer import PeerError
from glassbench.experiments.worlds.peers.streams import TimedUnit
from glassbench.transport.contract import Address, Frame, FrameReceived, KeyframeRequested, Track, TransportConfig
from glassbench.transport.rtp import RtpReceiver, RtpSender, sdp

_TRACK = Track(VIDEO_TRACK, "video", "h264", 0, deadline=1.0)  # so long a packet is asked for
_MOST_BYTES = 1200  # of a datagram: what other stacks send, too
_LOOK = 0.005  # seconds of one wait for a datagram
_LARGEST_BYTES = 65536
_BUFFER_BYTES = 2**20  # asked for the socket


class RtpPublisher:
    """A `streams.Publisher` to a host. `want_keyframe` is called when that asks for one."""

    def __init__(self, host: Address, seed: int, outlet: Outlet, want_keyframe: Callable[[], None]) -> None:
        self._host = host
        self._seed = seed
        self._outlet = outlet
        self._want_keyframe = want_keyframe
        self._socket = _socket()
        self._sender: RtpSender | None = None
        self._sent = 0
        self._sdp = ""

    def connect(self) -> None:
        try:
            self._socket.connect(self._host)
        except OSError as error:
            raise PeerError(f"{self._host[0]} port {self._host[1]}: {error.strerror}") from None
        config = _config(self._socket.getsockname(), self._host, self._seed)
        self._sdp = sdp(config)
        self._sender = RtpSender(config)
        self._sender.connect(now=self._outlet.now())

    def publish(self, unit: bytes, at: float, *, keyframe: bool) -> None:
        sender, now = self._sender, self._outlet.now()
        assert sender is not None
        with suppress(OSError):  # nothing has come, or nobody is there
            while data := self._socket.recv(_LARGEST_BYTES, socket.MSG_DONTWAIT):
                sender.receive_datagram(data, self._host, now=now)
        sender.handle_timer(now=now)
        sender.send_frame(Frame(VIDEO_TRACK, 0, self._sent, at, keyframe, 0, 0, None, unit), now=now)
        self._sent += 1
        while (event := sender.next_event()) is not None:
            if isinstance(event, KeyframeRequested):
                self._want_keyframe()
        for datagram in sender.datagrams_to_send(now=now):
            with suppress(OSError):
                self._socket.send(datagram.data)

    def close(self) -> None:
        self._socket.close()

    def settings(self) -> Mapping[str, object]:
        """The session description, which whoever receives may need."""
        return {"sdp": self._sdp}

    def counters(self) -> Mapping[str, int]:
        return {} if self._sender is None else self._sender.stats()


class RtpPlayer:
    """A `streams.Player` of what comes to an address of this host. Its source is whoever sends first."""

    def __init__(self, here: Address, seed: int, outlet: Outlet) -> None:
        self._here = here
        self._seed = seed
        self._outlet = outlet
        self._socket = _socket()
        self._receiver: RtpReceiver | None = None
        self._source: Address | None = None
        self._is_stopped = False

    def listen(self) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            self._socket.settimeout(_LOOK)
            self._socket.bind(self._here)
        except OSError as error:
            raise PeerError(f"{self._here[0]} port {self._here[1]}: {error.strerror}") from None

    def play(self, joined: Callable[[], None], give: Callable[[TimedUnit], None]) -> None:
        with self._socket:
            while not self._is_stopped:
                with suppress(OSError):  # nothing has come, or the source has gone
                    data, source = self._socket.recvfrom(_LARGEST_BYTES)
                    self._take(data, source)
                self._give(joined, give)

    def stop(self) -> None:
        self._is_stopped = True

    def settings(self) -> Mapping[str, object]:
        return {} if self._source is None else {"source": "{}:{}".format(*self._source)}

    def counters(self) -> Mapping[str, int]:
        return {} if self._receiver is None else self._receiver.stats()

    def _take(self, data: bytes, source: Address) -> None:
        if self._receiver is None:
            self._source = source
            self._receiver = RtpReceiver(_config(self._here, source, self._seed))
            self._receiver.connect(now=self._outlet.now())
        self._receiver.receive_datagram(data, source, now=self._outlet.now())

    def _give(self, joined: Callable[[], None], give: Callable[[TimedUnit], None]) -> None:
        receiver, now = self._receiver, self._outlet.now()
        if receiver is None or self._source is None:
            return
        receiver.handle_timer(now=now)
        while (event := receiver.next_event()) is not None:
            if isinstance(event, FrameReceived):
                joined()
                give(TimedUnit(event.frame.payload, event.frame.captured_at, "h264"))
        for datagram in receiver.datagrams_to_send(now=now):
            with suppress(OSError):
                self._socket.sendto(datagram.data, self._source)


def _socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _config(local: Address, peer: Address, seed: int) -> TransportConfig:
    return TransportConfig(local=local, peer=peer, seed=seed, tracks=(_TRACK,), max_datagram_bytes=_MOST_BYTES)
