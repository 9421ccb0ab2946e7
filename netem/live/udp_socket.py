"""A UDP socket as endpoints see it: datagrams with their peer, their ECN bits, and the kernel's time of arrival."""

import select
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from errno import EMSGSIZE
from typing import NamedTuple

from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.socket_address import family_of, from_kernel, to_kernel
from glassbench.netem.packet import Address

SO_TIMESTAMPNS, SO_RXQ_OVFL = 35, 40  # asm-generic/socket.h; Python 3.11 does not name them
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _PMTUDISC_PROBE = 10, 23, 3  # linux/in.h, linux/in6.h
_BUFFER_BYTES = 4 * 2**20
_MAX_DATAGRAM = 65_535
_AT_ONCE = 1024  # datagrams taken before anything else is done: a flood cannot keep the owner from its timers
_SOL_UDP, _UDP_SEGMENT = 17, 103  # linux/udp.h
_LONGEST_TRAIN = 64  # UDP_MAX_SEGMENTS of older kernels
_MAX_PAYLOAD = 65_507  # of UDP over IPv4
_ECN = 3
_INT, _SHORT, _UNSIGNED, _TIMESPEC = struct.Struct("@i"), struct.Struct("@H"), struct.Struct("@I"), struct.Struct("@qq")


class ReceivedDatagram(NamedTuple):
    """One datagram with its sender and ECN codepoint. `at` is session time."""

    data: bytes
    peer: Address
    ecn: int
    at: float


class UdpSocket:
    """Around a socket of `open_socket`; does not block. `overflows` counts what the kernel dropped for lack of room,
    `unsent` what it would not take, `too_large` the part of that which is more than the device carries. With a `peer`,
    what comes from anybody else is dropped, and counted in `foreign`: any program of this host can send to a port on
    loopback."""

    def __init__(self, plain: socket.socket, clock: LiveClock, *, peer: Address | None = None) -> None:
        self.overflows = 0
        self.unsent = 0
        self.too_large = 0
        self.foreign = 0
        self.peer = peer
        self._socket = plain
        self._clock = clock
        self._level, self._traffic_class = _ecn_option(plain)

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def address(self) -> Address:
        return from_kernel(self._socket.getsockname())

    def wait(self, seconds: float) -> None:
        """Wait until there is something to receive, at most `seconds`, to the microsecond; epoll counts
        milliseconds."""
        select.select([self], [], [], max(0.0, seconds))

    def receive(self) -> list[ReceivedDatagram]:
        """All that has arrived, in order."""
        datagrams: list[ReceivedDatagram] = []
        arrival = self._clock.arrivals()
        for _ in range(_AT_ONCE):
            try:
                data, ancillary, _, name = self._socket.recvmsg(_MAX_DATAGRAM, 256)
            except BlockingIOError:
                break
            except OSError:  # an ICMP message about an earlier datagram of ours
                continue
            ecn, at = self._read(ancillary, arrival)
            peer = from_kernel(name)
            if self.peer in (None, peer):
                datagrams.append(ReceivedDatagram(data, peer, ecn, at))
            else:
                self.foreign += 1
        return datagrams

    def send(self, datagrams: Iterable[tuple[bytes, Address, int]]) -> None:
        """Hand datagrams to the kernel, in order. What it does not take is lost, as on a full device.

        A train of one size goes in one call, and leaves as the datagrams it is (UDP_SEGMENT, udp(7)): without offloads
        the kernel takes it apart before any device, so that an emulator sees no larger packet.
        """
        for train, peer, ecn in trains(datagrams):
            to = to_kernel(peer)
            marks = [(self._level, self._traffic_class, _INT.pack(ecn))] if ecn else []
            if len(train) > 1:
                try:
                    self._socket.sendmsg(train, [*marks, (_SOL_UDP, _UDP_SEGMENT, _SHORT.pack(len(train[0])))], 0, to)
                    continue
                except OSError:  # the kernel cannot, or the size is beyond the MTU: one by one
                    pass
            for data in train:
                try:
                    self._socket.sendmsg([data], marks, 0, to)
                except OSError as error:
                    self.unsent += 1
                    self.too_large += error.errno == EMSGSIZE

    def close(self) -> None:
        self._socket.close()

    def _read(self, ancillary: list[tuple[int, int, bytes]], arrival: Callable[[int], float]) -> tuple[int, float]:
        ecn, at = 0, None
        for level, kind, data in ancillary:
            if level == self._level and kind == self._traffic_class:
                ecn = data[0] & _ECN
            elif level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                at = arrival(read_stamp(data))
            elif level == socket.SOL_SOCKET and kind == SO_RXQ_OVFL:
                self.overflows = _UNSIGNED.unpack_from(data)[0]
        return ecn, self._clock.now() if at is None else at


def open_socket(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """A UDP socket bound to an address of this host, with all that a UdpSocket reads. Raises OSError.

    What it sends is not fragmented, neither here nor on the way (RFC 9000 section 14): what the path does not carry is
    lost, in every world and for every transport, and a transport that can finds out. IP_PMTUDISC_PROBE, because what
    the kernel learnt from ICMP, which anybody can send, is not to change what is measured.

    Open it well before the first packet: the kernel begins to stamp arrivals some milliseconds after the first socket
    asks for it, and gives those before the time at which they are read.
    """
    plain = socket.socket(family_of(host), socket.SOCK_DGRAM)
    try:
        plain.bind(to_kernel((host, port)))
        plain.setblocking(False)
        for option, value in (
            (SO_TIMESTAMPNS, 1),
            (SO_RXQ_OVFL, 1),
            (socket.SO_RCVBUF, _BUFFER_BYTES),
            (socket.SO_SNDBUF, _BUFFER_BYTES),
        ):
            plain.setsockopt(socket.SOL_SOCKET, option, value)
        level, _ = _ecn_option(plain)
        ipv6 = level == socket.IPPROTO_IPV6
        plain.setsockopt(level, socket.IPV6_RECVTCLASS if ipv6 else socket.IP_RECVTOS, 1)
        plain.setsockopt(level, _IPV6_MTU_DISCOVER if ipv6 else _IP_MTU_DISCOVER, _PMTUDISC_PROBE)
    except OSError:
        plain.close()
        raise
    return plain


def trains(datagrams: Iterable[tuple[bytes, Address, int]]) -> Iterator[tuple[list[bytes], Address, int]]:
    """The datagrams in their order, with those together that one call can send: to one peer, with the same ECN bits,
    of one size; the last one may be smaller."""
    train: list[bytes] = []
    to: tuple[Address, int] | None = None
    for data, peer, ecn in datagrams:
        fits = to == (peer, ecn) and len(train) < _LONGEST_TRAIN and len(data) <= len(train[0]) == len(train[-1])
        if train and to is not None and not (fits and data and (len(train) + 1) * len(train[0]) <= _MAX_PAYLOAD):
            yield train, *to
            train = []
        to = peer, ecn
        train.append(data)
    if to is not None:
        yield train, *to


def read_stamp(data: bytes) -> int:
    """The nanoseconds of CLOCK_REALTIME in a control message SO_TIMESTAMPNS."""
    seconds, nanoseconds = _TIMESPEC.unpack_from(data)
    return int(seconds * 1_000_000_000 + nanoseconds)


def _ecn_option(plain: socket.socket) -> tuple[int, int]:
    """Level and name of the option, and of the control message, that hold the ECN bits."""
    if plain.family == socket.AF_INET6:
        return socket.IPPROTO_IPV6, socket.IPV6_TCLASS
    return socket.IPPROTO_IP, socket.IP_TOS
