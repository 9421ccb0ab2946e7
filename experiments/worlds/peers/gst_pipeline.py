"""A pipeline of GStreamer 1.0 in this process, by its C library: built from a description, fed by an `appsrc` named
"source", read from an `appsink` named "sink"."""

import ctypes
import functools
import re
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glassbench.experiments.worlds.peers.peer import PeerContext, PeerError

_LIBRARIES = ("libglib-2.0.so.0", "libgobject-2.0.so.0", "libgstreamer-1.0.so.0", "libgstapp-1.0.so.0")
_SECOND = 10**9  # a GstClockTime
_LOOK = _SECOND // 10  # how long one wait for a sample or a message lasts
_PLAYING, _NULL = 4, 1  # of GstState
_FAILED = 0  # of GstStateChangeReturn
_ERROR = 2  # of GstMessageType
_OK = 0  # of GstFlowReturn
_INNER = re.compile("<.*>")
_COUNT = re.compile(r"([a-z-]+)=\((?:u?int|gu?int64)\)(\d+)")


class GValue(ctypes.Structure):
    """A value of any type, of GObject."""

    _fields_ = (("type", ctypes.c_size_t), ("data", ctypes.c_uint64 * 2))


class _Error(ctypes.Structure):
    """GError."""

    _fields_ = (("domain", ctypes.c_uint32), ("code", ctypes.c_int), ("message", ctypes.c_char_p))


def declare(library: ctypes.CDLL, name: str, gives: Any, takes: list[Any]) -> None:
    """Say what a function of C takes and gives."""
    function = getattr(library, name)
    function.restype, function.argtypes = gives, takes


class Gst:
    """The functions of the library. Raises OSError if it is not there."""

    def __init__(self) -> None:
        self.glib, self.gobject, self.gst, self.app = (ctypes.CDLL(name) for name in _LIBRARIES)
        pointer, text, flag = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
        error = ctypes.POINTER(ctypes.POINTER(_Error))
        value = ctypes.POINTER(GValue)
        for library, name, gives, takes in (
            (self.glib, "g_free", None, [pointer]),
            (self.glib, "g_clear_error", None, [error]),
            (self.gobject, "g_object_get_property", None, [pointer, text, value]),
            (self.gobject, "g_value_unset", None, [value]),
            (self.gst, "gst_init", None, [pointer, pointer]),
            (self.gst, "gst_version_string", pointer, []),
            (self.gst, "gst_element_factory_find", pointer, [text]),
            (self.gst, "gst_object_unref", None, [pointer]),
            (self.gst, "gst_mini_object_unref", None, [pointer]),
            (self.gst, "gst_parse_launch", pointer, [text, error]),
            (self.gst, "gst_bin_get_by_name", pointer, [pointer, text]),
            (self.gst, "gst_bin_recalculate_latency", flag, [pointer]),
            (self.gst, "gst_element_set_state", flag, [pointer, flag]),
            (self.gst, "gst_element_get_bus", pointer, [pointer]),
            (self.gst, "gst_bus_timed_pop_filtered", pointer, [pointer, ctypes.c_uint64, flag]),
            (self.gst, "gst_message_parse_error", None, [pointer, error, pointer]),
            (self.gst, "gst_value_serialize", pointer, [value]),
            (self.gst, "gst_buffer_new_memdup", pointer, [text, ctypes.c_size_t]),
            (self.gst, "gst_buffer_get_size", ctypes.c_size_t, [pointer]),
            (self.gst, "gst_buffer_extract", ctypes.c_size_t, [pointer, ctypes.c_size_t, pointer, ctypes.c_size_t]),
            (self.gst, "gst_sample_get_buffer", pointer, [pointer]),
            (self.app, "gst_app_src_push_buffer", flag, [pointer, pointer]),
            (self.app, "gst_app_src_get_current_level_buffers", ctypes.c_uint64, [pointer]),
            (self.app, "gst_app_sink_try_pull_sample", pointer, [pointer, ctypes.c_uint64]),
        ):
            declare(library, name, gives, takes)
        self.gst.gst_init(None, None)

    def version(self) -> str:
        return self.taken(self.gst.gst_version_string()).rpartition(" ")[2]

    def has(self, element: str) -> bool:
        """Whether there is such an element."""
        factory = self.gst.gst_element_factory_find(element.encode())
        if factory:
            self.gst.gst_object_unref(factory)
        return bool(factory)

    def taken(self, text: int | None) -> str:
        """A string that is ours to free."""
        if not text:
            return ""
        try:
            return ctypes.string_at(text).decode(errors="replace")
        finally:
            self.glib.g_free(text)


library = functools.cache(Gst)
"""The library, once a process."""


class Pipeline:
    """It runs from `play` to `stop`. An error in it fails the end, and what comes out at "sink" goes to its outlet.
    Raises PeerError if the description cannot be built."""

    def __init__(self, description: str, context: PeerContext) -> None:
        self._library = library()
        self._context = context
        self._over = threading.Event()
        error = ctypes.POINTER(_Error)()
        self._pipeline = self._library.gst.gst_parse_launch(description.encode(), ctypes.byref(error))
        if error:
            raise PeerError(self._said(error))
        self._bus = self._library.gst.gst_element_get_bus(self._pipeline)
        self._source, self._sink = self.element("source"), self.element("sink")
        self._threads = [threading.Thread(target=self._watch, daemon=True)]
        if self._sink:
            self._threads.append(threading.Thread(target=self._pull, daemon=True))

    @property
    def is_over(self) -> bool:
        """Whether it was stopped."""
        return self._over.is_set()

    def ends_within(self, seconds: float) -> bool:
        """Wait so long, or until it is stopped."""
        return self._over.wait(seconds)

    def play(self) -> None:
        """Let it run. Its threads inherit the processors of this one."""
        if self._library.gst.gst_element_set_state(self._pipeline, _PLAYING) == _FAILED:
            raise PeerError(self._error(_LOOK) or "the pipeline did not start")
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End it. It may be called twice."""
        if self.is_over:
            return
        self._over.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(1.0)
        self._library.gst.gst_element_set_state(self._pipeline, _NULL)

    def element(self, name: str) -> int | None:
        """The element of that name, if there is one."""
        element: int | None = self._library.gst.gst_bin_get_by_name(self._pipeline, name.encode())
        return element

    def waiting(self) -> int:
        """How many pictures the pipeline has not begun."""
        return int(self._library.app.gst_app_src_get_current_level_buffers(self._source))

    def push(self, data: bytes) -> bool:
        """Give it a picture; the time of it is now."""
        buffer = self._library.gst.gst_buffer_new_memdup(data, len(data))
        return bool(self._library.app.gst_app_src_push_buffer(self._source, buffer) == _OK)

    def read(self, name: str, *properties: str) -> dict[str, str]:
        """Properties of an element as they are, in GStreamer's own words."""
        element = self.element(name)
        return {each: self.property_of(element, each) for each in properties} if element else {}

    def counts(self, name: str, *properties: str) -> dict[str, int]:
        """Numbers of an element: those of a structure (`stats`) by their own names, others by that of the property."""
        counts: dict[str, int] = {}
        for each, text in self.read(name, *properties).items():
            counts.update({each: int(text)} if text.isdecimal() else counts_of(text))
        return {f"{name}_{each}".replace("-", "_"): count for each, count in counts.items()}

    def property_of(self, thing: int, name: str) -> str:
        """A property of an element, or of another object, in GStreamer's own words."""
        value = GValue()
        self._library.gobject.g_object_get_property(thing, name.encode(), ctypes.byref(value))
        try:
            text = self._library.taken(self._library.gst.gst_value_serialize(ctypes.byref(value)))
            return text.strip('"').replace("\\", "")  # it quotes what has more than letters and digits
        finally:
            self._library.gobject.g_value_unset(ctypes.byref(value))

    def _watch(self) -> None:
        while not self.is_over:
            if (error := self._error(_LOOK)) and not self.is_over:
                self._context.outlet.fail(error)

    def _error(self, patience: int) -> str:
        """The next error on the bus within so many nanoseconds."""
        message = self._library.gst.gst_bus_timed_pop_filtered(self._bus, patience, _ERROR)
        if not message:
            return ""
        error = ctypes.POINTER(_Error)()
        self._library.gst.gst_message_parse_error(message, ctypes.byref(error), None)
        self._library.gst.gst_mini_object_unref(message)
        return self._said(error)

    def _said(self, error: "ctypes._Pointer[_Error]") -> str:
        try:
            return (error.contents.message or b"").decode(errors="replace").replace("\n", " ")
        finally:
            self._library.glib.g_clear_error(ctypes.byref(error))

    def _pull(self) -> None:
        gst, is_first = self._library.gst, True
        while not self.is_over:
            sample = self._library.app.gst_app_sink_try_pull_sample(self._sink, _LOOK)
            if not sample:
                continue
            at = self._context.outlet.now()
            buffer = gst.gst_sample_get_buffer(sample)
            data = ctypes.create_string_buffer(gst.gst_buffer_get_size(buffer))
            gst.gst_buffer_extract(buffer, 0, data, len(data))
            gst.gst_mini_object_unref(sample)
            self._context.outlet.give(without_padding(data.raw, self._context), at=at)
            if is_first:  # the latency of what is linked by now
                is_first = False
                gst.gst_bin_recalculate_latency(self._pipeline)


def with_padding(data: bytes, context: PeerContext) -> bytes:
    """A picture as GStreamer lays out I420: its lines begin at multiples of four bytes."""
    return b"".join(
        np.pad(plane, ((0, 0), (0, -plane.shape[1] % 4))).tobytes() for plane in _planes(data, context, padding=1)
    )


def without_padding(data: bytes, context: PeerContext) -> bytes:
    """A picture of GStreamer without the ends of its lines. What is not of the size of the video is left as it is."""
    try:
        planes = _planes(data, context, padding=4)
    except ValueError:
        return data
    width = context.video.width
    return b"".join(plane[:, : width // (1 if index == 0 else 2)].tobytes() for index, plane in enumerate(planes))


def _planes(data: bytes, context: PeerContext, *, padding: int) -> list[NDArray[np.uint8]]:
    """Luma and both chromas, whose lines are multiples of `padding` bytes. Raises ValueError."""
    width, height = context.video.width, context.video.height
    sizes = [(height, width), (height // 2, width // 2), (height // 2, width // 2)]
    planes, at = [], 0
    for lines, columns in sizes:
        stride = -(-columns // padding) * padding
        planes.append(np.frombuffer(data, np.uint8, lines * stride, at).reshape(lines, stride))
        at += lines * stride
    if at != len(data):
        raise ValueError(f"{len(data)} bytes, expected {at}")
    return planes


def counts_of(structure: str) -> Mapping[str, int]:
    """The whole numbers of a structure, without those of structures inside of it."""
    return {name: int(number) for name, number in _COUNT.findall(_INNER.sub("", structure))}
