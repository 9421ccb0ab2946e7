"""VP8 by the libvpx of PyAV, called as libwebrtc calls it: its rate follows frame by frame, which FFmpeg's wrapper does
not let it do. For benchmarks without quality: a picture that it leaves out is a frame of a few bytes that nobody could
decode.

Settings are those of libwebrtc's `libvpx_vp8_encoder.cc` for a real-time stream: constant rate, a buffer of a second,
15 % of overshoot, quantizers 2 to 56, pictures left out below 30 % of the buffer. The structures are checked against
the library's own defaults.
"""

import ctypes
from ctypes import (
    POINTER,
    Structure,
    byref,
    c_byte,
    c_char_p,
    c_int,
    c_int64,
    c_long,
    c_size_t,
    c_uint,
    c_ulong,
    c_void_p,
)
from fractions import Fraction
from pathlib import Path

import av

from glassbench.sender.encode_cache import EncodeCache
from glassbench.sender.encoder import Encoded, EncoderSettings
from glassbench.sender.source import PixelSource
from glassbench.sender.stamp import write_stamp
from glassbench.transport.stamp_code import Stamp

CLOCK_HZ = 90_000
I420, FORCE_KEYFRAME, REALTIME, FRAME_PACKET = 0x102, 1, 1, 0
VERSIONS = range(10, 80)  # of the encoder's ABI: the library says which one it takes
LEFT_OUT = b"\x01" + bytes(19)  # says that it is no keyframe
CONTROLS = {13: -6, 15: 0, 17: 1, 26: 750}  # speed, no denoising, static threshold, most of a keyframe in %


class Config(Structure):
    """vpx_codec_enc_cfg_t, as far as it is set here, with room behind it."""

    _fields_ = (
        *((name, c_uint) for name in ("usage", "threads", "profile", "width", "height")),
        *(("depth", c_int), ("input_depth", c_uint), ("timebase", c_int * 2), ("resilient", c_uint), ("stage", c_int)),
        *((name, c_uint) for name in ("lag", "drop", "resize", "scaled_width", "scaled_height", "up", "down")),
        *(("mode", c_int), ("statistics", c_void_p), ("statistics_size", c_size_t)),
        *(("blocks", c_void_p), ("blocks_size", c_size_t)),
        *((name, c_uint) for name in ("kbps", "least_q", "most_q", "undershoot", "overshoot")),
        *((name, c_uint) for name in ("buffer_ms", "initial_ms", "optimal_ms", "bias", "least", "most", "corpus")),
        *(("keyframe_mode", c_int), ("least_interval", c_uint), ("most_interval", c_uint), ("room", c_byte * 4096)),
    )


class EncodedPacket(Structure):
    """vpx_codec_cx_pkt_t with a frame."""

    _fields_ = (
        *(("kind", c_int), ("buffer", c_void_p), ("size", c_size_t)),
        *(("pts", c_int64), ("duration", c_ulong), ("flags", c_uint)),
    )


class LibvpxEncoder:
    """In place of the simulator's CachedEncoder: each frame is told the rate of its budget, up to the ceiling."""

    def __init__(self, source: PixelSource, settings: EncoderSettings, cache: EncodeCache) -> None:
        self._pictures, self._size = source.pictures(), (source.width, source.height)
        self._fps: Fraction = source.fps
        self._most_kbps = settings.bitrate_bps // 1000
        self._captures = self._frames = 0
        (path,) = (Path(av.__path__[0]).parent / "av.libs").glob("libvpx*.so*")
        self._library = ctypes.CDLL(str(path))
        self._declare()
        self._context = ctypes.create_string_buffer(1024)
        self._config = self._open()

    def encode(
        self, capture: int, captured_at: float, *, force_keyframe: bool, budget_bytes: int | None = None
    ) -> Encoded:
        """The frame of a capture."""
        picture = next(self._pictures)
        self._captures += 1
        while self._captures <= capture:
            picture = next(self._pictures)
            self._captures += 1
        write_stamp(picture, Stamp(self._frames, captured_at))
        if budget_bytes is not None:
            self._config.kbps = max(30, min(self._most_kbps, round(budget_bytes * 8 * self._fps / 1000)))
            self._expect(self._library.vpx_codec_enc_config_set(self._context, byref(self._config)))
        data = picture.to_ndarray(format="yuv420p").tobytes()
        image = self._library.vpx_img_wrap(None, I420, *self._size, 1, data)
        duration = round(CLOCK_HZ / self._fps)
        flags = FORCE_KEYFRAME if force_keyframe else 0
        begin = self._frames * duration
        self._expect(self._library.vpx_codec_encode(self._context, image, begin, duration, flags, REALTIME))
        self._library.vpx_img_free(image)
        self._frames += 1
        place = c_void_p()
        told = self._library.vpx_codec_get_cx_data(self._context, byref(place))
        if not told:
            return Encoded(LEFT_OUT, False, self._size)
        packet = told.contents
        if packet.kind != FRAME_PACKET:
            raise SystemExit("libvpx gave no frame")
        return Encoded(ctypes.string_at(packet.buffer, packet.size), bool(packet.flags & 1), self._size)

    def prepare(self) -> None:
        """Nothing: in virtual time reading takes none."""

    def _open(self) -> Config:
        codec, config = self._library.vpx_codec_vp8_cx(), Config()
        self._expect(self._library.vpx_codec_enc_config_default(codec, byref(config), 0))
        told = (config.width, config.height, *config.timebase, config.buffer_ms, config.initial_ms, config.optimal_ms)
        if told != (320, 240, 1, 30, 6000, 4000, 5000):
            raise SystemExit(f"this libvpx has other structures: its defaults read {told}")
        config.width, config.height = self._size
        config.threads, config.lag, config.drop, config.resize, config.mode = 1, 0, 30, 0, 1
        config.timebase[:] = [1, CLOCK_HZ]
        config.kbps, config.least_q, config.most_q = self._most_kbps // 2, 2, 56
        config.undershoot, config.overshoot = 100, 15
        config.buffer_ms, config.initial_ms, config.optimal_ms = 1000, 500, 600
        config.keyframe_mode, config.most_interval = 0, 2**30
        opened = (
            self._library.vpx_codec_enc_init_ver(self._context, codec, byref(config), 0, version)
            for version in VERSIONS
        )
        self._expect(next((0 for result in opened if result == 0), 1))
        for name, value in CONTROLS.items():
            self._expect(self._library.vpx_codec_control_(self._context, c_int(name), c_int(value)))
        return config

    def _declare(self) -> None:
        for name, gives, takes in (
            ("vpx_codec_vp8_cx", c_void_p, []),
            ("vpx_codec_enc_config_default", c_int, [c_void_p, c_void_p, c_uint]),
            ("vpx_codec_enc_init_ver", c_int, [c_void_p, c_void_p, c_void_p, c_long, c_int]),
            ("vpx_codec_enc_config_set", c_int, [c_void_p, c_void_p]),
            ("vpx_img_wrap", c_void_p, [c_void_p, c_int, c_uint, c_uint, c_uint, c_char_p]),
            ("vpx_img_free", None, [c_void_p]),
            ("vpx_codec_encode", c_int, [c_void_p, c_void_p, c_int64, c_ulong, c_long, c_ulong]),
            ("vpx_codec_get_cx_data", POINTER(EncodedPacket), [c_void_p, POINTER(c_void_p)]),
        ):
            function = getattr(self._library, name)
            function.restype, function.argtypes = gives, takes

    def _expect(self, result: int) -> None:
        if result != 0:
            raise SystemExit(f"libvpx answers with error {result}")
