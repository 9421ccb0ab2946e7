"""A stream of MPEG-TS over UDP or over SRT, with whoever is at the other end."""

import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from glassbench.experiments.account.reports import Role
from glassbench.experiments.worlds.peers.libsrt import Libsrt
from glassbench.experiments.worlds.peers.mpegts import TsDemuxer, TsMuxer
from glassbench.experiments.worlds.peers.outlet import Given, Outlet
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerError, PeerVideo
from glassbench.experiments.worlds.peers.streams import TimedUnit
from glassbench.transport.contract import Address

_LOOK = 0.1  # seconds of one wait for a datagram
_LARGEST_BYTES = 65536
_BUFFER_BYTES = 2**20  # asked for the socket


class TsCarrier(Protocol):
    """What carries datagrams of MPEG-TS. Its methods raise PeerError."""

    def listen(self) -> None:
        """What has to listen listens when it returns."""

    def connect(self) -> None:
        """Connect, or wait for whoever connects."""

    def send(self, datagram: bytes) -> None:
        """Send one, or lose it if there is no room."""

    def receive(self) -> bytes:
        """The next one, or nothing if none comes soon."""

    def close(self) -> None:
        """End the connection. It may be called twice."""

    def settings(self) -> Mapping[str, object]:
        """What was agreed."""

    def counters(self) -> Mapping[str, int]:
        """What was counted."""


class UdpCarrier:
    """Datagrams to a host, or of whoever sends to an address of ours."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._counted = {"datagrams_sent": 0, "datagrams_received": 0}

    def listen(self) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            self._socket.settimeout(_LOOK)
            self._socket.bind(self._address)
        except OSError as error:
            raise PeerError(f"{self._address[0]} port {self._address[1]}: {error.strerror}") from None

    def connect(self) -> None:
        """Nothing: UDP has no connections."""

    def send(self, datagram: bytes) -> None:
        self._counted["datagrams_sent"] += 1
        with suppress(OSError):  # nobody listens, or there is no room
            self._socket.sendto(datagram, self._address)

    def receive(self) -> bytes:
        try:
            datagram = self._socket.recv(_LARGEST_BYTES)
        except OSError:
            return b""
        self._counted["datagrams_received"] += 1
        return datagram

    def close(self) -> None:
        self._socket.close()

    def settings(self) -> Mapping[str, object]:
        return {}

    def counters(self) -> Mapping[str, int]:
        return self._counted


class SrtCarrier:
    """A connection of libsrt, of which either end may send: by `mode` we call ("caller") or are called ("listener").
    `options` are those of the peer `libsrt`."""

    def __init__(self, context: PeerContext, address: Address, mode: str, options: Mapping[str, object]) -> None:
        self._context = context
        self._came = Outlet()
        self._waiting: deque[Given] = deque()
        self._is_started = False
        role: Role = "sender" if mode == "caller" else "receiver"
        self._end = Libsrt.end(
            replace(context, role=role, local=address, peer=address, options=options, outlet=self._came)
        )

    def listen(self) -> None:
        self._end.start()
        self._is_started = True

    def connect(self) -> None:
        if not self._is_started:
            self.listen()
        self._came.now = self._context.outlet.now  # the session runs now
        self._end.connect()

    def send(self, datagram: bytes) -> None:
        self._end.send_back(datagram)

    def receive(self) -> bytes:
        if not self._waiting:
            select.select([self._came], [], [], _LOOK)
            self._waiting += self._came.take()
        return self._waiting.popleft().data if self._waiting else b""

    def close(self) -> None:
        self._end.close()

    def settings(self) -> Mapping[str, object]:
        return self._end.settings()

    def counters(self) -> Mapping[str, int]:
        return self._end.counters()


class TsPublisher:
    """A `streams.Publisher`: access units, muxed, over a carrier."""

    def __init__(self, carrier: TsCarrier, video: PeerVideo) -> None:
        self._carrier = carrier
        self._muxer = TsMuxer(video, carrier.send, tuned=True)

    def connect(self) -> None:
        self._carrier.connect()

    def publish(self, unit: bytes, at: float, *, keyframe: bool) -> None:
        self._muxer.mux(unit, at, keyframe=keyframe)

    def close(self) -> None:
        self._carrier.close()

    def settings(self) -> Mapping[str, object]:
        return self._carrier.settings()

    def counters(self) -> Mapping[str, int]:
        return self._carrier.counters()


class TsPlayer:
    """A `streams.Player`: what a carrier brings, demuxed."""

    def __init__(self, carrier: TsCarrier) -> None:
        self._carrier = carrier
        self._over = threading.Event()
        self._demuxer = TsDemuxer(self._next_datagram, tuned=True)

    def listen(self) -> None:
        self._carrier.listen()

    def play(self, joined: Callable[[], None], give: Callable[[TimedUnit], None]) -> None:
        try:
            self._carrier.connect()
            for unit in self._demuxer.units(joined):
                give(unit)
        finally:
            self._carrier.close()

    def stop(self) -> None:
        self._over.set()
        self._carrier.close()

    def settings(self) -> Mapping[str, object]:
        return {**self._carrier.settings(), "fflags": self._demuxer.flags}

    def counters(self) -> Mapping[str, int]:
        return self._carrier.counters()

    def _next_datagram(self) -> bytes:
        while not self._over.is_set():
            if datagram := self._carrier.receive():
                return datagram
        return b""
