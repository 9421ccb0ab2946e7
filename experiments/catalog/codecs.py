"""Codecs at equal quality: what each needs in bits and in time, and with which a picture is on the screen first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from glassbench.experiments.catalog.cells import delay, make_cell, make_plan
from glassbench.experiments.catalog.checks import MS, PERCENT, bounded, check, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, logarithmic, panels
from glassbench.experiments.catalog.frames import column
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import series_styles
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT
from glassbench.transport.codecs import CODECS

LADDERS = ("h264", "hevc", "vp8", "vp9", "av1")
BITRATES = (0.1e6, 0.2e6, 0.4e6, 0.8e6)
PSNR_DB = 40.0  # the equal quality: of luma, the mean over frames
FAST, SLOW = 100e6, 1.5e6  # bit/s of the link
DELAY = 0.01
FPS = 25
WIDTH, HEIGHT = 640, 272

_SECONDS = 4
_PRESETS = "here the real-time presets of x264, x265, libvpx and SVT-AV1, one clip, PSNR; there presets for storage"
_OZER = "Ozer: AV1: A First Look, Streaming Media (article 127133): AV1 saves 35 % of x265, 38 % of VP9, 55 % of x264"


@dataclass(frozen=True, slots=True)
class Ladder:
    """One codec over the bitrates: what it gave in bit/s, mean luma PSNR in dB, and the median glass-to-glass latency
    in ms on the fast and the slow link."""

    bps: tuple[float, ...]
    psnr_db: tuple[float, ...]
    fast_ms: tuple[float, ...]
    slow_ms: tuple[float, ...]
    encode_ms: float

    def bps_at(self, psnr_db: float) -> float:
        """The bitrate at that quality. Between two points its logarithm is linear in dB. NaN outside the ladder."""
        return float(np.exp(np.interp(psnr_db, self.psnr_db, np.log(self.bps), left=np.nan, right=np.nan)))

    def ms_at(self, psnr_db: float, latencies: Sequence[float]) -> float:
        """The latency at that quality. Between two points it is linear in the bitrate."""
        return float(np.interp(self.bps_at(psnr_db), self.bps, latencies))


def bd_rate(anchor: Ladder, tested: Ladder) -> float:
    """The mean difference in bitrate at equal PSNR, as a share of the anchor's: -0.3 is 30 % less.

    Bjontegaard, "Calculation of average PSNR differences between RD-curves", ITU-T VCEG-M33, 2001: the logarithm of the
    rate as a cubic polynomial of the PSNR, integrated over the range that both have.
    """
    low = max(min(anchor.psnr_db), min(tested.psnr_db))
    high = min(max(anchor.psnr_db), max(tested.psnr_db))
    areas = []
    for ladder in (anchor, tested):
        integral = np.polyint(np.polyfit(ladder.psnr_db, np.log10(ladder.bps), 3))
        areas.append(np.polyval(integral, high) - np.polyval(integral, low))
    return float(10 ** ((areas[1] - areas[0]) / (high - low)) - 1)


def cost_ms(codec: str) -> float:
    """What encoding and decoding a frame costs, by the models."""
    return 1e3 * (_encode_seconds(codec) + CODECS[codec].decode_cost.seconds(WIDTH, HEIGHT))


def _encode_seconds(codec: str) -> float:
    return CODECS[codec].encode_costs[CODECS[codec].encode_cost].seconds(WIDTH, HEIGHT)


def _plans() -> tuple[Plan, ...]:
    return make_plan("fast-link", _cells(FAST), quality=True), make_plan("slow-link", _cells(SLOW), frames=False)


def _cells(rate: float) -> list[Cell]:
    link = {"element": "rate", "rate": f"{rate / 1e6:g}Mbit/s", "queue": "1MB"}
    return [
        make_cell(
            {"codec": codec, "bitrate": bitrate},
            "codecs",
            arm="udp",
            seconds=_SECONDS,
            media={"source": "bikes", "codec": codec, "bitrate": f"{bitrate / 1e3:g}kbit/s"},
            network={"down": [link, delay(DELAY)], "up": [delay(DELAY)]},
        )
        for codec in LADDERS
        for bitrate in BITRATES
    ]


def ladders(data: Datasets) -> dict[str, Ladder]:
    """The ladder of each codec."""
    fast, slow = data["fast-link"], data["slow-link"]
    ledger = fast.frames("ledger")
    by_codec = {}
    for codec in LADDERS:
        rows = fast.where(codec=codec)
        sizes = ledger[ledger["cell"].isin(rows["cell"])].groupby("cell")["size_bytes"].sum()
        by_codec[codec] = Ladder(
            bps=tuple(float(size) * 8 / _SECONDS for size in sizes),
            psnr_db=_numbers(fast, codec, "psnr_db"),
            fast_ms=_numbers(fast, codec, "g2g_p50_ms"),
            slow_ms=_numbers(slow, codec, "g2g_p50_ms"),
            encode_ms=_numbers(fast, codec, "stage_encode_ms")[0],
        )
    return by_codec


def _numbers(data: Dataset, codec: str, name: str) -> tuple[float, ...]:
    return tuple(column(data.where(codec=codec), name).tolist())


def _checks(data: Datasets) -> list[Check]:
    table = ladders(data)
    return [
        _all_need_less_than_h264(table),
        _av1_needs_least(table),
        _hevc_needs_less_than_vp9(table),
        _encoding_takes_what_its_model_says(table),
        _cheapest_is_first_on_a_fast_link(table),
        _fewest_bits_pay_on_a_slow_link(table),
        _latency_is_the_sum_of_its_parts(table),
    ]


def _all_need_less_than_h264(table: dict[str, Ladder]) -> Check:
    rates = {CODECS[codec].title: bd_rate(table["h264"], table[codec]) for codec in ("hevc", "vp9", "av1")}
    return check(
        "HEVC, VP9 and AV1 need fewer bits than H.264 for the same quality",
        _OZER,
        "order",
        bounded(PERCENT, rates, below=0, of="BD-rate against H.264"),
        note=_PRESETS,
    )


def _av1_needs_least(table: dict[str, Ladder]) -> Check:
    rates = {CODECS[codec].title: bd_rate(table["av1"], table[codec]) for codec in ("hevc", "vp9", "h264")}
    return check(
        "AV1 needs the fewest bits of all",
        _OZER,
        "order",
        bounded(PERCENT, rates, above=0, of="BD-rate against AV1"),
        note=_PRESETS,
    )


def _hevc_needs_less_than_vp9(table: dict[str, Ladder]) -> Check:
    return check(
        "HEVC needs fewer bits than VP9",
        "De Cock et al. (Netflix), SPIE 2016, as reported by Streaming Media: x265 about 20 % more efficient",
        "order",
        bounded(PERCENT, bd_rate(table["vp9"], table["hevc"]), below=0, of="BD-rate of HEVC against VP9"),
        note=_PRESETS,
    )


def _encoding_takes_what_its_model_says(table: dict[str, Ladder]) -> Check:
    want = {CODECS[codec].title: _encode_seconds(codec) for codec in LADDERS}
    return check(
        "The encoder adds what its cost model says, and more for the newer codecs",
        "closed form: base + seconds per megapixel x 640 x 272, sender/cost.py",
        "value",
        value(MS, [table[codec].encode_ms / 1e3 for codec in LADDERS], want, off=1e-6),
    )


def _cheapest_is_first_on_a_fast_link(table: dict[str, Ladder]) -> Check:
    got = {CODECS[codec].title: ladder.ms_at(PSNR_DB, ladder.fast_ms) / 1e3 for codec, ladder in table.items()}
    cheapest = CODECS[min(LADDERS, key=cost_ms)].title
    first = got.pop(cheapest)
    return check(
        "On a fast link the codec that computes least is on the screen first at equal quality",
        "closed form: at 100 Mbit/s a frame's bits take less than 1 ms, whatever the codec",
        "order",
        bounded(MS, got, above=first, of=f"at {PSNR_DB:g} dB", at=f"(that of {cheapest})"),
    )


def _fewest_bits_pay_on_a_slow_link(table: dict[str, Ladder]) -> Check:
    got = {codec: ladder.ms_at(PSNR_DB, ladder.slow_ms) / 1e3 for codec, ladder in table.items()}
    want = {codec: _sum_of_parts(codec, table[codec], SLOW) for codec in LADDERS}
    sooner, later = (
        {
            CODECS[codec].title: got[codec]
            for codec in LADDERS
            if codec != "h264" and (want[codec] < want["h264"]) == before
        }
        for before in (True, False)
    )
    judgements = [bounded(MS, sooner, below=got["h264"], of=f"sooner at {PSNR_DB:g} dB")]
    if later:
        judgements.append(bounded(MS, later, at_least=got["h264"], of="later", at="(that of H.264)"))
    return check(
        "On a slow link bits saved are worth more than computing time: some of the others come before H.264",
        f"closed form: costs + bits of a mean frame / {SLOW / 1e6:g} Mbit/s",
        "order",
        *judgements,
    )


def _latency_is_the_sum_of_its_parts(table: dict[str, Ladder]) -> Check:
    got = [ladder.ms_at(PSNR_DB, ladder.slow_ms) / 1e3 for ladder in table.values()]
    want = {CODECS[codec].title: _sum_of_parts(codec, ladder, SLOW) / 1e3 for codec, ladder in table.items()}
    return check(
        "The latency of a codec is its computing, propagation, and the bits of a frame over the rate",
        "closed form, for a mean frame",
        "value",
        value(MS, got, want, within=0.1),
        note="the median frame is smaller than the mean one, above all where keyframes are large",
    )


def _sum_of_parts(codec: str, ladder: Ladder, rate: float) -> float:
    return cost_ms(codec) + 1e3 * (DELAY + ladder.bps_at(PSNR_DB) / FPS / rate)


def _figure(data: Datasets) -> Figure:
    table = ladders(data)
    figure, (left, right) = panels("Codecs at their real-time presets (bikes, 640x272)", size=(13, 4.8))
    rates = np.geomspace(1e6, 20e6, 50)
    for codec, style in zip(LADDERS, series_styles(LADDERS), strict=True):
        ladder, name = table[codec], CODECS[codec].title
        at = f"{name}: {ladder.bps_at(PSNR_DB) / 1e3:.0f} kbit/s"
        curve(left, style, [bps / 1e6 for bps in ladder.bps], ladder.psnr_db, label=at)
        sums = [_sum_of_parts(codec, ladder, rate) for rate in rates]
        curve(right, style, rates / 1e6, sums, marker="", linewidth=1.3)
        point = (SLOW / 1e6, ladder.ms_at(PSNR_DB, ladder.slow_ms))
        measured = f"{name}: measured at {SLOW / 1e6:g} Mbit/s"
        curve(right, style, *point, linestyle="", markersize=8, label=measured)
    left.axhline(PSNR_DB, color=FAINT, linewidth=1.2, zorder=1)
    logarithmic(left, x=[0.1, 0.2, 0.4, 0.8])
    logarithmic(right, x=[1, 1.5, 3, 5, 10, 20])
    finish(left, "luma PSNR, dB", "bitrate, Mbit/s (log scale)", title=f"at {PSNR_DB:g} dB", title_fontsize="small")
    title = f"median latency at {PSNR_DB:g} dB, ms; lines: closed form"
    finish(right, title, "rate of the link, Mbit/s (log scale)")
    return figure


EXPERIMENT = Experiment(
    name="codecs-v1",
    question="Which codec is on the screen first at equal quality?",
    expectation="The newer codecs need fewer bits and more time: H.264 is first on a fast link, one of the newer on a "
    "slow one.",
    source="Bjontegaard 2001; Ozer, AV1: A First Look; De Cock et al. 2016; the cost models of sender/cost.py",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
