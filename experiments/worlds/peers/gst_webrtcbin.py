"""The element webrtcbin of GStreamer, named "rtc" in a pipeline: its signals and descriptions, by its C library.

Its actions answer by a GstPromise, for which the thread that asks waits.
"""

import ctypes
import functools
import re
from collections.abc import Mapping
from typing import Any, Literal

from glassbench.experiments.worlds.peers.gst_pipeline import GValue, Pipeline, counts_of, declare, library
from glassbench.experiments.worlds.peers.peer import PeerError

_LOOK = 0.005  # seconds between two looks at a state
_TYPES = {"offer": 1, "answer": 3}  # GstWebRTCSDPType
_RECEIVE_ONLY = 3  # GstWebRTCRTPTransceiverDirection
_COUNTED = "outbound-rtp", "inbound-rtp", "remote-inbound-rtp"
_COUNTS = re.compile(r"(packets|bytes)-.*|.*-count")

_OnJitterBuffer = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, *[ctypes.c_uint] * 2, ctypes.c_void_p)


class _Description(ctypes.Structure):
    """GstWebRTCSessionDescription."""

    _fields_ = (("type", ctypes.c_int), ("sdp", ctypes.c_void_p))


class _Libraries:
    """The functions that it needs beside those of a pipeline. Raises OSError if a library is not there."""

    def __init__(self) -> None:
        self.gobject, self.gst = library().gobject, library().gst
        self.sdp, self.webrtc = ctypes.CDLL("libgstsdp-1.0.so.0"), ctypes.CDLL("libgstwebrtc-1.0.so.0")
        pointer, text, number, value = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(GValue)
        for each, name, gives, takes in (
            (self.gobject, "g_signal_connect_data", ctypes.c_ulong, [pointer, text, pointer, pointer, pointer, number]),
            (self.gobject, "g_value_get_boxed", pointer, [value]),
            (self.gst, "gst_util_set_object_arg", None, [pointer, text, text]),
            (self.gst, "gst_caps_from_string", pointer, [text]),
            (self.gst, "gst_promise_new", pointer, []),
            (self.gst, "gst_promise_wait", number, [pointer]),
            (self.gst, "gst_promise_get_reply", pointer, [pointer]),
            (self.gst, "gst_structure_get_value", value, [pointer, text]),
            (self.gst, "gst_structure_n_fields", number, [pointer]),
            (self.gst, "gst_structure_nth_field_name", text, [pointer, ctypes.c_uint]),
            (self.gst, "gst_structure_to_string", pointer, [pointer]),
            (self.gst, "gst_value_get_structure", pointer, [value]),
            (self.sdp, "gst_sdp_message_as_text", pointer, [pointer]),
            (self.sdp, "gst_sdp_message_new_from_text", number, [text, ctypes.POINTER(pointer)]),
            (self.webrtc, "gst_webrtc_session_description_new", pointer, [number, pointer]),
        ):
            declare(each, name, gives, takes)
        self.gobject.g_signal_emit_by_name.restype = None  # what it takes depends on the signal


_libraries = functools.cache(_Libraries)


class WebrtcBin:
    """The element of a pipeline that is not running yet. Each jitter buffer gets the properties `buffer` when it is
    made. Methods raise PeerError."""

    def __init__(self, pipeline: Pipeline, buffer: Mapping[str, str]) -> None:
        self._buffer = buffer
        self._libraries = _libraries()
        self._pipeline = pipeline
        element = pipeline.element("rtc")
        assert element is not None
        self._element = element
        self._on_buffer = _OnJitterBuffer(self._set_buffer)  # it has to live as long as the element
        call = ctypes.cast(self._on_buffer, ctypes.c_void_p)
        rtpbin = pipeline.element("rtpbin")
        self._libraries.gobject.g_signal_connect_data(rtpbin, b"new-jitterbuffer", call, None, None, 0)

    def add_receiver(self, caps: str) -> int:
        """A transceiver for a stream that will come."""
        transceiver = ctypes.c_void_p()
        self._emit("add-transceiver", ctypes.c_int(_RECEIVE_ONLY), self._caps(caps), ctypes.byref(transceiver))
        return transceiver.value or 0

    def transceiver(self) -> int:
        """The first transceiver."""
        transceiver = ctypes.c_void_p()
        self._emit("get-transceiver", ctypes.c_int(0), ctypes.byref(transceiver))
        return transceiver.value or 0

    def set(self, thing: int, values: Mapping[str, str]) -> None:
        """Set properties of a transceiver, or of an element inside."""
        for name, value in values.items():
            self._libraries.gst.gst_util_set_object_arg(thing, name.encode(), value.encode())

    def describe(self, kind: Literal["offer", "answer"], patience: float) -> str:
        """Its own description, with all candidates."""
        reply = self._ask(f"create-{kind}", None)
        value = self._libraries.gst.gst_structure_get_value(reply, kind.encode()) if reply else None
        if not value:
            raise PeerError(f"webrtcbin made no {kind}: {self._said(reply)}")
        self._ask("set-local-description", self._libraries.gobject.g_value_get_boxed(value))
        self.wait("ice-gathering-state", "complete", patience)
        value = GValue()
        self._libraries.gobject.g_object_get_property(self._element, b"local-description", ctypes.byref(value))
        described = ctypes.cast(
            self._libraries.gobject.g_value_get_boxed(ctypes.byref(value)), ctypes.POINTER(_Description)
        )
        return library().taken(self._libraries.sdp.gst_sdp_message_as_text(described.contents.sdp))

    def take(self, kind: str, sdp: str) -> None:
        """Take the description of the other end."""
        message = ctypes.c_void_p()
        if (
            kind not in _TYPES
            or self._libraries.sdp.gst_sdp_message_new_from_text(sdp.encode(), ctypes.byref(message)) != 0
        ):
            raise PeerError(f"webrtcbin cannot read the {kind} of the other end")
        self._ask(
            "set-remote-description", self._libraries.webrtc.gst_webrtc_session_description_new(_TYPES[kind], message)
        )

    def wait(self, name: str, state: str, patience: float) -> None:
        """Wait until a property is so."""
        for _ in range(round(patience / _LOOK)):
            if (now := self._pipeline.property_of(self._element, name)) == state:
                return
            if now == "failed" or self._pipeline.ends_within(_LOOK):
                break
        raise PeerError(f"{name} of webrtcbin is {now}, expected {state} within {patience:g} s")

    def counts(self) -> Mapping[str, int]:
        """What its statistics count (get-stats), as sums over its streams."""
        counts: dict[str, int] = {}
        for kind, told in self._stats():
            if kind not in _COUNTED:
                continue
            for name, count in counts_of(told).items():
                if _COUNTS.fullmatch(name):
                    key = f"{kind}-{name}".replace("-", "_")
                    counts[key] = counts.get(key, 0) + count
        return counts

    def candidates(self) -> Mapping[str, str]:
        """The candidates of the chosen pair ("local-candidate", "remote-candidate"): address, protocol, type."""
        return {
            kind: " ".join(re.findall(r"(?:address|protocol|candidate-type)=\(string\)([^,; ]+)", told))
            for kind, told in self._stats()
            if kind.endswith("-candidate")
        }

    def _stats(self) -> list[tuple[str, str]]:
        """The parts of a report: their types, and what they say."""
        report, parts = self._ask("get-stats", None), []
        for index in range(self._libraries.gst.gst_structure_n_fields(report) if report else 0):
            part = self._libraries.gst.gst_value_get_structure(
                self._libraries.gst.gst_structure_get_value(
                    report, self._libraries.gst.gst_structure_nth_field_name(report, index)
                )
            )
            told = library().taken(self._libraries.gst.gst_structure_to_string(part))
            parts.append((told.partition(",")[0], told))
        return parts

    def _set_buffer(self, rtpbin: int, buffer: int, *more: int) -> None:
        self.set(buffer, self._buffer)

    def _ask(self, action: str, argument: int | None) -> int | None:
        """The reply to an action with a promise."""
        promise = self._libraries.gst.gst_promise_new()
        self._emit(action, ctypes.c_void_p(argument), ctypes.c_void_p(promise))
        self._libraries.gst.gst_promise_wait(promise)
        reply: int | None = self._libraries.gst.gst_promise_get_reply(promise)
        if reply and self._libraries.gst.gst_structure_get_value(reply, b"error"):
            raise PeerError(f"webrtcbin refused {action}: {self._said(reply)}")
        return reply

    def _emit(self, action: str, *arguments: Any) -> None:
        self._libraries.gobject.g_signal_emit_by_name(ctypes.c_void_p(self._element), action.encode(), *arguments)

    def _caps(self, caps: str) -> ctypes.c_void_p:
        return ctypes.c_void_p(self._libraries.gst.gst_caps_from_string(caps.encode()))

    def _said(self, reply: int | None) -> str:
        return library().taken(self._libraries.gst.gst_structure_to_string(reply)) if reply else "nothing"
