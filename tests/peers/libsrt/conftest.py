"""Sockets of libsrt in this process, and srt ends of ours that talk to them over loopback.

The test drives our end itself, and loses datagrams of either side at our socket, each by what it is. So there is no
link, no dice and no video, and a connection lasts as long as the claim needs.
"""

import ctypes
import select
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from enum import IntEnum

import pytest

from glassbench.experiments.worlds.peers.libsrt import Libsrt, _address, _Control
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.udp_socket import UdpSocket, open_socket
from glassbench.netem.simulator import START_AT
from glassbench.transport.contract import (
    Closed,
    Connected,
    Event,
    Frame,
    FrameReceived,
    Track,
    TransportConfig,
    Unsupported,
)
from glassbench.transport.framing import split_frame
from glassbench.transport.srt import SrtReceiver, SrtSender
from glassbench.transport.srt.handshake import Agreed
from glassbench.transport.srt.wire import CONTROL_BIT, HEADER, RETRANSMITTED_BIT

LOCAL = "127.0.0.1"
VIDEO = Track(1, "video", "h264", 0)
MESSAGE_BYTES = 1316  # of a frame that libsrt sends, at most
LOOK = 0.001  # seconds between two looks at the socket of libsrt
PATIENCE = 10.0  # seconds for what takes milliseconds on an idle machine


class Option(IntEnum):
    """Those of SRT_SOCKOPT (srt.h) that tests set and read."""

    SNDSYN = 1
    RCVSYN = 2
    ISN = 3
    PASSPHRASE = 26
    RCVLATENCY = 43
    PEERLATENCY = 44
    MINVERSION = 45
    TRANSTYPE = 50
    PACKETFILTER = 60


class State(IntEnum):
    """SRT_SOCKSTATUS."""

    CONNECTED = 5
    BROKEN = 6


class Theirs:
    """A socket of libsrt that never waits: it calls, or it listens for one caller. Several may share a `port`."""

    def __init__(self, library: ctypes.CDLL, options: dict[str, int | str], port: int = 0) -> None:
        self._library = library
        self._socket = self._listener = library.srt_create_socket()
        self._is_listening = False
        self.messages: list[tuple[float, bytes]] = []  # with the time at which they were read
        for name, value in {"SNDSYN": 0, "RCVSYN": 0, **options}.items():
            boxed = value.encode() if isinstance(value, str) else ctypes.byref(ctypes.c_int(value))
            size = len(value) if isinstance(value, str) else ctypes.sizeof(ctypes.c_int)
            assert library.srt_setsockflag(self._socket, Option[name], boxed, size) == 0, (name, self.error)
        local = _address((LOCAL, port))
        assert library.srt_bind(self._socket, local, len(local)) == 0, self.error
        bound, size = ctypes.create_string_buffer(32), ctypes.c_int(32)
        library.srt_getsockname(self._socket, bound, ctypes.byref(size))
        self.port = int.from_bytes(bound.raw[2:4], "big")

    @property
    def error(self) -> str:
        return self._library.srt_getlasterror_str().decode()

    @property
    def is_connected(self) -> bool:
        if self._is_listening and self._socket == self._listener:
            accepted = self._library.srt_accept(self._listener, None, None)
            if accepted < 0:
                return False
            self._socket = accepted
        return self._library.srt_getsockstate(self._socket) == State.CONNECTED

    @property
    def rejection(self) -> int:
        """The reason for which it was rejected, or rejects itself; 0 if there is none yet."""
        return self._library.srt_getrejectreason(self._socket)

    def listen(self) -> None:
        self._is_listening = True
        assert self._library.srt_listen(self._listener, 1) == 0, self.error

    def call(self, port: int) -> None:
        peer = _address((LOCAL, port))
        assert self._library.srt_connect(self._socket, peer, len(peer)) == 0, self.error

    def read(self, name: str) -> int:
        """An option as it holds on the connection."""
        value, size = ctypes.c_int(0), ctypes.c_int(ctypes.sizeof(ctypes.c_int))
        result = self._library.srt_getsockflag(self._socket, Option[name], ctypes.byref(value), ctypes.byref(size))
        assert result == 0, self.error
        return value.value

    def send(self, messages: list[bytes], number: int = -1) -> None:
        """Messages with one source time, which is now. The first has this message number, else the next one."""
        source_time = self._library.srt_time_now()
        for message in messages:
            control = _Control()
            self._library.srt_msgctrl_init(ctypes.byref(control))
            control.srctime, control.msgno, number = source_time, number, -1
            sent = self._library.srt_sendmsg2(self._socket, message, len(message), ctypes.byref(control))
            assert sent == len(message), self.error

    def receive(self, clock: LiveClock) -> None:
        """All messages that are due."""
        buffer = ctypes.create_string_buffer(1500)
        while (size := self._library.srt_recvmsg2(self._socket, buffer, 1500, None)) > 0:
            self.messages.append((clock.now(), buffer.raw[:size]))

    @property
    def is_broken(self) -> bool:
        return self._library.srt_getsockstate(self._socket) == State.BROKEN

    def close(self) -> None:
        for one in {self._socket, self._listener}:
            self._library.srt_close(one)


class SkewedClock(LiveClock):
    """A clock that runs faster than that of the machine by `skew`, a share."""

    def __init__(self, skew: float = 0.0) -> None:
        super().__init__(monotonic_ns())
        self._skew = skew

    def session_time(self, at_ns: int) -> float:
        return START_AT + (super().session_time(at_ns) - START_AT) * (1 + self._skew)


class Ours:
    """An srt end of ours on a socket. `loses(data, outgoing)` says which datagrams the network loses."""

    def __init__(self, role: str, peer_port: int, options: dict[str, object], clock: LiveClock) -> None:
        plain = open_socket()
        self.clock = clock
        self.port = plain.getsockname()[1]
        self._udp = UdpSocket(plain, clock)
        config = TransportConfig(plain.getsockname(), (LOCAL, peer_port), 1, (VIDEO,), 1452, options)
        self.end = SrtSender(config) if role == "sender" else SrtReceiver(config)
        self.events: list[Event] = []
        self.loses: Callable[[bytes, bool], bool] = lambda data, outgoing: False
        self.lost: Counter[bool] = Counter()  # by whether they were outgoing
        self.resent = 0  # retransmissions that came

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def connected(self) -> bool:
        return bool(self.of(Connected))

    @property
    def closed(self) -> Closed | None:
        return next(iter(self.of(Closed)), None)

    @property
    def agreed(self) -> Agreed:
        """What the handshake settled."""
        agreed = self.end._connection._agreed
        assert agreed is not None
        return agreed

    @property
    def payloads(self) -> list[bytes]:
        """Those of the frames that came, in order."""
        return [event.frame.payload for event in self.of(FrameReceived)]

    def lose_first_of(self, wanted: Callable[[int], bool]) -> None:
        """The network loses the first transmission of each data packet whose sequence number is `wanted`."""

        def loses(data: bytes, outgoing: bool) -> bool:
            first, second, _, _ = HEADER.unpack_from(data)
            return is_data(data) and not second & RETRANSMITTED_BIT and wanted(first)

        self.loses = loses

    def rest(self, seconds: float) -> None:
        """Go on for so long."""
        until = self.clock.now() + seconds
        self.run(lambda: self.clock.now() >= until)

    def step(self) -> None:
        """Take what has come, do what is due, and wait a little for more."""
        now = self.clock.now()
        self.end.handle_timer(now=now)
        self._drain(now)
        select.select([self._udp], [], [], LOOK)
        for data, peer, ecn, at in self._udp.receive():
            self.resent += is_data(data) and bool(HEADER.unpack_from(data)[1] & RETRANSMITTED_BIT)
            if self.loses(data, False):
                self.lost[False] += 1
                continue
            now = max(now, at)
            self.end.receive_datagram(data, peer, ecn, now=now)
            self._drain(now)

    def run(self, done: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Until `done`, which is asked each millisecond."""
        until = self.clock.now() + seconds
        while not done():
            assert self.clock.now() < until, f"waited in vain; {self.end.stats()}, closed: {self.closed}"
            self.step()

    def close(self) -> None:
        self.end.close(now=self.clock.now())
        self._drain(self.clock.now())
        self._udp.close()

    def _drain(self, now: float) -> None:
        for datagram in self.end.datagrams_to_send(now=now):
            if self.loses(datagram.data, True):
                self.lost[True] += 1
            else:
                self._udp.send([datagram])
        while (event := self.end.next_event()) is not None:
            self.events.append(event)


class Call:
    """An end of ours and a socket of libsrt, of which `caller` ("ours" or "theirs") calls the other one."""

    def __init__(self, ours: Ours, theirs: Theirs, caller: str, make: Callable[..., Theirs]) -> None:
        self.ours, self.theirs = ours, theirs
        self._caller = caller
        self._make = make

    def begin(self) -> None:
        """Start to call and to listen."""
        if self._caller == "ours":
            self.theirs.listen()
        self.ours.end.connect(now=self.ours.clock.now())
        if self._caller == "theirs":
            self.theirs.call(self.ours.port)

    def connect(self) -> None:
        self.begin()
        self.run(lambda: self.ours.connected and self.theirs.is_connected)

    def another(self, **options: int | str) -> Theirs:
        """Another socket of libsrt at the same port."""
        return self._make(options, self.theirs.port)

    def run(self, done: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Until `done`, which is asked each millisecond; meanwhile libsrt gives its messages."""

        def is_done() -> object:
            self.theirs.receive(self.ours.clock)
            return done()

        self.ours.run(is_done, seconds)

    def stream(self, count: int, interval: float, size: int = 3000, *, number: int = -1) -> list[Frame]:
        """`count` frames from the end that sends, `interval` seconds apart. The first message of libsrt has this
        `number`. The last frame is not lost: nobody misses packets after which none comes."""
        frames: list[Frame] = []
        start_at = self.ours.clock.now()
        for sequence in range(count):
            self.run(lambda due_at=start_at + sequence * interval: self.ours.clock.now() >= due_at)
            if sequence == count - 1:
                self.ours.loses = lambda data, outgoing: False
            now = self.ours.clock.now()
            payload = sequence.to_bytes(4, "big") * (size // 4)
            frame = Frame(VIDEO.id, 0, sequence, round(now * 1e6) / 1e6, sequence == 0, 0, 0, None, payload)
            frames.append(frame)
            if isinstance(self.ours.end, SrtSender):
                self.ours.end.send_frame(frame, now=now)
            else:
                self.theirs.send(split_frame(frame, MESSAGE_BYTES), number if sequence == 0 else -1)
        return frames

    def fragments(self, frames: list[Frame]) -> list[bytes]:
        """The messages in which our sender hands over these frames."""
        return [each for frame in frames for each in split_frame(frame, self.ours.agreed.max_payload_bytes)]


def is_data(datagram: bytes) -> bool:
    return not HEADER.unpack_from(datagram)[0] & CONTROL_BIT


@pytest.fixture(scope="session")
def library() -> Iterator[ctypes.CDLL]:
    try:
        library = Libsrt.library()
    except Unsupported as missing:
        pytest.skip(str(missing))
    library.srt_startup()
    library.srt_setloglevel(2)  # LOG_CRIT: what is refused here is refused on purpose
    yield library
    library.srt_cleanup()


@pytest.fixture
def skewed_clock() -> type[SkewedClock]:
    return SkewedClock


@pytest.fixture
def ours() -> Iterator[Callable[..., Ours]]:
    """ours("sender", port of its peer, latency_ms=..., caller=...): an end of ours. It has not begun yet."""
    with ExitStack() as ended:

        def make(role: str, peer_port: int, clock: LiveClock | None = None, **options: object) -> Ours:
            end = Ours(role, peer_port, options, clock or SkewedClock())
            ended.callback(end.close)
            return end

        yield make


@pytest.fixture
def call(library: ctypes.CDLL, ours: Callable[..., Ours]) -> Iterator[Callable[..., Call]]:
    """call("sender", caller="ours", latency_ms=..., theirs={"RCVLATENCY": 200}, clock=...): our end has this role. It
    has not begun yet."""
    with ExitStack() as ended:

        def make_theirs(options: dict[str, int | str], port: int = 0) -> Theirs:
            theirs = Theirs(library, options, port)
            ended.callback(theirs.close)
            return theirs

        def make(
            role: str,
            *,
            caller: str = "ours",
            theirs: dict[str, int | str] | None = None,
            clock: LiveClock | None = None,
            **options: object,
        ) -> Call:
            other = "receiver" if role == "sender" else "sender"
            socket = make_theirs(theirs or {})
            end = ours(role, socket.port, clock, caller=role if caller == "ours" else other, **options)
            return Call(end, socket, caller, make_theirs)

        yield make
