"""Congestion control under loss that is no congestion: independent, and in bursts of the same mean."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from glassbench.experiments import scenario
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.engine.plan import Cell, Plan, checked
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK, arm_styles, new_figure, tidy
from glassbench.netem.packet import IP_UDP_HEADER_BYTES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOSSES = (0.005, 0.01, 0.02, 0.04)
RTT, LONG_RTT = 0.1, 0.2  # seconds
BURST_LOSS = 0.02
BURST = 5.0  # packets
EPISODE = 0.02  # seconds
MTU = 1500
PACKET_BYTES = 1200  # of UDP payload, by which windows of aioquic as it is count (RFC 9000, 14.1)
ARMS = {
    "reno": "quic-stream:stack=stock,control=reno",
    "cubic": "quic-stream:stack=stock,control=cubic",
    "realtime": "quic-stream",
}
LOSS_BASED = ("reno", "cubic")

_OFFERED = 4.5e6  # above what reno and cubic can reach at any of these points, so that the window is the limit
_WARM_UP = 5.0  # seconds of slow start that are not counted
_SECONDS = {"reno": 37.0, "cubic": 37.0, "realtime": 12.0}
_IID = "independent"


def average_window(loss: float, *, increase: float = 1.0, decrease: float = 0.5) -> float:
    """Packets in flight on average, if the window grows by `increase` packets a round trip and falls to `decrease` of
    itself at each loss, one in 1 / `loss` packets (RFC 9438, section 4.3). Of (1, 0.5) it is sqrt(3 / (2 p)), the
    constant of Mathis et al. 1997."""
    return math.sqrt(increase * (1 + decrease) / (2 * (1 - decrease) * loss))


def cubic_window(loss: float, rtt: float) -> float:
    """The average window of CUBIC with C = 0.4 and beta = 0.7: the larger one of its own and that of Reno (RFC 9438,
    sections 4.3 and 5.1)."""
    return max(1.054 * math.pow(rtt / loss, 0.75), average_window(loss))


def rate_mbps(window: float, rtt: float) -> float:
    """Mbit/s of UDP payload."""
    return window * PACKET_BYTES * 8 / rtt / 1e6


@dataclass(frozen=True, slots=True)
class Point:
    """One cell: Mbit/s of UDP payload that were sent after the warm-up, and the share of frames shown."""

    arm: str
    model: str
    loss: float
    rtt: float
    sent_mbps: float
    shown: float


def _plans() -> tuple[Plan, ...]:
    iid = [(arm, _IID, loss, RTT) for loss in LOSSES for arm in ARMS]
    far = [(arm, _IID, 0.01, LONG_RTT) for arm in LOSS_BASED]
    bursts = [(arm, model, BURST_LOSS, RTT) for model in ("bursts", "episodes") for arm in ARMS]
    clear = [("realtime", _IID, 0.0, RTT)]
    cells = [_cell(arm, model, loss, rtt) for arm, model, loss, rtt in iid + far + bursts + clear]
    return (checked(Plan("congestion-control", tuple(cells), frames=True)),)


def _cell(arm: str, model: str, loss: float, rtt: float) -> Cell:
    delay = {"element": "delay", "delay": f"{rtt * 500:g}ms"}
    content = {
        "name": "congestion-control",
        "duration": f"{_SECONDS[arm]:g}s",
        "arms": [ARMS[arm]],
        "mtu": MTU,
        "video": {
            "source": "lognormal",
            "bitrate": f"{_OFFERED / 1e6:g}Mbit/s",
            "encode_cost": "none",
            "decode_cost": "none",
        },
        "network": {"down": [_loss(model, loss), delay], "up": [delay]},
    }
    return Cell({"control": arm, "model": model, "loss": loss, "rtt": rtt}, scenario.build(content))


def _loss(model: str, share: float) -> dict[str, Any]:
    text = f"{share * 100:g}%"
    if model == "bursts":
        return {"element": "gilbert-elliott", "name": "loss", "mean_loss": text, "mean_burst": BURST}
    if model == "episodes":
        return {"element": "loss-episodes", "name": "loss", "mean_loss": text, "mean_duration": f"{EPISODE * 1000:g}ms"}
    return {"element": "random-loss", "name": "loss", "probability": text}


def points(data: Dataset) -> list[Point]:
    """All cells, in the order of the plan."""
    names = ["cell", "axis.control", "axis.model", "axis.loss", "axis.rtt", "captured", "displayed"]
    found = []
    for cell, arm, model, loss, rtt, captured, displayed in data.summary[names].itertuples(index=False):
        links = data.links([cell])
        seconds = _SECONDS[arm] - _WARM_UP
        counted = (links["direction"] == "down") & (links["at"] >= _WARM_UP) & (links["at"] < _SECONDS[arm])
        payload = PACKET_BYTES / (PACKET_BYTES + IP_UDP_HEADER_BYTES)
        sent = float(links.loc[counted, "sent_bytes"].sum()) * payload * 8 / seconds / 1e6
        found.append(Point(arm, model, float(loss), float(rtt), sent, displayed / captured))
    return found


def _one(table: Sequence[Point], arm: str, model: str, loss: float, rtt: float = RTT) -> Point:
    (point,) = [p for p in table if (p.arm, p.model, p.loss, p.rtt) == (arm, model, loss, rtt)]
    return point


def _checks(data: Datasets) -> list[Check]:
    table = points(data["congestion-control"])
    return [
        _reno_follows_mathis(table),
        _reno_is_inverse_to_the_round_trip(table),
        _cubic_is_reno_friendly(table),
        _cubic_is_below_its_aimd(table),
        _bursts_cost_less(table),
        _bursts_cost_no_less_than_their_number(table),
        _episodes_cost_less(table),
        _realtime_sends_what_was_lost_again(table),
        _realtime_shows_the_video(table),
    ]


def _reno_follows_mathis(table: Sequence[Point]) -> Check:
    got = [_one(table, "reno", _IID, loss).sent_mbps for loss in LOSSES]
    want = [rate_mbps(average_window(loss), RTT) for loss in LOSSES]
    return _compared(
        "Reno sends MSS / (RTT sqrt(2 p / 3))",
        "Mathis, Semke, Mahdavi, Ott: The macroscopic behavior of the TCP congestion avoidance algorithm, 1997",
        want,
        got,
        tolerance=0.15,
        note="offered more than that, no bottleneck; the constant is of periodic loss, ours is random",
    )


def _reno_is_inverse_to_the_round_trip(table: Sequence[Point]) -> Check:
    near, far = (_one(table, "reno", _IID, 0.01, rtt).sent_mbps for rtt in (RTT, LONG_RTT))
    return Check(
        claim="Twice the round trip halves what Reno sends at the same loss",
        source="Mathis et al. 1997: the rate is proportional to 1 / RTT",
        kind="value",
        expected="2 at 1 % loss, RTT 100 and 200 ms, within 20 %",
        measured=f"{near:.2f} / {far:.2f} Mbit/s = {near / far:.2f}",
        holds=abs(near / far / 2 - 1) <= 0.2,
    )


def _cubic_is_reno_friendly(table: Sequence[Point]) -> Check:
    friendly = [loss for loss in LOSSES if cubic_window(loss, RTT) == average_window(loss)]
    ratios = [_one(table, "cubic", _IID, p).sent_mbps / _one(table, "reno", _IID, p).sent_mbps for p in friendly]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return Check(
        claim="CUBIC sends what Reno does, where its own curve is below that (12 packets each at 1 % and RTT 100 ms)",
        source="RFC 9438, section 4.3 and table 1",
        kind="value",
        expected="a ratio of 1, within 10 %",
        measured=f"{mean:.2f}, geometric mean of " + ", ".join(f"{ratio:.2f}" for ratio in ratios),
        holds=abs(mean - 1) <= 0.1,
        note="aioquic 1.7 adds a whole packet a round trip in this region, not 3 (1 - 0.7) / (1 + 0.7) = 0.53",
    )


def _cubic_is_below_its_aimd(table: Sequence[Point]) -> Check:
    got = [_one(table, "cubic", _IID, loss).sent_mbps for loss in LOSSES]
    reno = [_one(table, "reno", _IID, loss).sent_mbps for loss in LOSSES]
    most = [rate_mbps(average_window(loss, increase=1.0, decrease=0.7), RTT) for loss in LOSSES]
    return Check(
        claim="aioquic's cubic lies between Reno and additive increase by 1 with decrease to 0.7",
        source="RFC 9438, section 4.3, AVG_AIMD(1, 0.7)",
        kind="order",
        expected="above reno's, and at most " + _mbps(most),
        measured=_mbps(got) + "; reno " + _mbps(reno),
        holds=all(low < value <= 1.05 * high for low, value, high in zip(reno, got, most, strict=True)),
        note="it also sets the window from the bytes in flight, which are fewer than the window after a loss",
    )


def _bursts_cost_less(table: Sequence[Point]) -> Check:
    return _more_than_iid(table, "bursts", f"bursts of {BURST:g} packets")


def _episodes_cost_less(table: Sequence[Point]) -> Check:
    return _more_than_iid(table, "episodes", f"episodes of {EPISODE * 1000:g} ms")


def _more_than_iid(table: Sequence[Point], model: str, words: str) -> Check:
    pairs = [(_one(table, arm, _IID, BURST_LOSS), _one(table, arm, model, BURST_LOSS)) for arm in LOSS_BASED]
    return Check(
        claim=f"The same mean loss in {words} costs loss-based control less than independent loss",
        source="RFC 9002, section 7.3.2: losses within one round trip reduce the window once",
        kind="sign",
        expected="reno and cubic send more at 2 % loss",
        measured=", ".join(f"{a.arm} {a.sent_mbps:.2f} -> {b.sent_mbps:.2f} Mbit/s" for a, b in pairs),
        holds=all(b.sent_mbps > a.sent_mbps for a, b in pairs),
        note="" if model == "bursts" else "episodes are periods of time: a slow sender has fewer packets in one",
    )


def _bursts_cost_no_less_than_their_number(table: Sequence[Point]) -> Check:
    got = _one(table, "reno", "bursts", BURST_LOSS).sent_mbps
    most = rate_mbps(average_window(BURST_LOSS / BURST), RTT)
    return Check(
        claim="What counts is how often something is lost: bursts of b packets are b times fewer signals",
        source="Mathis et al. 1997, with p / b in the place of p",
        kind="order",
        expected=f"reno at most {most:.2f} Mbit/s",
        measured=f"{got:.2f} Mbit/s",
        holds=got <= most,
        note="an upper bound: a burst that is as long as the window is found by timeout only",
    )


def _realtime_sends_what_was_lost_again(table: Sequence[Point]) -> Check:
    clear = _one(table, "realtime", _IID, 0.0).sent_mbps
    got = [_one(table, "realtime", _IID, loss).sent_mbps for loss in LOSSES]
    return _compared(
        "Our control takes a few per cent of loss for the radio's: it sends the video, and the lost packets again",
        "closed form: rate without loss / (1 - p); the threshold is 10 %, transport/congestion/realtime.py",
        [clear / (1 - loss) for loss in LOSSES],
        got,
        tolerance=0.02,
    )


def _realtime_shows_the_video(table: Sequence[Point]) -> Check:
    reno, ours = (_one(table, arm, _IID, 0.01).shown for arm in ("reno", "realtime"))
    return Check(
        claim="At 1 % of random loss, loss-based control cannot carry video that a rate-based one does",
        source="Mathis et al. 1997: the window allows 1.4 Mbit/s, offered are 4.5 Mbit/s",
        kind="order",
        expected="reno shows less than half of the frames, our control all",
        measured=f"{reno:.0%} and {ours:.0%} of the frames",
        holds=reno < 0.5 and ours == 1.0,
    )


def _compared(
    claim: str, source: str, want: Sequence[float], got: Sequence[float], *, tolerance: float, note: str = ""
) -> Check:
    off = max((got_one / want_one - 1 for got_one, want_one in zip(got, want, strict=True)), key=abs)
    return Check(
        claim=claim,
        source=source,
        kind="value",
        expected=f"{_mbps(want)}, within {tolerance:.0%}",
        measured=f"{_mbps(got)}: {off:+.0%} at most",
        holds=abs(off) <= tolerance,
        note=note,
    )


def _mbps(rates: Sequence[float]) -> str:
    return ", ".join(f"{rate:.2f}" for rate in rates) + " Mbit/s"


def _figure(data: Datasets) -> "Figure":
    table = points(data["congestion-control"])
    figure = new_figure(13, 4.8)
    left, right = figure.subplots(1, 2)
    _draw_response(left, table)
    _draw_bursts(right, table)
    figure.suptitle(
        f"Congestion control under random loss, RTT {RTT * 1000:g} ms, {_OFFERED / 1e6:g} Mbit/s offered",
        x=0.01,
        ha="left",
        fontsize=11,
        color=INK,
    )
    return figure


def _draw_response(axes: "Axes", table: Sequence[Point]) -> None:
    losses = [0.004 * 1.1**step for step in range(26)]
    percent = [100 * loss for loss in losses]
    formulas = {
        "Mathis = CUBIC of RFC 9438 here": [rate_mbps(average_window(loss), RTT) for loss in losses],
        "AIMD(1, 0.7)": [rate_mbps(average_window(loss, decrease=0.7), RTT) for loss in losses],
    }
    for (label, rates), color in zip(formulas.items(), (INK, FAINT), strict=True):
        axes.plot(percent, rates, color=color, linewidth=1.0, label=label)
    for arm, style in arm_styles(list(ARMS)).items():
        rates = [_one(table, arm, _IID, loss).sent_mbps for loss in LOSSES]
        axes.plot(
            [100 * loss for loss in LOSSES],
            rates,
            color=style.color,
            linestyle=style.dashes,
            marker=style.marker,
            label=arm,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    axes.set_yticks([0.5, 1, 2, 5], ["0.5", "1", "2", "5"])
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8, handlelength=3.2)
    axes.set_title("sent, Mbit/s (log scales)", loc="left", fontsize=9, color=INK)
    axes.set_xlabel("independent loss, %")
    tidy(axes)


def _draw_bursts(axes: "Axes", table: Sequence[Point]) -> None:
    models = {_IID: "independent", "bursts": f"bursts of {BURST:g} packets", "episodes": "episodes of 20 ms"}
    hatches = ("", "///", "...")
    for place, (arm, style) in enumerate(arm_styles(list(ARMS)).items()):
        rates = [_one(table, arm, model, BURST_LOSS).sent_mbps for model in models]
        axes.bar(
            [index + 0.27 * (place - 1) for index in range(len(models))],
            rates,
            width=0.25,
            color=style.color,
            edgecolor="white",
            hatch=hatches[place],
            label=arm,
        )
    axes.set_xticks(range(len(models)), list(models.values()))
    axes.legend(frameon=False, fontsize=8)
    axes.set_title(f"sent at {BURST_LOSS:.0%} mean loss, Mbit/s", loc="left", fontsize=9, color=INK)
    tidy(axes)


EXPERIMENT = Experiment(
    name="congestion-control-v1",
    question="What do independent and bursty loss cost loss-based congestion control, and ours?",
    expectation="Reno and cubic fall with 1 / sqrt(p) and 1 / RTT; the same loss in bursts costs them less; our "
    "control sends on.",
    source="Mathis et al. 1997; RFC 9438, sections 4.3 and 5.1; RFC 9002, section 7.3",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
