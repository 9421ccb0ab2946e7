"""Congestion control under loss that is not from congestion: independent loss, and bursts of the same mean."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.catalog.cells import delay, make_cell, make_plan, video
from glassbench.experiments.catalog.checks import MBPS, PERCENT, RATIO, bounded, check, order, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, logarithmic, panels
from glassbench.experiments.catalog.frames import only
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import arm_style
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK
from glassbench.netem.packet import IP_UDP_HEADER_BYTES

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
    itself at each loss, one in 1 / `loss` packets (RFC 9438, section 4.3). With (1, 0.5) it is sqrt(3 / (2 p)), the
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
class ArmUnderLoss:
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
    return (make_plan("congestion-control", cells),)


def _cell(arm: str, model: str, loss: float, rtt: float) -> Cell:
    way = delay(rtt / 2)
    return make_cell(
        {"control": arm, "model": model, "loss": loss, "rtt": rtt},
        "congestion-control",
        seconds=_SECONDS[arm],
        arm=ARMS[arm],
        mtu=MTU,
        media=video(f"{_OFFERED / 1e6:g}Mbit/s"),
        network={"down": [_loss(model, loss), way], "up": [way]},
    )


def _loss(model: str, share: float) -> dict[str, Any]:
    text = f"{share * 100:g}%"
    if model == "bursts":
        return {"element": "gilbert-elliott", "name": "loss", "mean_loss": text, "mean_burst": BURST}
    if model == "episodes":
        return {"element": "loss-episodes", "name": "loss", "mean_loss": text, "mean_duration": f"{EPISODE * 1000:g}ms"}
    return {"element": "random-loss", "name": "loss", "probability": text}


def points(data: Dataset) -> list[ArmUnderLoss]:
    """All cells, in the order of the plan."""
    names = ["cell", "axis.control", "axis.model", "axis.loss", "axis.rtt", "captured", "displayed"]
    every = []
    for cell, arm, model, loss, rtt, captured, displayed in data.summary[names].itertuples(index=False):
        links = data.frames("links", [cell])
        seconds = _SECONDS[arm] - _WARM_UP
        counted = (links["direction"] == "down") & (links["at"] >= _WARM_UP) & (links["at"] < _SECONDS[arm])
        payload = PACKET_BYTES / (PACKET_BYTES + IP_UDP_HEADER_BYTES)
        sent = float(links.loc[counted, "sent_bytes"].sum()) * payload * 8 / seconds / 1e6
        every.append(ArmUnderLoss(arm, model, float(loss), float(rtt), sent, displayed / captured))
    return every


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


def _reno_follows_mathis(table: Sequence[ArmUnderLoss]) -> Check:
    want = {f"{loss * 100:g} %": rate_mbps(average_window(loss), RTT) for loss in LOSSES}
    return check(
        "Reno sends MSS / (RTT sqrt(2 p / 3))",
        "Mathis, Semke, Mahdavi, Ott: The macroscopic behavior of the TCP congestion avoidance algorithm, 1997",
        "value",
        value(MBPS, _sent(table, "reno"), want, within=0.15, of="at loss"),
        note="offered more than that, no bottleneck; the constant is of periodic loss, ours is random",
    )


def _reno_is_inverse_to_the_round_trip(table: Sequence[ArmUnderLoss]) -> Check:
    near, far = (only(table, arm="reno", model=_IID, loss=0.01, rtt=rtt).sent_mbps for rtt in (RTT, LONG_RTT))
    return check(
        "Twice the round trip halves what Reno sends at the same loss",
        "Mathis et al. 1997: the rate is proportional to 1 / RTT",
        "value",
        value(RATIO, near / far, 2.0, within=0.2, of="rate at RTT 100 ms over that at 200 ms, 1 % loss"),
    )


def _cubic_is_reno_friendly(table: Sequence[ArmUnderLoss]) -> Check:
    friendly = [loss for loss in LOSSES if cubic_window(loss, RTT) == average_window(loss)]
    ratios = [a / b for a, b in zip(_sent(table, "cubic", friendly), _sent(table, "reno", friendly), strict=True)]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return check(
        "CUBIC sends what Reno does, where its own curve is below that (12 packets each at 1 % and RTT 100 ms)",
        "RFC 9438, section 4.3 and table 1",
        "value",
        value(RATIO, mean, 1.0, within=0.1, of="cubic over reno, geometric mean over the losses"),
        note="aioquic 1.7 adds a whole packet a round trip in this region, not 3 (1 - 0.7) / (1 + 0.7) = 0.53",
    )


def _cubic_is_below_its_aimd(table: Sequence[ArmUnderLoss]) -> Check:
    got, reno = _sent(table, "cubic"), _sent(table, "reno")
    most = [1.05 * rate_mbps(average_window(loss, increase=1.0, decrease=0.7), RTT) for loss in LOSSES]
    return check(
        "aioquic's cubic lies between Reno and additive increase by 1 with decrease to 0.7",
        "RFC 9438, section 4.3, AVG_AIMD(1, 0.7)",
        "order",
        order(MBPS, {"reno": reno, "cubic": got, "1.05 AIMD(1, 0.7)": most}),
        note="it also sets the window from the bytes in flight, which are fewer than the window after a loss",
    )


def _bursts_cost_less(table: Sequence[ArmUnderLoss]) -> Check:
    return _more_than_iid(table, "bursts", f"bursts of {BURST:g} packets")


def _episodes_cost_less(table: Sequence[ArmUnderLoss]) -> Check:
    note = "episodes are periods of time: a slow sender has fewer packets in one"
    return _more_than_iid(table, "episodes", f"episodes of {EPISODE * 1000:g} ms", note)


def _more_than_iid(table: Sequence[ArmUnderLoss], model: str, words: str, note: str = "") -> Check:
    rates = {
        name: [only(table, arm=arm, model=name, loss=BURST_LOSS, rtt=RTT).sent_mbps for arm in LOSS_BASED]
        for name in (_IID, model)
    }
    return check(
        f"The same mean loss in {words} costs loss-based control less than independent loss",
        "RFC 9002, section 7.3.2: losses within one round trip reduce the window once",
        "sign",
        order(MBPS, rates, of="sent by reno and cubic at 2 % loss"),
        note=note,
    )


def _bursts_cost_no_less_than_their_number(table: Sequence[ArmUnderLoss]) -> Check:
    got = only(table, arm="reno", model="bursts", loss=BURST_LOSS, rtt=RTT).sent_mbps
    return check(
        "What counts is how often something is lost: bursts of b packets are b times fewer signals",
        "Mathis et al. 1997, with p / b in the place of p",
        "order",
        bounded(MBPS, got, at_most=rate_mbps(average_window(BURST_LOSS / BURST), RTT), of="reno"),
        note="an upper bound: a burst that is as long as the window is found by timeout only",
    )


def _realtime_sends_what_was_lost_again(table: Sequence[ArmUnderLoss]) -> Check:
    (clear,) = _sent(table, "realtime", [0.0])
    want = {f"{loss * 100:g} %": clear / (1 - loss) for loss in LOSSES}
    return check(
        "Our control takes a few per cent of loss for the radio's: it sends the video, and the lost packets again",
        "closed form: rate without loss / (1 - p); the threshold is 10 %, transport/congestion/realtime.py",
        "value",
        value(MBPS, _sent(table, "realtime"), want, within=0.02, of="at loss"),
    )


def _realtime_shows_the_video(table: Sequence[ArmUnderLoss]) -> Check:
    reno, ours = (only(table, arm=arm, model=_IID, loss=0.01, rtt=RTT).shown for arm in ("reno", "realtime"))
    return check(
        "At 1 % of random loss, loss-based control cannot carry video that a rate-based one does",
        "Mathis et al. 1997: the window allows 1.4 Mbit/s, offered are 4.5 Mbit/s",
        "order",
        bounded(PERCENT, reno, below=0.5, of="frames shown by reno"),
        value(PERCENT, ours, 1.0, of="by our control"),
    )


def _sent(table: Sequence[ArmUnderLoss], arm: str, losses: Sequence[float] = LOSSES) -> list[float]:
    """Mbit/s at each independent loss."""
    return [only(table, arm=arm, model=_IID, loss=loss, rtt=RTT).sent_mbps for loss in losses]


def _figure(data: Datasets) -> Figure:
    table = points(data["congestion-control"])
    figure, (left, right) = panels(
        f"Congestion control under random loss, RTT {RTT * 1000:g} ms, {_OFFERED / 1e6:g} Mbit/s offered",
        size=(13, 4.8),
    )
    _draw_response(left, table)
    _draw_bursts(right, table)
    return figure


def _draw_response(axes: Axes, table: Sequence[ArmUnderLoss]) -> None:
    losses = [0.004 * 1.1**step for step in range(26)]
    percent = [100 * loss for loss in losses]
    formulas = {
        "Mathis = CUBIC of RFC 9438 here": [rate_mbps(average_window(loss), RTT) for loss in losses],
        "AIMD(1, 0.7)": [rate_mbps(average_window(loss, decrease=0.7), RTT) for loss in losses],
    }
    for (label, rates), color in zip(formulas.items(), (INK, FAINT), strict=True):
        axes.plot(percent, rates, color=color, linewidth=1.0, label=label)
    for arm, name in ARMS.items():
        curve(axes, arm_style(name), [100 * loss for loss in LOSSES], _sent(table, arm), label=arm)
    logarithmic(axes, x=[0.5, 1, 2, 4], y=[0.5, 1, 2, 5])
    finish(axes, "sent, Mbit/s (log scales)", "independent loss, %")


def _draw_bursts(axes: Axes, table: Sequence[ArmUnderLoss]) -> None:
    models = {_IID: "independent", "bursts": f"bursts of\n{BURST:g} packets", "episodes": "episodes\nof 20 ms"}
    hatches = ("", "///", "...")
    for place, (arm, name) in enumerate(ARMS.items()):
        rates = [only(table, arm=arm, model=model, loss=BURST_LOSS, rtt=RTT).sent_mbps for model in models]
        x = [index + 0.27 * (place - 1) for index in range(len(models))]
        axes.bar(x, rates, 0.25, color=arm_style(name).color, edgecolor="white", hatch=hatches[place], label=arm)
    axes.set_xticks(range(len(models)), list(models.values()))
    finish(axes, f"sent at {BURST_LOSS:.0%} mean loss, Mbit/s")


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
