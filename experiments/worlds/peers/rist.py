"""librist of this machine, called as its headers say (version 0.2): RIST (VSF TR-06-1 and TR-06-2)."""

import ctypes
import json
import threading
from collections.abc import Mapping
from typing import Any, ClassVar

from glassbench.experiments.worlds.peers.peer import Carries, Peer, PeerContext, PeerEnd, PeerError
from glassbench.transport.contract import Frame

_LIBRARY = "librist.so.4"
_MAIN_PROFILE = 1
_LOG_INFO = 6
_COUNT_MS = 100  # between two statistics
_READ_MS = 100  # how long one wait for a message lasts
_CONNECTED = (0, 2)  # RIST_CONNECTION_ESTABLISHED, RIST_CLIENT_CONNECTED
_POLL = 0.1  # seconds
_OUT_OF_BAND_BYTES = 64  # it loses those of a few bytes
_TUNED = "&rtt-min=5&reorder-buffer=5"  # it asks again after a round trip as it is, not after 50 ms
_SET = (
    *("recovery_length_min", "recovery_length_max", "recovery_reorder_buffer", "recovery_rtt_min", "recovery_rtt_max"),
    *("recovery_mode", "recovery_maxbitrate", "congestion_control_mode", "min_retries", "max_retries", "timing_mode"),
)
_COUNTED = (
    *("sent", "retransmitted", "bandwidth_skipped", "retransmit_skipped", "bloat_skipped"),
    *("received", "missing", "reordered", "retries", "recovered_total", "recovered_one_nack", "lost", "duplicates"),
    *("dropped_late", "dropped_full"),
)


class Rist(Peer):
    """The library, in its main profile: the sender calls, the receiver listens."""

    carries: ClassVar[Carries] = "messages"
    install = "apt install librist4"

    @classmethod
    def version(cls) -> str:
        return str(cls.library().librist_version().decode())

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        return _RistEnd(context, cls.library())

    @classmethod
    def library(cls) -> ctypes.CDLL:
        """The library. Raises Unsupported."""
        try:
            library = ctypes.CDLL(_LIBRARY)
        except OSError:
            raise cls.missing("librist") from None
        library.librist_version.restype = ctypes.c_char_p
        return library


class _Config(ctypes.Structure):
    """rist_peer_config."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("address_family", ctypes.c_int),
        ("initiate_conn", ctypes.c_int),
        ("address", ctypes.c_char * 256),
        ("miface", ctypes.c_char * 128),
        ("physical_port", ctypes.c_uint16),
        ("virt_dst_port", ctypes.c_uint16),
        ("recovery_mode", ctypes.c_int),
        ("recovery_maxbitrate", ctypes.c_uint32),
        ("recovery_maxbitrate_return", ctypes.c_uint32),
        ("recovery_length_min", ctypes.c_uint32),
        ("recovery_length_max", ctypes.c_uint32),
        ("recovery_reorder_buffer", ctypes.c_uint32),
        ("recovery_rtt_min", ctypes.c_uint32),
        ("recovery_rtt_max", ctypes.c_uint32),
        ("weight", ctypes.c_uint32),
        ("secret", ctypes.c_char * 128),
        ("key_size", ctypes.c_int),
        ("key_rotation", ctypes.c_uint32),
        ("compression", ctypes.c_int),
        ("cname", ctypes.c_char * 128),
        ("congestion_control_mode", ctypes.c_int),
        ("min_retries", ctypes.c_uint32),
        ("max_retries", ctypes.c_uint32),
        ("session_timeout", ctypes.c_uint32),
        ("keepalive_interval", ctypes.c_uint32),
        ("timing_mode", ctypes.c_uint32),
    )


class _RistBlock(ctypes.Structure):
    """rist_data_block."""

    _fields_ = (
        ("payload", ctypes.c_void_p),
        ("payload_len", ctypes.c_size_t),
        ("ts_ntp", ctypes.c_uint64),
        ("virt_src_port", ctypes.c_uint16),
        ("virt_dst_port", ctypes.c_uint16),
        ("peer", ctypes.c_void_p),
        ("flow_id", ctypes.c_uint32),
        ("seq", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("ref", ctypes.c_void_p),
    )


class _OutOfBand(ctypes.Structure):
    """rist_oob_block."""

    _fields_ = (
        ("peer", ctypes.c_void_p),
        ("payload", ctypes.c_void_p),
        ("payload_len", ctypes.c_size_t),
        ("ts_ntp", ctypes.c_uint64),
    )


class _Statistics(ctypes.Structure):
    """rist_stats, up to its text."""

    _fields_ = (("json_size", ctypes.c_uint32), ("stats_json", ctypes.c_char_p))


_StatisticsCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_Statistics))
_OutOfBandCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(_OutOfBand))
_StatusCallback = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)


class _RistEnd(PeerEnd):
    """Data goes one way; messages to the sender are out-of-band data of the main profile, which nothing repairs."""

    message_bytes = 1400

    def __init__(self, context: PeerContext, library: ctypes.CDLL) -> None:
        super().__init__(context)
        self._library = library
        self._session = ctypes.c_void_p()
        self._config = ctypes.POINTER(_Config)()
        self._connected, self._over = threading.Event(), threading.Event()
        self._counted: dict[str, int] = {}
        self._peer: int | None = None
        # They are kept, as C calls them.
        self._count_callback = _StatisticsCallback(self._count)
        self._changed_callback = _StatusCallback(self._changed)
        self._hear_callback = _OutOfBandCallback(self._hear)
        self._reader = threading.Thread(target=self._read, daemon=True)

    def start(self) -> None:
        logging = ctypes.c_void_p()
        stream = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stderr")
        self._do("logging_set", ctypes.byref(logging), _LOG_INFO, None, None, None, stream)
        if self.context.role == "sender":
            self._do("sender_create", ctypes.byref(self._session), _MAIN_PROFILE, 0, logging)
        else:
            self._do("receiver_create", ctypes.byref(self._session), _MAIN_PROFILE, logging)
        self._do("stats_callback_set", self._session, _COUNT_MS, self._count_callback, None)
        self._do("connection_status_callback_set", self._session, self._changed_callback, None)
        self._do("oob_callback_set", self._session, self._hear_callback, None)
        self._do("parse_address2", self._url().encode(), ctypes.byref(self._config))
        self._do("peer_create", self._session, ctypes.byref(ctypes.c_void_p()), self._config)
        if self.context.role == "receiver":
            self._do("start", self._session)
            self._reader.start()

    def connect(self) -> None:
        if self.context.role == "sender":
            self._do("start", self._session)
        while not self._connected.wait(_POLL):
            if self._over.is_set():
                raise PeerError("no connection stood")

    def send(self, data: bytes, frame: Frame) -> bool:
        block = _RistBlock(payload=_address(data), payload_len=len(data))
        return bool(self._library.rist_sender_data_write(self._session, ctypes.byref(block)) == len(data))

    def send_back(self, data: bytes) -> None:
        padded = (bytes([len(data)]) + data).ljust(_OUT_OF_BAND_BYTES, b"\0")
        block = _OutOfBand(peer=self._peer, payload=_address(padded), payload_len=len(padded))
        self._library.rist_oob_write(self._session, ctypes.byref(block))

    def close(self) -> None:
        if self._over.is_set():
            return
        self._over.set()
        if self._reader.ident is not None:
            self._reader.join(1.0)
        if self._session:
            self._library.rist_destroy(self._session)

    def counters(self) -> Mapping[str, int]:
        return self._counted

    def settings(self) -> Mapping[str, object]:
        """Its configuration, as it has read it."""
        return {name: getattr(self._config.contents, name) for name in _SET} if self._config else {}

    def _url(self) -> str:
        is_sender = self.context.role == "sender"
        host, port = self.context.peer if is_sender else self.context.local
        options = self.context.options
        tuned = _TUNED if options["tuned"] else ""
        return f"rist://{'' if is_sender else '@'}{host}:{port}?buffer={options['latency_ms']}{tuned}"

    def _do(self, name: str, *arguments: Any) -> None:
        if getattr(self._library, f"rist_{name}")(*arguments) != 0:
            raise PeerError(f"rist_{name} failed")

    def _changed(self, argument: int | None, peer: int | None, status: int) -> None:
        if status in _CONNECTED:
            self._peer = peer
            self._connected.set()
        elif self._connected.is_set() and not self._over.is_set():
            self.context.outlet.fail("the connection timed out")

    def _count(self, argument: int | None, statistics: Any) -> int:
        """Take what it counts: each report has the counts since the one before."""
        for name, count in _numbers(json.loads(statistics.contents.stats_json)).items():
            self._counted[name] = self._counted.get(name, 0) + count
        self._library.rist_stats_free(statistics)
        return 0

    def _hear(self, argument: int | None, block: Any) -> int:
        content = block.contents
        padded = ctypes.string_at(content.payload, content.payload_len)
        self.context.outlet.give(padded[1 : 1 + padded[0]] if padded else b"")
        return 0

    def _read(self) -> None:
        block = ctypes.POINTER(_RistBlock)()
        while not self._over.is_set():
            count = self._library.rist_receiver_data_read2(self._session, ctypes.byref(block), _READ_MS)
            if count <= 0 or not block:
                continue
            content = block.contents
            self.context.outlet.give(ctypes.string_at(content.payload, content.payload_len))
            self._library.rist_receiver_data_block_free2(ctypes.byref(block))


def _address(data: bytes) -> ctypes.c_void_p:
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p)


def _numbers(told: Mapping[str, Any]) -> dict[str, int]:
    """What it counted since it last told, by its own names."""
    kind, part = ("sender-stats", "peer") if "sender-stats" in told else ("receiver-stats", "flowinstant")
    stats = told[kind][part]["stats"]
    return {name: stats[name] for name in _COUNTED if name in stats}
