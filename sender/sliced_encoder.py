"""H.264 slice by slice: the same bytes as from `PictureEncoder`, each slice as soon as x264 has it."""

import ctypes
import weakref
from collections.abc import Callable
from ctypes import byref, c_int, c_void_p, sizeof
from fractions import Fraction

import av

from glassbench.sender.encoder import Encoded, EncoderError, EncoderSettings
from glassbench.sender.told_rates import ToldRates
from glassbench.sender.x264_library import AUTO, I420, IDR, X264, Nal, NaluProcess, X264Parameters, X264Picture, load
from glassbench.transport.framing import MAX_FRAME_BYTES

_SLICE, _IDR_SLICE, _SPS, _PPS = 1, 5, 7, 8  # nal_unit_type (ITU-T H.264, table 7-1)
_MOST_AHEAD = 8  # NAL units ahead of a slice: parameter sets, SEI, a delimiter
_PLANES = (1, 2, 2)  # by how much the planes of I420 are smaller than the picture, each way
_NAMES = {  # what FFmpeg's options are called in x264, and how many of FFmpeg's units one of x264's has
    "sc_threshold": ("scenecut", 1),
    "maxrate": ("vbv-maxrate", 1000),
    "bufsize": ("vbv-bufsize", 1000),
    "slices": ("slices", 1),
}


class SlicedEncoder:
    """libx264 in one thread, with a callback for each slice. It takes pictures of yuv420p.

    `give` gets each slice of a picture but the last, in order, in the thread that encodes and while it does. What
    stands before a slice goes with it. Raises EncoderError, also where the library cannot be used.
    """

    def __init__(
        self,
        settings: EncoderSettings,
        *,
        width: int,
        height: int,
        fps: Fraction,
        give: Callable[[Encoded], None],
    ) -> None:
        self._x264 = x264 = load()
        self._size = width, height
        self._told = ToldRates(fps, settings.bitrate_bps)
        self._frames = 0
        self._slices = _Slices(x264, settings.slices, give)
        self._callback = NaluProcess(self._slices.on_nal)  # x264 has its address, so it has to live as long
        self._parameters = parameters = _parameters(x264, settings, fps)
        parameters.width, parameters.height = width, height
        parameters.nalu_process = ctypes.cast(self._callback, c_void_p).value
        self._handle = x264.open(byref(parameters))
        if not self._handle:
            raise EncoderError(f"libx264 refuses {width}x{height} at {float(fps):g} fps with {settings}")
        weakref.finalize(self, x264.close, self._handle).atexit = False  # a thread may still be encoding then

    def encode(self, picture: av.VideoFrame, *, force_keyframe: bool, budget_bytes: int | None = None) -> Encoded:
        """The last slice of a picture; the others were given away. Raises EncoderError if there is another number of
        slices than was asked for, or if the picture is not as announced."""
        if budget_bytes is not None:
            self._x264.set(self._parameters, "bitrate", self._told.next(budget_bytes) // 1000)
            if self._x264.reconfigure(self._handle, byref(self._parameters)) != 0:
                raise EncoderError(f"libx264 refuses a frame of {budget_bytes} bytes")
        taken, described = self._picture(picture), X264Picture()
        taken.type = IDR if force_keyframe else AUTO
        taken.pts = self._frames
        self._slices.begin()
        written = self._x264.encode(self._handle, byref(c_void_p()), byref(c_int()), byref(taken), byref(described))
        last = self._slices.end()
        if written <= 0:
            raise EncoderError(f"libx264 gave nothing for picture {self._frames} (it returned {written})")
        self._frames += 1
        return last

    def _picture(self, picture: av.VideoFrame) -> X264Picture:
        """The planes of a picture, which has to live while x264 reads them."""
        width, height = self._size
        if (picture.format.name, picture.width, picture.height) != ("yuv420p", width, height):
            raise EncoderError(
                f"a picture is {picture.width}x{picture.height} in {picture.format.name}; accepted is {width}x{height} "
                "in yuv420p"
            )
        taken = X264Picture()
        self._x264.picture_init(byref(taken))
        taken.csp, taken.plane_count = I420, len(_PLANES)
        for index, (plane, divisor) in enumerate(zip(picture.planes, _PLANES, strict=True)):
            rows, row = -(-height // divisor), -(-width // divisor)
            if plane.line_size < row or plane.buffer_size < plane.line_size * rows:
                raise EncoderError(f"plane {index} of a picture has {plane.buffer_size} bytes; {row}x{rows} are needed")
            taken.strides[index], taken.planes[index] = plane.line_size, plane.buffer_ptr
        return taken


class _Slices:
    """What x264 calls back with. It runs in the thread that encodes, so nothing of it is shared.

    An error goes no further than the callback, and is raised at the end of the picture.
    """

    def __init__(self, x264: X264, count: int, give: Callable[[Encoded], None]) -> None:
        self._x264 = x264
        self._count = count
        self._give = give
        self._ahead = 0  # NAL units that wait for their slice
        self._made = 0
        self._last: Encoded | None = None
        self._error: BaseException | None = None
        self._buffers: list[ctypes.Array[ctypes.c_char]] = []  # x264 may look at what it has written until the next one

    def begin(self) -> None:
        """A picture is to be encoded."""
        self._ahead = self._made = 0
        self._last = self._error = None
        self._buffers.clear()

    def end(self) -> Encoded:
        """The picture is encoded: its last slice."""
        error, self._error = self._error, None
        if error is not None:
            raise error
        if self._last is None or self._made != self._count:
            raise EncoderError(f"libx264 made {self._made} slices of a picture that was to have {self._count}")
        return self._last

    def on_nal(self, encoder: int, address: int, _carried: int | None) -> None:
        """A NAL unit is ready."""
        try:
            self._take(encoder, address)
        except BaseException as error:  # ctypes would print it and go on
            self._error = self._error or error

    def _take(self, encoder: int, address: int) -> None:
        """Those ahead of a slice are written with it: x264 counts their bytes in between, and if they were written at
        once, it would count their start codes twice. All NAL units of a picture lie in one array (`pp_nal` of
        x264.h)."""
        kind = Nal.from_address(address).type
        if kind not in (_SLICE, _IDR_SLICE):
            self._ahead += 1
            if self._ahead > _MOST_AHEAD:
                raise EncoderError(f"libx264 put more than {_MOST_AHEAD} NAL units ahead of a slice")
            return
        first = address - self._ahead * sizeof(Nal)
        payload = b"".join(self._write(encoder, one) for one in range(first, address + 1, sizeof(Nal)))
        encoded = Encoded(payload, kind == _IDR_SLICE)
        self._ahead = 0
        self._made += 1
        if self._made < self._count:
            self._give(encoded)
        else:
            self._last = encoded

    def _write(self, encoder: int, address: int) -> bytes:
        """A NAL unit in Annex B, with the start code that it has in a whole picture."""
        nal = Nal.from_address(address)
        if not 0 <= nal.size_bytes <= MAX_FRAME_BYTES:
            raise EncoderError(f"libx264 says that a NAL unit has {nal.size_bytes} bytes")
        buffer = ctypes.create_string_buffer(nal.size_bytes * 3 // 2 + 5 + 64)  # as x264.h wants it
        nal.long_start = int(not self._buffers or nal.type in (_SPS, _PPS))
        self._buffers.append(buffer)
        self._x264.nal_encode(encoder, buffer, address)
        if not 0 < nal.size_bytes <= len(buffer):
            raise EncoderError(f"libx264 wrote {nal.size_bytes} bytes where it has {len(buffer)}")
        return ctypes.string_at(buffer, nal.size_bytes)


def _parameters(x264: X264, settings: EncoderSettings, fps: Fraction) -> X264Parameters:
    """What FFmpeg makes of the settings (libavcodec/libx264.c), for one thread."""
    options = settings.options(fps)
    parameters = X264Parameters()
    preset, tune = options.pop("preset"), options.pop("tune")
    if x264.default_preset(byref(parameters), preset.encode(), tune.encode()) != 0:
        raise EncoderError(f"libx264 has no preset {preset!r} with the tuning {tune!r}")
    del options["forced-idr"]  # it is said of each picture
    chosen = {
        "log": -1,
        "threads": 1,
        "bframes": 0,
        "keyint": settings.group_frames,
        "fps": f"{fps.numerator}/{fps.denominator}",
        "bitrate": settings.bitrate_bps // 1000,
    }
    for name, value in options.items():
        own_name, unit = _NAMES[name]
        chosen[own_name] = int(value) // unit
    for own_name, own_value in chosen.items():
        x264.set(parameters, own_name, own_value)
    parameters.timebase[:] = [fps.denominator, fps.numerator]
    return parameters
