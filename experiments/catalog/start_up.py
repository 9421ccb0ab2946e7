"""Start-up: how long after the first capture something is on the screen, if the connection begins only then."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from glassbench.experiments.catalog.cells import delay, make_cell, make_plan, video
from glassbench.experiments.catalog.checks import BYTES, MS, ROUND_TRIPS, bounded, check, order, value
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.catalog.figures import curve, finish, panels
from glassbench.experiments.catalog.frames import FRAME_INTERVAL
from glassbench.experiments.engine.plan import Cell, Plan
from glassbench.experiments.results.arm_style import ArmStyle, series_styles
from glassbench.experiments.results.dataset import Dataset
from glassbench.experiments.results.plots.style import FAINT, INK

SRT_LATENCY = 0.12  # seconds, libsrt's default
CHAIN_BYTES = 8000
FIRST_DATAGRAM, HEADERS_BYTES = 1200, 28  # of UDP payload, until a larger one is known to fit; of IP and UDP


@dataclass(frozen=True)
class Setup:
    """A way to begin: the arm, the round trips until the sender may send, and for how long frames are held."""

    arm: str
    round_trips: float
    hold: float = 0.0

    def first_frame(self, rtt: float) -> float:
        """Seconds from the first capture until a frame of one packet is shown, if nothing is lost."""
        return (self.round_trips + 0.5) * rtt + self.hold


CHAIN = f"{CHAIN_BYTES // 1000} kB of certificates"
SETUPS = {
    "UDP": Setup("udp", 0),
    "RTP": Setup("rtp", 0),
    "QUIC 0-RTT": Setup("quic-datagram:zero_rtt=true", 0),
    "QUIC 0-RTT, streams": Setup("quic-stream-per-frame:zero_rtt=true", 0),
    f"QUIC 0-RTT, {CHAIN}": Setup(f"quic-datagram:zero_rtt=true,chain_bytes={CHAIN_BYTES}", 0),
    "QUIC 1-RTT": Setup("quic-datagram", 1),
    "QUIC 1-RTT, streams": Setup("quic-stream-per-frame", 1),
    f"QUIC 1-RTT, {CHAIN}": Setup(f"quic-datagram:chain_bytes={CHAIN_BYTES}", 2),
    "WebTransport": Setup("webtransport-datagram", 2),
    "SRT, receiver calls": Setup("srt:caller=receiver", 1.5, SRT_LATENCY),
    "SRT, sender calls": Setup("srt", 2, SRT_LATENCY),
}
RTTS = (0.01, 0.05, 0.1, 0.2)  # seconds

LOST_RTTS = (0.05, 0.2)
# Seconds until the first packet is sent again: aioquic's PTO before a round trip was measured, twice its initial_rtt of
# 100 ms; libsrt repeats a handshake every 250 ms.
REPEATED = {"QUIC 0-RTT": 0.2, "QUIC 1-RTT": 0.2, "WebTransport": 0.2, "SRT, sender calls": 0.25}
REORDER_WINDOW = 0.005  # of RTP, before a gap is asked for

KEYFRAME_RTT = 0.1
BITRATES = ("50kbit/s", "500kbit/s", "1Mbit/s", "2Mbit/s", "4Mbit/s")
KEYFRAME_SETUPS = ("RTP", "QUIC 0-RTT", "QUIC 1-RTT", "WebTransport", "SRT, sender calls")
WINDOW_BYTES = 10 * FIRST_DATAGRAM  # RFC 9002, 7.2


def _plans() -> tuple[Plan, ...]:
    lost = {"element": "outage", "windows": [{"start": "0s", "duration": "5ms"}]}
    handshake = [_cell(name, rtt, {"rtt": rtt}) for name in SETUPS for rtt in RTTS]
    repeated = [_cell(name, rtt, {"rtt": rtt}, lost) for name in ("RTP", *REPEATED) for rtt in LOST_RTTS]
    keyframe = [
        _cell(name, KEYFRAME_RTT, {"bitrate": bitrate}, bitrate=bitrate)
        for name in KEYFRAME_SETUPS
        for bitrate in BITRATES
    ]
    return (
        make_plan("handshake", handshake),
        make_plan("first-flight-lost", repeated, frames=False),
        make_plan("keyframe", keyframe),
    )


def _cell(name: str, rtt: float, axes: dict[str, Any], *lost: dict[str, Any], bitrate: str = BITRATES[0]) -> Cell:
    way = delay(rtt / 2)
    return make_cell(
        {"setup": name, **axes},
        "start-up",
        seconds=1,
        connect="with-media",
        arm=SETUPS[name].arm,
        media=video(bitrate),
        network={"down": [*lost, way], "up": [way]},
    )


Times = dict[tuple[str, Any], float]


def times(data: Dataset, axis: str) -> Times:
    """Seconds to the first frame, by setup and the other axis; infinite if there was none."""
    columns = data.summary[["axis.setup", f"axis.{axis}", "first_frame_ms"]]
    return {
        (name, value): ms / 1e3
        for name, value, ms in columns.astype({"first_frame_ms": "float64"}).itertuples(index=False)
    }


def keyframe_bytes(data: Dataset) -> dict[str, int]:
    """The size of the keyframe that begins the stream, by bitrate: the same for all setups."""
    by_bitrate = {}
    for cell, bitrate in data.summary[["cell", "axis.bitrate"]].itertuples(index=False):
        ledger = data.frames("ledger", [cell])
        by_bitrate[bitrate] = int(ledger.loc[ledger["sequence"] == 0, "size_bytes"].iloc[0])
    return by_bitrate


def answered_bytes(data: Dataset, name: str, rtt: float) -> int:
    """What the listener sent, without IP and UDP headers, in the 100 ms in which the first datagram reached it."""
    links = data.frames("links", data.where(setup=name, rtt=rtt)["cell"].tolist())
    row = links[(links["direction"] == "up") & np.isclose(links["at"], math.floor(rtt * 5) / 10)]
    sent = int(row["sent_bytes"].sum())
    return sent - HEADERS_BYTES * math.ceil(sent / (FIRST_DATAGRAM + HEADERS_BYTES))


def _checks(data: Datasets) -> list[Check]:
    begun, lost = times(data["handshake"], "rtt"), times(data["first-flight-lost"], "rtt")
    large = times(data["keyframe"], "bitrate")
    return [
        *(_takes(begun, names, claim, source) for names, claim, source in _HANDSHAKES),
        _chain_costs_a_round_trip(begun),
        _answer_is_three_times(answered_bytes(data["handshake"], f"QUIC 1-RTT, {CHAIN}", RTTS[-1])),
        _chain_is_no_faster_than_tcp(begun),
        _lost_first_flight(lost),
        _lost_early_data(lost),
        _rtp_repairs_its_first_frame(lost),
        _large_keyframe(large, keyframe_bytes(data["keyframe"])),
        _no_window_no_wait(large),
    ]


_SRT = "draft-sharabayko-srt-01"
_HANDSHAKES = (
    (("UDP", "RTP"), "Without a handshake the first frame is there after half a round trip", "propagation"),
    (("QUIC 1-RTT", "QUIC 1-RTT, streams"), "QUIC may send after one round trip", "RFC 9000, 7; RFC 9001, 4.1"),
    (
        ("QUIC 0-RTT", "QUIC 0-RTT, streams", f"QUIC 0-RTT, {CHAIN}"),
        "A resumed QUIC session sends with its first flight, and needs no certificates",
        "RFC 9001, section 4.6; RFC 8446, section 2.2",
    ),
    (
        ("WebTransport",),
        "WebTransport takes a round trip more than QUIC: CONNECT, once the listener's SETTINGS came",
        "draft-ietf-webtrans-http3-02, section 3",
    ),
    (
        ("SRT, sender calls",),
        "SRT takes two round trips, induction and conclusion, and holds the first frame like any other",
        f"{_SRT}, 4.3.1 and 4.5",
    ),
    (("SRT, receiver calls",), "An SRT sender that is called may send half a round trip earlier", f"{_SRT}, 4.3.1"),
)


def _takes(begun: Times, names: Sequence[str], claim: str, source: str) -> Check:
    want = {f"RTT {rtt * 1e3:g}": SETUPS[names[0]].first_frame(rtt) for rtt in RTTS}
    form = f"({_closed_form(SETUPS[names[0]])})"
    rows = {name: [begun[name, rtt] for rtt in RTTS] for name in names}
    judgements = [value(MS, row, want, off=2e-6, of=name, at=form) for name, row in rows.items()]
    return check(claim, f"closed form: {source}", "value", *judgements)


def _chain_costs_a_round_trip(begun: Times) -> Check:
    rows = [(begun[f"QUIC 1-RTT, {CHAIN}", rtt] - begun["QUIC 1-RTT", rtt]) / rtt for rtt in RTTS]
    return check(
        "Certificates that do not fit three times the caller's first datagram cost a round trip",
        "RFC 9000, section 8.1; Nawrocki et al.: TLS Certificates and QUIC Performance, CoNEXT 2022",
        "value",
        value(ROUND_TRIPS, rows, 1.0, off=1e-3, of=f"more with {CHAIN_BYTES} bytes of further certificates"),
        note="the paper counts such handshakes in the wild (38 % need several round trips), it gives no durations",
    )


def _answer_is_three_times(sent: int) -> Check:
    return check(
        "Until it knows that the caller's address is real, the listener sends three times what it received",
        "RFC 9000, section 8.1",
        "value",
        value(BYTES, sent, 3 * FIRST_DATAGRAM, of=f"3 x {FIRST_DATAGRAM}", at="of UDP payload"),
    )


def _chain_is_no_faster_than_tcp(begun: Times) -> Check:
    rows = [begun[f"QUIC 1-RTT, {CHAIN}", rtt] / rtt for rtt in RTTS]
    return check(
        "A QUIC handshake that is too big is no faster than TCP with TLS 1.3",
        "McManus: Does the QUIC handshake require compression to be fast? Fastly, 2020",
        "order",
        bounded(ROUND_TRIPS, rows, at_least=2.5, at="(one for TCP, one for TLS 1.3, half for the frame)"),
        note="TCP is not run here: its round trips are counted",
    )


def _lost_first_flight(lost: Times) -> Check:
    places = [(name, rtt) for name in REPEATED if name != "QUIC 0-RTT" for rtt in LOST_RTTS]
    want = {f"{name} at {rtt * 1e3:g}": REPEATED[name] + SETUPS[name].first_frame(rtt) for name, rtt in places}
    return check(
        "A lost first packet costs the time until it is repeated, which no round trip that is known can shorten",
        "RFC 9002, section 6.2 (aioquic's initial RTT is 100 ms); libsrt: a handshake is repeated every 250 ms",
        "value",
        value(MS, [lost[place] for place in places], want, off=2e-6, of="200 ms more, SRT 250 ms"),
        note="with the initial RTT that RFC 9002 recommends, 333 ms, it would be a second",
    )


def _lost_early_data(lost: Times) -> Check:
    rows = {name: [lost[name, rtt] for rtt in LOST_RTTS] for name in ("QUIC 1-RTT", "QUIC 0-RTT")}
    return check(
        "If the first flight is lost, 0-RTT gains nothing: what was in it goes again after the handshake",
        "RFC 9002, section 6.2.1: no PTO for application data before the handshake is confirmed",
        "order",
        order(MS, rows, or_equal=True),
    )


def _rtp_repairs_its_first_frame(lost: Times) -> Check:
    want = {f"RTT {rtt * 1e3:g}": FRAME_INTERVAL + REORDER_WINDOW + 1.5 * rtt for rtt in LOST_RTTS}
    of = f"33.3 ms + {REORDER_WINDOW * 1e3:g} ms + 1.5 RTT"
    return check(
        "RTP misses its first frame when the second one comes, and has it repaired a round trip later",
        "closed form by RFC 4585 and RFC 4588: frame interval + RTT/2, reordering window, NACK, RTX",
        "value",
        value(MS, [lost["RTP", rtt] for rtt in LOST_RTTS], want, off=1e-4, of=of),
    )


def _large_keyframe(large: Times, sizes: dict[str, int]) -> Check:
    late = {
        f"{name}, {size} B": (large[name, bitrate] - large[name, BITRATES[0]]) / KEYFRAME_RTT
        for name in ("QUIC 0-RTT", "QUIC 1-RTT", "WebTransport")
        for bitrate, size in sizes.items()
        if WINDOW_BYTES < size < 3 * WINDOW_BYTES
    }
    return check(
        "A keyframe larger than the initial window of ten packets costs QUIC a further round trip",
        "closed form by RFC 9002, section 7.2: 10 packets, doubled in the next round trip",
        "value",
        bounded(ROUND_TRIPS, late, at_least=1, at_most=1.3, of="more", at="(pacing within the round trip)"),
    )


def _no_window_no_wait(large: Times) -> Check:
    names = ("RTP", "SRT, sender calls")
    waits = [abs(large[name, bitrate] - large[name, BITRATES[0]]) for name in names for bitrate in BITRATES]
    return check(
        "RTP and SRT send a keyframe of any size at once, for good or ill",
        "draft-sharabayko-srt-01, section 5.1: live mode paces by a configured rate; UDP has no control at all",
        "sign",
        bounded(
            MS, waits, at_most=2e-6, of="wait that grows with the keyframe", at="on a link without a limit of rate"
        ),
        note="a real link queues or drops such a burst: see bufferbloat-v1",
    )


def _closed_form(setup: Setup) -> str:
    return f"{setup.round_trips + 0.5:g} RTT" + (f" + {setup.hold * 1e3:g} ms" if setup.hold else "")


def _figure(data: Datasets) -> Figure:
    begun, lost = times(data["handshake"], "rtt"), times(data["first-flight-lost"], "rtt")
    large, sizes = times(data["keyframe"], "bitrate"), keyframe_bytes(data["keyframe"])
    names = ["RTP", "QUIC 0-RTT", "QUIC 1-RTT", f"QUIC 1-RTT, {CHAIN}", "WebTransport", *list(SETUPS)[-2:]]
    styles = dict(zip(names, series_styles(names), strict=True))
    title = "Time from the first capture to the first frame on the screen, if the connection begins with the capture"
    figure, (left, middle, right) = panels(title, 3, size=(14, 4.8), width_ratios=(1.2, 1, 1))
    for place, name in enumerate(reversed(names)):  # where lines coincide, the marker below is the larger one
        first = [1e3 * begun[name, rtt] for rtt in RTTS]
        look = {"label": f"{name}: {_closed_form(SETUPS[name])}", "markersize": 10 - place}
        curve(left, styles[name], [1e3 * rtt for rtt in RTTS], first, **look)
    left.set_ylim(0, 720)
    finish(left, "a frame of one packet, nothing lost: ms", "RTT, ms", loc="upper left", fontsize="x-small")
    _draw_lost(middle, begun, lost, styles)
    packets = [sizes[bitrate] / FIRST_DATAGRAM for bitrate in BITRATES]
    for place, name in enumerate(KEYFRAME_SETUPS):
        first = [1e3 * large[name, bitrate] for bitrate in BITRATES]
        curve(right, styles[name], packets, first, label=name, markersize=8 - place)
    right.axvline(10, color=INK, linewidth=0.9)
    right.annotate("initial window", (10, 560), (4, 0), textcoords="offset points", fontsize="x-small", color=INK)
    right.set_ylim(0, 600)
    title = f"larger keyframes, RTT {KEYFRAME_RTT * 1e3:g} ms: ms"
    finish(right, title, "first keyframe, packets", loc="upper right", fontsize="x-small")
    return figure


def _draw_lost(axes: Axes, begun: Times, lost: Times, styles: dict[str, ArmStyle]) -> None:
    rtt = LOST_RTTS[0]
    names = list(reversed(["RTP", *REPEATED]))
    for place, name in enumerate(names):
        style, (a, b) = styles[name], (begun[name, rtt] * 1e3, lost[name, rtt] * 1e3)
        axes.plot((a, b), (place, place), color=FAINT, linewidth=2, zorder=1)
        curve(axes, style, a, place, markersize=7, fillstyle="none", linestyle="")
        curve(axes, style, b, place, markersize=7, linestyle="")
        axes.annotate(f"+{b - a:.0f}", (b, place), (6, 6), textcoords="offset points", fontsize="x-small", color=INK)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(0, 560), ylim=(-0.6, len(names) - 0.4))
    finish(axes, f"first packet lost (filled) or not, RTT {rtt * 1e3:g} ms: ms", legend=False)


EXPERIMENT = Experiment(
    name="start-up-v1",
    question="How long after the first capture is something on the screen, if the connection begins only then?",
    expectation="Half a round trip without a handshake or with QUIC 0-RTT, 1.5 with QUIC, 2.5 with WebTransport or a "
    "long certificate chain, 2.5 and its latency with SRT; a lost first packet outweighs all of it.",
    source="RFC 9000, RFC 9001, RFC 9002, draft-ietf-webtrans-http3-02, draft-sharabayko-srt-01",
    plans=_plans,
    checks=_checks,
    figure=_figure,
)
