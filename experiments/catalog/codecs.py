"""Codecs at equal quality: what each needs in bits and in time, and which picture is on the screen first."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from glassbench.experiments import scenario
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.engine.plan import Cell, Plan, checked
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK, arm_styles, new_figure, tidy
from glassbench.transport.codecs import CODECS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
        """The bitrate of that quality: its logarithm is linear in dB between two points. NaN outside the ladder."""
        return float(np.exp(np.interp(psnr_db, self.psnr_db, np.log(self.bps), left=np.nan, right=np.nan)))

    def ms_at(self, psnr_db: float, latencies: Sequence[float]) -> float:
        """The latency of that quality: linear in the bitrate between two points."""
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
    return _encode_ms(codec) + 1e3 * CODECS[codec].decode_cost.seconds(WIDTH, HEIGHT)


def _encode_ms(codec: str) -> float:
    return 1e3 * CODECS[codec].encode_costs[CODECS[codec].encode_cost].seconds(WIDTH, HEIGHT)


def _plans() -> tuple[Plan, ...]:
    fast = Plan("fast-link", tuple(_cells(FAST)), frames=True, quality=True)
    slow = Plan("slow-link", tuple(_cells(SLOW)))
    return checked(fast), checked(slow)


def _cells(rate: float) -> list[Cell]:
    delay = {"element": "delay", "delay": f"{DELAY * 1e3:g}ms"}
    cells = []
    for codec in LADDERS:
        for bitrate in BITRATES:
            content = {
                "name": "codecs",
                "duration": f"{_SECONDS}s",
                "arms": ["udp"],
                "video": {"source": "bikes", "codec": codec, "bitrate": f"{bitrate / 1e3:g}kbit/s"},
                "network": {
                    "down": [{"element": "rate", "rate": f"{rate / 1e6:g}Mbit/s", "queue": "1MB"}, delay],
                    "up": [delay],
                },
            }
            cells.append(Cell({"codec": codec, "bitrate": bitrate}, scenario.build(content)))
    return cells


def ladders(data: Datasets) -> dict[str, Ladder]:
    """The ladder of each codec."""
    fast, slow = data["fast-link"], data["slow-link"]
    ledger = fast.ledger()
    found = {}
    for codec in LADDERS:
        rows = fast.where(codec=codec)
        sizes = ledger[ledger["cell"].isin(rows["cell"])].groupby("cell")["size_bytes"].sum()
        found[codec] = Ladder(
            bps=tuple(float(size) * 8 / _SECONDS for size in sizes),
            psnr_db=_numbers(fast, codec, "psnr_db"),
            fast_ms=_numbers(fast, codec, "g2g_p50_ms"),
            slow_ms=_numbers(slow, codec, "g2g_p50_ms"),
            encode_ms=_numbers(fast, codec, "stage_encode_ms")[0],
        )
    return found


def _numbers(data: Dataset, codec: str, name: str) -> tuple[float, ...]:
    return tuple(data.where(codec=codec)[name].to_numpy(dtype=np.float64, na_value=math.nan).tolist())


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
    rates = {codec: bd_rate(table["h264"], table[codec]) for codec in ("hevc", "vp9", "av1")}
    return Check(
        claim="HEVC, VP9 and AV1 need fewer bits than H.264 for the same quality",
        source=_OZER,
        kind="order",
        expected="BD-rate against H.264 below 0 for each",
        measured=", ".join(f"{CODECS[codec].title} {rate:+.0%}" for codec, rate in rates.items()),
        holds=max(rates.values()) < 0,
        note=_PRESETS,
    )


def _av1_needs_least(table: dict[str, Ladder]) -> Check:
    rates = {codec: bd_rate(table["av1"], table[codec]) for codec in ("hevc", "vp9", "h264")}
    return Check(
        claim="AV1 needs the fewest bits of all",
        source=_OZER,
        kind="order",
        expected="BD-rate against AV1 above 0 for HEVC, VP9 and H.264",
        measured=", ".join(f"{CODECS[codec].title} {rate:+.0%}" for codec, rate in rates.items()),
        holds=min(rates.values()) > 0,
        note=_PRESETS,
    )


def _hevc_needs_less_than_vp9(table: dict[str, Ladder]) -> Check:
    rate = bd_rate(table["vp9"], table["hevc"])
    return Check(
        claim="HEVC needs fewer bits than VP9",
        source="De Cock et al. (Netflix), SPIE 2016, as reported by Streaming Media: x265 about 20 % more efficient",
        kind="order",
        expected="BD-rate of HEVC against VP9 below 0",
        measured=f"{rate:+.0%}",
        holds=rate < 0,
        note=_PRESETS,
    )


def _encoding_takes_what_its_model_says(table: dict[str, Ladder]) -> Check:
    want = {codec: _encode_ms(codec) for codec in LADDERS}
    off = max(abs(table[codec].encode_ms - want[codec]) for codec in LADDERS)
    return Check(
        claim="The encoder adds what its cost model says, and more for the newer codecs",
        source="closed form: base + seconds per megapixel x 640 x 272, sender/cost.py",
        kind="value",
        expected=", ".join(f"{CODECS[codec].title} {value:.2f}" for codec, value in want.items()) + " ms, within 1 us",
        measured=", ".join(f"{table[codec].encode_ms:.2f}" for codec in LADDERS) + " ms",
        holds=off <= 1e-3,
    )


def _cheapest_is_first_on_a_fast_link(table: dict[str, Ladder]) -> Check:
    got = {codec: ladder.ms_at(PSNR_DB, ladder.fast_ms) for codec, ladder in table.items()}
    first = min(got, key=lambda codec: got[codec])
    return Check(
        claim="On a fast link the codec that computes least is on the screen first at equal quality",
        source="closed form: at 100 Mbit/s a frame's bits take less than 1 ms, whatever the codec",
        kind="order",
        expected=f"{CODECS[min(LADDERS, key=cost_ms)].title} at {PSNR_DB:g} dB",
        measured=f"{CODECS[first].title}: " + _latencies(got),
        holds=first == min(LADDERS, key=cost_ms),
    )


def _fewest_bits_pay_on_a_slow_link(table: dict[str, Ladder]) -> Check:
    got = {codec: ladder.ms_at(PSNR_DB, ladder.slow_ms) for codec, ladder in table.items()}
    want = {codec: _sum_of_parts(codec, table[codec], SLOW) for codec in LADDERS}
    before = [codec for codec in LADDERS if want[codec] < want["h264"]]
    measured = [codec for codec in LADDERS if got[codec] < got["h264"]]
    return Check(
        claim="On a slow link bits saved are worth more than computing time: some of the others come before H.264",
        source=f"closed form: costs + bits of a mean frame / {SLOW / 1e6:g} Mbit/s",
        kind="order",
        expected=f"{', '.join(CODECS[codec].title for codec in before)} before H.264 at {PSNR_DB:g} dB",
        measured=", ".join(CODECS[codec].title for codec in measured) + ": " + _latencies(got),
        holds=before == measured and bool(before),
    )


def _latency_is_the_sum_of_its_parts(table: dict[str, Ladder]) -> Check:
    got = {codec: ladder.ms_at(PSNR_DB, ladder.slow_ms) for codec, ladder in table.items()}
    want = {codec: _sum_of_parts(codec, table[codec], SLOW) for codec in LADDERS}
    off = {codec: got[codec] / want[codec] - 1 for codec in LADDERS}
    worst = max(off, key=lambda codec: abs(off[codec]))
    return Check(
        claim="The latency of a codec is its computing, propagation, and the bits of a frame over the rate",
        source="closed form, for a mean frame",
        kind="value",
        expected=_latencies(want) + ", within 10 %",
        measured=_latencies(got) + f"; {CODECS[worst].title} is {off[worst]:+.0%} off",
        holds=abs(off[worst]) <= 0.1,
        note="the median frame is smaller than the mean one, above all where keyframes are large",
    )


def _sum_of_parts(codec: str, ladder: Ladder, rate: float) -> float:
    return cost_ms(codec) + 1e3 * (DELAY + ladder.bps_at(PSNR_DB) / FPS / rate)


def _latencies(milliseconds: dict[str, float]) -> str:
    return ", ".join(f"{CODECS[codec].title} {value:.1f}" for codec, value in milliseconds.items()) + " ms"


def _figure(data: Datasets) -> "Figure":
    table = ladders(data)
    styles = arm_styles(list(LADDERS))
    figure = new_figure(13, 4.8)
    left, right = figure.subplots(1, 2)
    for codec, ladder in table.items():
        style = styles[codec]
        left.plot(
            [bps / 1e6 for bps in ladder.bps],
            ladder.psnr_db,
            color=style.color,
            linestyle=style.dashes,
            marker=style.marker,
            label=f"{CODECS[codec].title}: {ladder.bps_at(PSNR_DB) / 1e3:.0f} kbit/s",
        )
    left.axhline(PSNR_DB, color=FAINT, linewidth=1.2, zorder=1)
    left.set_xscale("log")
    left.set_xticks([0.1, 0.2, 0.4, 0.8], ["0.1", "0.2", "0.4", "0.8"])
    left.minorticks_off()
    left.set_title("luma PSNR, dB", loc="left", fontsize=9, color=INK)
    left.set_xlabel("bitrate, Mbit/s (log scale)")
    left.legend(frameon=False, fontsize=8, handlelength=3.2, title=f"at {PSNR_DB:g} dB", title_fontsize=8)
    tidy(left)
    _draw_latency(right, table)
    figure.suptitle("Codecs at their real-time presets (bikes, 640x272)", x=0.01, ha="left", fontsize=11, color=INK)
    return figure


def _draw_latency(axes: "Axes", table: dict[str, Ladder]) -> None:
    styles = arm_styles(list(LADDERS))
    rates = np.geomspace(1e6, 20e6, 50)
    for codec, ladder in table.items():
        style = styles[codec]
        axes.plot(
            rates / 1e6,
            [_sum_of_parts(codec, ladder, rate) for rate in rates],
            color=style.color,
            linestyle=style.dashes,
            linewidth=1.3,
        )
        axes.plot(
            SLOW / 1e6,
            ladder.ms_at(PSNR_DB, ladder.slow_ms),
            color=style.color,
            linestyle="",
            marker=style.marker,
            markersize=8,
            label=f"{CODECS[codec].title}: measured at {SLOW / 1e6:g} Mbit/s",
        )
    axes.set_xscale("log")
    axes.set_xticks([1, 1.5, 3, 5, 10, 20], ["1", "1.5", "3", "5", "10", "20"])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(f"median latency at {PSNR_DB:g} dB, ms; lines: closed form", loc="left", fontsize=9, color=INK)
    axes.set_xlabel("rate of the link, Mbit/s (log scale)")
    tidy(axes)


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
