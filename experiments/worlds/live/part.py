"""One process of a live arm: the sender or the receiver of a flow, or the emulator between them.

Its task is a JSON line on stdin. It answers with the line "ready" and is told the origin of session time. A sender
prints what it claims; the receiver is told that, and prints "decided" when it knows the fate of all of it; if somebody
watches, also a line for each slice of what it shows. The end of stdin means stop: then a part writes what it knows to a
file that it inherited and that has no name.
"""

import os
import pickle
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from glassbench.experiments.account.reports import EndReport, LinkReport
from glassbench.experiments.scenario import build
from glassbench.experiments.scenario.element_spec import Direction
from glassbench.experiments.scenario.flow import FlowRoute
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.consensus import Claim
from glassbench.experiments.worlds.ends import Ends, Place
from glassbench.experiments.worlds.links import check_conservation, links_of, open_links, report
from glassbench.experiments.worlds.live.end import EndContext, ReceiverRun, SenderRun, our_receiver
from glassbench.experiments.worlds.live.environment import waited
from glassbench.experiments.worlds.live.process_report import ProcessReport
from glassbench.experiments.worlds.live.replay import Told
from glassbench.experiments.worlds.live.task import DECIDED, DevicePlug, EndPlug, KernelPlug, RelayPlug, Task
from glassbench.experiments.worlds.live.undisturbed import undisturbed
from glassbench.experiments.worlds.shown_slices import ShownSlice
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.device_port import DevicePort, OpenPort
from glassbench.netem.live.emulator import EmulatedLink, EntryPort, Port, emulate, lead
from glassbench.netem.live.recording import Recording
from glassbench.netem.live.relay_port import RelayPort
from glassbench.netem.live.scheduling import run_as_others, run_first, run_patiently, stay_on
from glassbench.netem.live.udp_socket import UdpSocket
from glassbench.netem.simulator import START_AT

Part = Callable[[LiveClock, "Orders"], "PartReport"]

GOODBYE = 1.0  # seconds after the end of an arm in which the link still carries how connections end
_QUIET = 0.05  # seconds without an end after which nothing more comes of it
NOT_CONNECTED = "it did not connect"
"""How a stack failed that gave no reason."""

_END_NICENESS = 10  # an end that waits is measured as such; an emulator that waits is another network


@dataclass(frozen=True)
class PartReport:
    """What a part wrote down: how it ran; an end its report and what its transport told besides; an end of a `peer`
    what is to be known of the stack, and why it is `unsupported` or `failed`; the emulator its links and, for a
    capture, what passed."""

    process: ProcessReport
    end: EndReport | None = None
    told: Told | None = None
    peer: Mapping[str, Any] = field(default_factory=dict)
    unsupported: str | None = None
    failed: str | None = None
    links: tuple[LinkReport, ...] = ()
    recording: Recording | None = None


class Orders:
    """What whoever started us says on stdin: lines with what the sender claims, and its end, which means stop."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._claim: Claim | None = None
        threading.Thread(target=self._listen, daemon=True).start()

    def stopped(self) -> bool:
        """Whether this part has to end now."""
        return self._stop.is_set()

    def claimed(self) -> Claim | None:
        """What the sender claimed last."""
        return self._claim

    def _listen(self) -> None:
        for line in sys.stdin:
            self._claim = Claim.parse(line)
        self._stop.set()


def main() -> None:
    """Be one part of an arm: the emulator, or an end of ours."""
    be_part(lambda task: (_emulator if task.role is None else _sender if task.role == "sender" else _receiver)(task))


def be_part(make: Callable[[Task], Part]) -> None:
    """Be one part of an arm, which `make` makes ready."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us tells us to stop
    task = Task.model_validate_json(sys.stdin.readline())
    if task.role is not None:
        os.nice(_END_NICENESS)
        run_patiently()  # threads of an encoder begin as their maker is
    part = make(task)
    with undisturbed():  # whatever takes long comes before the word that we are ready
        print("ready", flush=True)
        origin = sys.stdin.readline()
        if not origin:
            return
        orders = Orders()
        if task.role is None:
            turn: str = run_first()
            turn += f" on processor {task.processor}" if stay_on(task.processor) else ""
        else:
            run_as_others()
            turn = f"nice {_END_NICENESS}"
        report = part(LiveClock(int(origin)), orders)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    process = replace(
        report.process,
        scheduling=turn,
        processor_s=round(usage.ru_utime + usage.ru_stime, 3),
        waited_s=round(waited(), 3),
    )
    with os.fdopen(task.result, "wb") as file:
        pickle.dump(replace(report, process=process), file)


def _sender(task: Task) -> Part:
    ends, plain, place = _end(task)
    told = Told() if task.capture else None
    end = SenderRun(ends, ends.transport("sender", ends.config("sender", place, told)))

    def run(clock: LiveClock, orders: Orders) -> PartReport:
        udp = UdpSocket(plain, clock, peer=place.peer)
        ended = end.run(EndContext(udp, clock, lambda now: orders.stopped(), off=task.processor, claim=_claim))
        return PartReport(ended.process, ended.report, told)

    return run


def _receiver(task: Task) -> Part:
    ends, plain, place = _end(task)
    told = Told() if task.capture else None
    transport = ends.transport("receiver", ends.config("receiver", place, told))
    end = ReceiverRun(ends, our_receiver(ends, transport, keep_decoded=task.quality and ends.flow.name == MEDIA))

    def run(clock: LiveClock, orders: Orders) -> PartReport:
        udp = UdpSocket(plain, clock, peer=place.peer)
        context = EndContext(
            udp,
            clock,
            lambda now: orders.stopped(),
            off=task.processor,
            claimed=orders.claimed,
            decided=say_decided,
            shown=say_shown if task.watched and ends.flow.name == MEDIA else None,
        )
        ended = end.run(context)
        return PartReport(ended.process, ended.report, told)

    return run


def say_decided() -> None:
    """Tell whoever started us that the fate of all that is claimed is known."""
    print(DECIDED, flush=True)


def say_shown(shown: ShownSlice) -> None:
    """Tell whoever started us what was shown in a slice."""
    print(shown.line(), flush=True)


def _claim(claim: Claim) -> None:
    print(claim.line(), flush=True)


def _emulator(task: Task) -> Part:
    scenario = build(task.scenario)
    start_at = MEDIA_START if scenario.connect == "with-media" else START_AT
    links = open_links(scenario, start_at=start_at, media_start=MEDIA_START)
    until = max(Ends(flow).last for flow in scenario.flows(scenario.arm(task.arm))) + GOODBYE
    if isinstance(task.ports[0], KernelPlug):
        from glassbench.experiments.worlds.live.kernel_part import by_kernel  # it imports all that speaks netlink

        plug = task.ports[0]

        def run_kernel(clock: LiveClock, orders: Orders) -> PartReport:
            both = list(links.values())
            reports = by_kernel(plug, both, clock, start_at=start_at, until=until, done=orders.stopped)
            return PartReport(ProcessReport(lateness={}, pauses={}), links=reports)

        return run_kernel
    plain = [socket.socket(fileno=plug.number) for plug in task.ports]

    def run(clock: LiveClock, orders: Orders) -> PartReport:
        ports = [_port(*one, clock) for one in zip(task.ports, plain, strict=True)]
        recording = Recording() if task.capture else None
        emulated = {key: EmulatedLink(link.path, link.log, link.name, recording) for key, link in links.items()}
        entries = _routed(scenario.routes(), emulated, task.ports, ports)
        clock.wait_until(start_at)
        begun_at = clock.now()
        done = _goodbye(orders, list(emulated.values()), clock)
        ended_at, pauses = emulate(entries, list(emulated.values()), clock, until=until, done=done)
        pauses.add(begun_at - start_at)
        for key, link in links.items():
            check_conservation(link, emulated[key].entered_packets, now=ended_at)
        counted = [port.udp if isinstance(port, RelayPort) else port for port in ports]
        process = ProcessReport(
            lateness={link.name: link.lateness.summary() for link in emulated.values()},
            pauses=pauses.summary(),
            overflows=sum(port.overflows for port in counted),
            unsent=sum(port.unsent for port in counted),
            foreign=sum(port.foreign for port in counted),
        )
        reports = tuple(
            report(
                link,
                ended_at,
                media_start=MEDIA_START,
                foreign=sum(
                    port.foreign
                    for port, entry in zip(ports, entries, strict=True)
                    if any(first is emulated[key] for first in entry.first.values())
                ),
                refused=emulated[key].refused,
            )
            for key, link in links.items()
        )
        seen = tuple(replace(each, until_closed=orders.stopped()) for each in reports)
        return PartReport(process, links=seen, recording=recording)

    return run


def _goodbye(orders: "Orders", links: Sequence[EmulatedLink], clock: LiveClock) -> Callable[[], bool]:
    """Whether all is over: the ends have ended, and what they said last is through."""
    told_at: float | None = None

    def done() -> bool:
        nonlocal told_at
        if not orders.stopped():
            return False
        now = clock.now()
        told_at = now if told_at is None else told_at
        under_way = any(link.path.counts().inside for link in links)
        return now >= told_at + (GOODBYE if under_way else _QUIET)

    return done


def _routed(
    routes: Sequence[FlowRoute],
    links: Mapping[tuple[str, Direction], EmulatedLink],
    plugs: Sequence[RelayPlug | DevicePlug | KernelPlug],
    ports: Sequence[Port],
) -> list[EntryPort]:
    """The ports, each with the first link of each flow there. The links get to know where packets go on."""
    first: list[dict[int, EmulatedLink]] = [{} for _ in ports]
    place = {
        end: number for number, plug in enumerate(plugs) if not isinstance(plug, KernelPlug) for end in plug.serves
    }
    for flow, route in enumerate(routes):
        there, back = links_of(route, links)
        near, far = place[flow, "sender"], place[flow, "receiver"]
        for row, entry, exit in ((there, near, far), (back, far, near)):
            first[entry][flow] = row[0]
            lead(row, ports[exit], flow)
    return [EntryPort(port, hops) for port, hops in zip(ports, first, strict=True)]


def _port(plug: RelayPlug | DevicePlug | KernelPlug, plain: socket.socket, clock: LiveClock) -> RelayPort | DevicePort:
    if isinstance(plug, RelayPlug):
        return RelayPort(UdpSocket(plain, clock, peer=plug.end), other=plug.other, flow=plug.serves[0][0])
    assert isinstance(plug, DevicePlug)
    return DevicePort(OpenPort(plain, plug.device, plug.hardware), clock, plug.flows)


def _end(task: Task) -> tuple[Ends, socket.socket, Place]:
    assert isinstance(task.plug, EndPlug)
    scenario = build(task.scenario)
    plain = socket.socket(fileno=task.plug.number)
    host, port = plain.getsockname()[:2]
    return Ends(scenario.flows(scenario.arm(task.arm))[task.flow]), plain, Place((host, port), task.plug.peer)
