"""The libx264 that PyAV's FFmpeg has loaded, by ctypes, and as much of its interface (x264.h) as slices need.

FFmpeg gives whole pictures; x264 itself calls back for each NAL unit as soon as it is encoded (`nalu_process`). The
library is the same, and so are the bytes that it gives for the same settings. Offsets hold for the builds that are
named here, and are checked against what the library itself says before anything relies on them. libx264 is GPL.
"""

import ctypes
from ctypes import POINTER, Array, Structure, byref, c_byte, c_char_p, c_int, c_int64, c_uint32, c_void_p, sizeof
from functools import cache
from pathlib import Path
from typing import Any

from glassbench.sender.encoder import EncoderError

BUILDS = (164, 165)  # X264_BUILD: both have the structures below, where a pointer takes eight bytes
I420 = 2  # X264_CSP_I420
AUTO, IDR = 0, 1  # X264_TYPE_AUTO, X264_TYPE_IDR

_REMEDY = "pip install --force-reinstall --only-binary av 'av>=18,<19'"
_MARK = 0xA5  # stands in a structure and behind it, so that one sees what the library has written
_PARAMETERS_BYTES, _PICTURE_BYTES = 1024, 240


class Nal(Structure):
    """x264_nal_t: a NAL unit. `type` is nal_unit_type of ITU-T H.264, table 7-1."""

    ref_idc: int
    type: int
    long_start: int
    first_mb: int
    last_mb: int
    size_bytes: int
    payload: int | None
    padding_bytes: int
    _fields_ = [
        *((name, c_int) for name in ("ref_idc", "type", "long_start", "first_mb", "last_mb", "size_bytes")),
        ("payload", c_void_p),
        ("padding_bytes", c_int),
    ]


class X264Picture(Structure):
    """x264_picture_t, with room behind it."""

    type: int
    keyframe: int
    pts: int
    csp: int
    plane_count: int
    strides: Array[c_int]
    planes: Array[c_void_p]
    _fields_ = [
        *((name, c_int) for name in ("type", "qp_plus_1", "structure", "keyframe")),
        *(("pts", c_int64), ("dts", c_int64), ("parameters", c_void_p)),
        *(("csp", c_int), ("plane_count", c_int), ("strides", c_int * 4), ("planes", c_void_p * 4)),
        ("rest", c_byte * (_PICTURE_BYTES - 96)),
        ("room", c_byte * 1024),
    ]


class X264Parameters(Structure):
    """x264_param_t, with room behind it. All that has a name in x264 is set by that name (`X264.set`)."""

    width: int
    height: int
    csp: int
    bit_depth: int
    fps: Array[c_uint32]
    timebase: Array[c_uint32]
    slicing: Array[c_int]
    nalu_process: int | None
    _fields_ = [
        ("_processor", c_byte * 28),
        *((name, c_int) for name in ("width", "height", "csp", "bit_depth")),
        ("_coding", c_byte * (920 - 44)),
        *(("fps", c_uint32 * 2), ("timebase", c_uint32 * 2)),
        ("_display", c_byte * (976 - 936)),
        ("slicing", c_int * 5),  # most bytes, most and least macroblocks of a slice; number, and most, of slices
        *((name, c_void_p) for name in ("param_free", "nalu_process", "opaque")),
        ("room", c_byte * 3072),
    ]


NaluProcess = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)
"""The callback: the encoder, the address of a Nal, and what the picture carries along."""


class X264:
    """The functions of the library. All but `nal_encode`, which takes microseconds, let other threads run meanwhile."""

    def __init__(self, path: str, build: int) -> None:
        library, short = ctypes.CDLL(path), ctypes.PyDLL(path)
        self.default_preset = _function(library, "param_default_preset", c_int, c_void_p, c_char_p, c_char_p)
        self._parse = _function(library, "param_parse", c_int, c_void_p, c_char_p, c_char_p)
        self.picture_init = _function(library, "picture_init", None, c_void_p)
        self.open = _function(library, f"encoder_open_{build}", c_void_p, c_void_p)
        self.reconfigure = _function(library, "encoder_reconfig", c_int, c_void_p, c_void_p)
        self.encode = _function(
            library, "encoder_encode", c_int, c_void_p, POINTER(c_void_p), POINTER(c_int), c_void_p, c_void_p
        )
        self.close = _function(library, "encoder_close", None, c_void_p)
        self.nal_encode = _function(short, "nal_encode", None, c_void_p, c_void_p, c_void_p)
        self._to_text = _function(library, "param2string", c_void_p, c_void_p, c_int)
        self._free = _function(library, "free", None, c_void_p)
        self._picture_alloc = _function(library, "picture_alloc", c_int, c_void_p, c_int, c_int, c_int)
        self._picture_clean = _function(library, "picture_clean", None, c_void_p)

    def set(self, parameters: X264Parameters, name: str, value: object) -> None:
        """Set what x264 calls by this name. Raises EncoderError."""
        if self._parse(byref(parameters), name.encode(), str(value).encode()) != 0:
            raise EncoderError(f"libx264 does not accept {name}={value}")

    def text(self, parameters: X264Parameters) -> str:
        """What the library reads in the parameters, size and rate first."""
        address = self._to_text(byref(parameters), 1)
        if not address:
            raise MemoryError
        try:
            return ctypes.string_at(address).decode("ascii", "replace")
        finally:
            self._free(address)

    def is_as_declared(self) -> bool:
        """Whether the structures of the library are those of this file: what it writes is found where they say, what is
        written where they say is read by it, and nothing is written behind them."""
        return self._parameters_agree() and self._picture_agrees()

    def _parameters_agree(self) -> bool:
        parameters = X264Parameters()
        ctypes.memset(byref(parameters), _MARK, sizeof(X264Parameters))
        if self.default_preset(byref(parameters), b"ultrafast", b"zerolatency") != 0:
            return False
        ends_there = X264Parameters.room.offset == _PARAMETERS_BYTES and _is_marked(parameters.room)
        if not ends_there or parameters.csp != I420 or parameters.nalu_process or parameters.opaque:
            return False
        self.set(parameters, "fps", "30000/1001")
        for value, name in enumerate(("slice-max-size", "slice-max-mbs", "slice-min-mbs", "slices", "slices-max"), 101):
            self.set(parameters, name, value)
        if list(parameters.fps) != [30000, 1001] or list(parameters.slicing) != [101, 102, 103, 104, 105]:
            return False
        parameters.width, parameters.height = 1234, 568
        parameters.timebase[:] = [7, 90007]
        return self.text(parameters).startswith("1234x568 fps=30000/1001 timebase=7/90007 bitdepth=8 ")

    def _picture_agrees(self) -> bool:
        picture = X264Picture()
        ctypes.memset(byref(picture), _MARK, sizeof(X264Picture))
        self.picture_init(byref(picture))
        written = bytes(picture)[:_PICTURE_BYTES]
        if X264Picture.room.offset != _PICTURE_BYTES or any(written) or not _is_marked(picture.room):
            return False
        if self._picture_alloc(byref(picture), I420, 64, 32) != 0:
            return False
        try:
            luma, cb, cr = (address or 0 for address in picture.planes[:3])
            return (
                (picture.csp, picture.plane_count) == (I420, 3)
                and all(stride >= 32 for stride in picture.strides[:3])
                and cb - luma >= picture.strides[0] * 32
                and cr - cb >= picture.strides[1] * 16
            )
        finally:
            self._picture_clean(byref(picture))


def load() -> X264:
    """The library. Raises EncoderError with the reason and what helps."""
    loaded = _load()
    if isinstance(loaded, str):
        raise EncoderError(f"slices in real time come from libx264 itself, and {loaded}; what helps is {_REMEDY}")
    return loaded


@cache
def _load() -> X264 | str:
    """The library, or why there is none."""
    builds = " or ".join(map(str, BUILDS))
    if sizeof(c_void_p) != 8:
        return f"its structures are known here for 64 bits only (builds {builds})"
    path = _loaded_path()
    if path is None:
        return f"PyAV has loaded none that can be called (wanted is build {builds} as a shared library)"
    try:
        library = ctypes.CDLL(path)
        build = next((build for build in BUILDS if hasattr(library, f"x264_encoder_open_{build}")), None)
        if build is None:
            return f"{Path(path).name}, which PyAV has loaded, is not of build {builds}"
        x264 = X264(path, build)
        if not x264.is_as_declared():
            return f"the structures of {Path(path).name} are not those of build {build}"
    except (OSError, AttributeError, EncoderError) as error:
        return f"{Path(path).name}, which PyAV has loaded, cannot be called: {error}"
    return x264


def _loaded_path() -> str | None:
    """The file of the libx264 that this process has loaded with PyAV, which `encoder` imports."""
    try:
        maps = Path("/proc/self/maps").read_text(errors="surrogateescape")
    except OSError:  # not Linux
        return None
    files = {fields[5] for line in maps.splitlines() if len(fields := line.split(maxsplit=5)) == 6}
    return min((file for file in files if Path(file).name.startswith("libx264")), default=None)


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Any:
    function = library[f"x264_{name}"]  # each time a new object: nobody else's types are changed
    function.restype, function.argtypes = result, arguments
    return function


def _is_marked(room: Array[c_byte]) -> bool:
    return set(bytes(room)) == {_MARK}
