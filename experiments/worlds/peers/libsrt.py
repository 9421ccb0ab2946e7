"""libsrt of this machine, called in its live mode as its documentation says (docs/API, version 1.5)."""

import ctypes
import socket
import struct
import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerError
from glassbench.transport.contract import Frame

_NAMES = ("libsrt-openssl.so.1.5", "libsrt-gnutls.so.1.5", "libsrt.so.1.5", "libsrt.so.1")
_POLL = 0.0002  # seconds between two looks of the polling reader
_COUNT_INTERVAL = 0.1  # seconds
_PATIENCE = 0.1  # seconds of one wait of the blocking reader, and for a caller
_MOST_BYTES = 1456  # of a live message in 1500 bytes of IP: SRT_LIVE_MAX_PLSIZE
_STATISTICS_BYTES = 4096  # more than an SRT_TRACEBSTATS has
# The members of SRT_TRACEBSTATS up to byteRcvUndecryptTotal (srt.h).
_STATISTICS = struct.Struct("@qqqiiiiiiiqiiiQQQQQQQ")
_COUNTED = {
    "packets_sent": 1,
    "packets_received": 2,
    "packets_lost_there": 3,
    "packets_lost_here": 4,
    "retransmissions": 5,
    "naks_sent": 8,
    "naks_received": 9,
    "packets_dropped_sending": 11,
    "packets_dropped_receiving": 12,
    "packets_undecryptable": 13,
}
# Numbers of SRT_SOCKOPT.
_SNDSYN, _RCVSYN, _RCVTIMEO, _LATENCY, _PASSPHRASE, _TLPKTDROP, _PEERVERSION = 1, 2, 14, 23, 26, 31, 35
_KMSTATES = {"sender": 40, "receiver": 41}  # of what an end sends, and of what it receives
_CONNTIMEO, _RCVLATENCY, _PEERLATENCY, _STREAMID, _PAYLOADSIZE, _PACKETFILTER = 36, 43, 44, 46, 49, 60
_ENCRYPTION = ("none", "securing", "secured", "no secret", "bad secret")  # SRT_KM_STATE
_FAILED = -1
_EASYNCSND, _EASYNCRCV, _ETIMEOUT = 6001, 6002, 6003
_CONNECT_MS = 3000
_FILTER_BYTES = 4  # that a packet filter takes of each message
_IPV4_ADDRESS = struct.Struct("=H2s4s8x")


class Libsrt(Peer):
    """The library: the sender calls, the receiver listens."""

    carries: ClassVar[Carries] = "messages"
    install = "apt install libsrt1.5-gnutls"

    @classmethod
    def version(cls) -> str:
        number = cls.library().srt_getversion()
        return f"{number >> 16}.{number >> 8 & 0xFF}.{number & 0xFF}"

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        return _LibsrtEnd(context, cls.library())

    @classmethod
    def library(cls) -> ctypes.CDLL:
        """The library. Raises Unsupported."""
        for name in _NAMES:
            try:
                library = ctypes.CDLL(name)
            except OSError:
                continue
            library.srt_getlasterror_str.restype = ctypes.c_char_p
            library.srt_time_now.restype = ctypes.c_int64
            return library
        raise cls.missing("libsrt")


class _Control(ctypes.Structure):
    """SRT_MSGCTRL."""

    _fields_ = (
        ("flags", ctypes.c_int),
        ("msgttl", ctypes.c_int),
        ("inorder", ctypes.c_int),
        ("boundary", ctypes.c_int),
        ("srctime", ctypes.c_int64),
        ("pktseq", ctypes.c_int32),
        ("msgno", ctypes.c_int32),
        ("grpdata", ctypes.c_void_p),
        ("grpdata_size", ctypes.c_size_t),
    )


class _LibsrtEnd(PeerEnd):
    """All messages of a frame have one source time, as with the srt of ours, so that they are due together."""

    message_bytes = _MOST_BYTES

    def __init__(self, context: PeerContext, library: ctypes.CDLL) -> None:
        super().__init__(context)
        self._library = library
        self._listener = self._socket = _FAILED
        self._over = threading.Event()
        self._frame: tuple[int, int] | None = None
        self._source_time = 0
        self._settings: dict[str, object] = {}
        self._counted: dict[str, int] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)

    def start(self) -> None:
        self._library.srt_startup()
        one = self._library.srt_create_socket()
        self._set_up(one)
        if self.context.role == "sender":
            self._socket = one
            return
        self._listener = one
        address = _address(self.context.local)
        self._check(self._library.srt_bind(one, address, len(address)), "bind")
        self._check(self._library.srt_listen(one, 1), "listen")

    def connect(self) -> None:
        if self.context.role == "sender":
            self._set(self._socket, _SNDSYN, True)
            self._set(self._socket, _RCVSYN, True)
            address = _address(self.context.peer)
            self._check(self._library.srt_connect(self._socket, address, len(address)), "connect")
        else:
            self._socket = self._accepted()
        self._settings = self._read_back()
        self._set(self._socket, _SNDSYN, False)
        blocks = self.context.options["reader"] == "block"
        self._set(self._socket, _RCVSYN, blocks)
        self._set(self._socket, _RCVTIMEO, round(_PATIENCE * 1e3))
        self._reader.start()

    def send(self, data: bytes, frame: Frame) -> bool:
        if self._frame != (frame.track, frame.sequence):
            self._frame = frame.track, frame.sequence
            self._source_time = self._library.srt_time_now()
        return self._hand_over(data, self._source_time)

    def send_back(self, data: bytes) -> None:
        self._hand_over(data, 0)

    def close(self) -> None:
        if self._over.is_set():
            return
        self._over.set()
        for one in (self._socket, self._listener):
            if one != _FAILED:
                self._library.srt_close(one)
        if self._reader.ident is not None:
            self._reader.join(10 * _PATIENCE)

    def counters(self) -> Mapping[str, int]:
        self._count()
        return self._counted

    def settings(self) -> Mapping[str, object]:
        return self._settings

    def _accepted(self) -> int:
        self._set(self._listener, _RCVSYN, False)
        while not self._over.is_set():
            one = self._library.srt_accept(self._listener, None, None)
            if one != _FAILED:
                return int(one)
            self._over.wait(_POLL)
        raise PeerError("nobody called")

    def _hand_over(self, data: bytes, source_time: int) -> bool:
        control = _Control()
        self._library.srt_msgctrl_init(ctypes.byref(control))
        control.srctime = source_time
        if self._library.srt_sendmsg2(self._socket, data, len(data), ctypes.byref(control)) != _FAILED:
            return True
        if self._library.srt_getlasterror(None) == _EASYNCSND:
            return False
        raise self._error("send")

    def _count(self) -> None:
        """Read its statistics; once a connection has ended they are gone, and the last ones stand."""
        buffer = ctypes.create_string_buffer(_STATISTICS_BYTES)
        if self._socket != _FAILED and self._library.srt_bstats(self._socket, buffer, 0) != _FAILED:
            values = _STATISTICS.unpack_from(buffer)
            self._counted = {name: values[place] for name, place in _COUNTED.items()}

    def _read(self) -> None:
        buffer = ctypes.create_string_buffer(_MOST_BYTES)
        blocks = self.context.options["reader"] == "block"
        count_at = 0.0
        while not self._over.is_set():
            if (now := self.context.outlet.now()) >= count_at:
                count_at = now + _COUNT_INTERVAL
                self._count()
            size = self._library.srt_recvmsg2(self._socket, buffer, _MOST_BYTES, None)
            if size > 0:
                self.context.outlet.give(buffer.raw[:size])
                continue
            if self._over.is_set():
                return
            if self._library.srt_getlasterror(None) not in (_EASYNCRCV, _ETIMEOUT):
                return  # the other end has closed
            if not blocks:
                self._over.wait(_POLL)

    def _set_up(self, one: int) -> None:
        """Options that hold from the handshake on."""
        options = self.context.options
        self._set(one, _LATENCY, int(str(options["latency_ms"])))
        self._set(one, _TLPKTDROP, bool(options["tlpktdrop"]))
        self._set(one, _PAYLOADSIZE, _MOST_BYTES)
        self._set(one, _CONNTIMEO, _CONNECT_MS)
        if passphrase := str(options["passphrase"]):
            self._set(one, _PASSPHRASE, passphrase)
        if streamid := str(options["streamid"]):
            self._set(one, _STREAMID, streamid)
        if fec := str(options["fec"]):
            columns, rows = fec.split("x")
            self._set(one, _PAYLOADSIZE, _MOST_BYTES - _FILTER_BYTES)
            self.message_bytes = _MOST_BYTES - _FILTER_BYTES
            self._set(one, _PACKETFILTER, f"fec,cols:{columns},rows:{rows}")

    def _read_back(self) -> dict[str, object]:
        numbers = {"rcvlatency": _RCVLATENCY, "peerlatency": _PEERLATENCY, "payloadsize": _PAYLOADSIZE}
        read: dict[str, object] = {name: self._number(number) for name, number in numbers.items()}
        version = self._number(_PEERVERSION)
        read["peerversion"] = f"{version >> 16}.{version >> 8 & 0xFF}.{version & 0xFF}"
        read["tlpktdrop"] = bool(self._number(_TLPKTDROP, ctypes.c_bool))
        state = self._number(_KMSTATES[self.context.role])
        read["encryption"] = _ENCRYPTION[state] if 0 <= state < len(_ENCRYPTION) else state
        read["streamid"], read["packetfilter"] = self._text(_STREAMID), self._text(_PACKETFILTER)
        return read

    def _set(self, one: int, option: int, value: bool | int | str) -> None:
        if isinstance(value, str):
            data = value.encode()
            self._check(self._library.srt_setsockflag(one, option, data, len(data)), f"option {option}")
            return
        boxed: Any = ctypes.c_bool(value) if isinstance(value, bool) else ctypes.c_int(value)
        size = ctypes.sizeof(boxed)
        self._check(self._library.srt_setsockflag(one, option, ctypes.byref(boxed), size), f"option {option}")

    def _number(self, option: int, kind: Any = ctypes.c_int) -> int:
        boxed = kind(0)
        size = ctypes.c_int(ctypes.sizeof(boxed))
        self._library.srt_getsockflag(self._socket, option, ctypes.byref(boxed), ctypes.byref(size))
        return int(boxed.value)

    def _text(self, option: int) -> str:
        buffer = ctypes.create_string_buffer(1024)
        size = ctypes.c_int(len(buffer))
        if self._library.srt_getsockflag(self._socket, option, buffer, ctypes.byref(size)) == _FAILED:
            return ""
        return buffer.raw[: size.value].rstrip(b"\0").decode(errors="replace")

    def _check(self, result: int, what: str) -> None:
        if result == _FAILED:
            raise self._error(what)

    def _error(self, what: str) -> PeerError:
        return PeerError(f"{what}: {self._library.srt_getlasterror_str().decode(errors='replace')}")


def _address(address: tuple[str, int]) -> bytes:
    """A sockaddr_in."""
    host, port = address
    return _IPV4_ADDRESS.pack(socket.AF_INET, port.to_bytes(2, "big"), socket.inet_aton(host))
