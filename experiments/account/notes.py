"""Notes: what the numbers of an arm do not tell. They are sentences, and one rule makes each from what was measured.

Every note of every world is made here and kept with the arm; tables, reports and JSON show the same sentences. Another
note is another rule in RULES: a function of the facts that gives its sentence, or none.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.account.connection import Connection
from glassbench.experiments.account.ledger import stages
from glassbench.experiments.account.metrics import PERCENTILES, too_few
from glassbench.experiments.account.not_shown import count, not_shown, on_the_way, were
from glassbench.experiments.account.reports import link_name
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.element_spec import DIRECTIONS
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.queue_spec import CoDelSpec
from glassbench.experiments.scenario.tracks import CHAT_TRACK, VIDEO_TRACK

_LATE_TIME_BASE_MS = 10.0
_LITTLE = 0.5  # of the frames: an arm that shows less says why
_MUCH_REPAIR = 0.5  # of the media's bytes: an arm that sends more again says how much


@dataclass(frozen=True)
class Facts:
    """What rules look at: the scenario, the options of the arm, the video frames of the ledger, the number of messages,
    `stats` of the arm, and `impairments` of the links that the flow "media" passes."""

    scenario: Scenario
    options: Mapping[str, Any]
    frames: pd.DataFrame
    messages: int
    stats: Mapping[str, Any]
    impairments: Mapping[str, Any]

    @property
    def shown(self) -> int:
        """How many of the frames were shown."""
        return int((self.frames["fate"] == "displayed").sum())

    def connection(self, end: str) -> Connection:
        """What the "sender" or the "receiver" knows of the connection."""
        return Connection(**self.stats.get("connection", {}).get(end, {}))


Rule = Callable[[Facts], Iterable[str]]


def with_notes(result: ArmResult, scenario: Scenario) -> ArmResult:
    """The result of an arm with all its notes, behind those that it has already."""
    if result.ledger is None:
        return result
    media = result.ledger[result.ledger["flow"] == MEDIA]
    video = media[media["track"] == VIDEO_TRACK]
    options = next((dict(arm.options) for arm in scenario.arms if arm.label == result.arm), {})
    route = scenario.routes()[0]
    passed = [link_name(name, direction) for name in route.over for direction in DIRECTIONS]
    impairments = {name: record for name, record in result.impairments.items() if name in passed}
    facts = Facts(scenario, options, video, int((media["track"] == CHAT_TRACK).sum()), result.stats, impairments)
    return replace(result, notes=(*result.notes, *(sentence for rule in RULES for sentence in rule(facts))))


def _never_connected(facts: Facts) -> Iterator[str]:
    sender = facts.connection("sender")
    if sender.connected_at is None:
        why = sender.error or "its handshake was not over at the end"
        yield "; ".join([f"never connected: {why}", *on_the_way(facts.stats, facts.impairments)])


def _connected_late(facts: Facts) -> Iterator[str]:
    at = facts.connection("sender").connected_at
    if at is None or facts.scenario.connect == "with-media":
        return
    if before := int((facts.frames["captured_at"] < at).sum()):
        lost = f"{count(before, 'frame')} before that {were(before)} dropped"
        yield f"connected {_span(at)} after the first capture: {lost}"


def _span(seconds: float) -> str:
    """A span of time as text. Short ones are in ms, so that none looks like nothing."""
    ms = seconds * 1e3
    return f"{seconds:.1f} s" if ms >= 999.5 else f"{ms:.0f} ms" if ms >= 9.5 else f"{ms:.2g} ms"


def _closed(facts: Facts) -> Iterator[str]:
    """How the connection was closed: one sentence for both ends if they closed it for the same reason."""
    by_reason: dict[str, list[str]] = {}
    stop = facts.scenario.media(facts.scenario.arms[0]).stop
    for end in ("sender", "receiver"):
        connection = facts.connection(end)
        if connection.closed_at is None or connection.connected_at is None:
            continue
        if connection.error is None and connection.closed_at >= stop:
            continue  # that is how a connection ends
        reason = connection.error or "in an orderly way, while there was media to come"
        by_reason.setdefault(reason, []).append(f"by the {end} at {connection.closed_at:z.1f} s")
    for reason, ends in by_reason.items():
        yield f"closed {' and '.join(ends)}: {reason}"


def _shows_little(facts: Facts) -> Iterator[str]:
    captured, shown = len(facts.frames), facts.shown
    if not captured or shown >= _LITTLE * captured:
        return
    sender = facts.connection("sender")
    if sender.connected_at is None:
        return  # it is said that it never connected
    of = f"of {count(captured, 'frame')}"
    head = f"only {shown} {of} {were(shown)} shown" if shown else f"none {of} was shown"
    reasons = not_shown(facts.frames, sender, facts.scenario.video.deadline)
    yield "; ".join([f"{head}: {reasons}", *on_the_way(facts.stats, facts.impairments)])


def _repairs_much(facts: Facts) -> Iterator[str]:
    sent = facts.stats.get("sender", {})
    media, repair = sent.get("media_bytes", 0), sent.get("repair_bytes", 0)
    if repair > _MUCH_REPAIR * media:
        yield f"its repair was {repair / media:.1f} times its media" if media else "it sent repair and no media"


def _too_few_frames(facts: Facts) -> Iterator[str]:
    for number, what in ((len(facts.frames), "frame"), (facts.messages, "message")):
        if number and (said := too_few(number, PERCENTILES, what)):
            yield said


def _path_carries_less(facts: Facts) -> Iterator[str]:
    """The path carries less than the scenario's MTU: an end found that out, or lost packets because it does not
    look."""
    sender = facts.stats.get("sender", {})
    carried, allowed = sender.get("max_datagram_bytes"), facts.scenario.max_datagram_bytes
    if carried is not None:
        if carried < allowed and facts.connection("sender").connected_at is not None:
            holes = sender.get("black_holes", 0)
            when = f", after larger ones had stopped to pass ({count(holes, 'time')})" if holes else ""
            yield f"found that the path carries datagrams of {carried} bytes, not of {allowed}{when}"
    elif sender.get("too_large", 0) + _over_size_limits(facts):
        yield (
            "packets that were larger than the path carries were lost: this arm does not find out what passes, it "
            f"sends what mtu says ({facts.scenario.mtu} bytes)"
        )


def _over_size_limits(facts: Facts) -> int:
    """Packets of media that were dropped for their size."""
    route = facts.scenario.routes()[0]
    records = [facts.impairments.get(link_name(name, route.direction), {}) for name in route.over]
    elements = [element for record in records for element in record.get("elements", [])]
    limits = [element for element in elements if element["commanded"]["element"] == "size-limit"]
    return sum(int(counts["dropped"]) for limit in limits for counts in limit["applied"])


def _clocks_too_far_apart(facts: Facts) -> Iterator[str]:
    """Between hosts: a latency is not known better than the clocks are aligned."""
    bound = facts.stats.get("between", {}).get("clock_bound_ms")
    if bound is None or not facts.shown:
        return
    latency = float(stages(facts.frames)["g2g_ms"][facts.frames["fate"] == "displayed"].median())
    if bound >= latency:
        yield (
            f"INVALID: its clocks are aligned to {bound:.1f} ms, which is no better than the latency that it shows "
            f"({latency:.1f} ms)"
        )


def _paused(facts: Facts) -> Iterator[str]:
    """In real time: what happened while a process stood still waited for the machine, not for the network."""
    parts = facts.stats.get("live") or facts.stats.get("between") or {}
    said = []
    for role, name in (("sender", "the sender"), ("emulator", "the link"), ("receiver", "the receiver")):
        pauses = parts.get(role, {}).get("pauses") or {"count": 0}
        if pauses["count"]:
            said.append(
                f"{name} {count(pauses['count'], 'time')} for {pauses['total_ms']:.0f} ms in all, the longest "
                f"{pauses['longest_ms']:.0f} ms"
            )
    if said:
        yield f"the machine stood still: {'; '.join(said)}"


def _time_base_of_srt(facts: Facts) -> Iterator[str]:
    late_ms = facts.stats.get("receiver", {}).get("time_base_late_us", 0) / 1e3
    if late_ms >= _LATE_TIME_BASE_MS:
        yield (
            f"the handshake, which sets the time base of SRT, was {late_ms:.0f} ms longer under way than the fastest "
            "packet of the media, so each frame is held that much longer (libsrt does the same)"
        )


def _ecn_without_ect(facts: Facts) -> Iterator[str]:
    if "between" in facts.stats:
        return  # between hosts the network is not that of the scenario
    if facts.options.get("ecn"):
        return
    network = facts.scenario.network
    paths = [path for name in facts.scenario.routes()[0].over for path in network.segment(name).paths()]
    queues = [getattr(element, "queue", None) for path in paths for element in path]
    if any(isinstance(queue, CoDelSpec) and queue.ecn for queue in queues):
        yield (
            "CoDel's ecn = true marks nothing: packets support ECN with an arm's option ecn=true, others are dropped"
        )


def _other_flows_never_connected(facts: Facts) -> Iterator[str]:
    for flow, counters in facts.stats.get("flows", {}).items():
        sender = Connection(**counters["connection"]["sender"])
        if sender.connected_at is None:
            yield f"flow {flow!r} never connected: {sender.error or 'its handshake was not over at the end'}"


def _segments_of_no_flow(facts: Facts) -> Iterator[str]:
    passed = {name for route in facts.scenario.routes() for name in route.over}
    for name in facts.scenario.network.names:
        if name not in passed:
            yield f"no flow passes the segment {name!r}"


RULES: tuple[Rule, ...] = (
    _clocks_too_far_apart,
    _never_connected,
    _other_flows_never_connected,
    _connected_late,
    _closed,
    _shows_little,
    _paused,
    _time_base_of_srt,
    _ecn_without_ect,
    _repairs_much,
    _too_few_frames,
    _path_carries_less,
    _segments_of_no_flow,
)
