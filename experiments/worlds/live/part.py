"""One process of a live arm: the sender, the receiver, or the emulator between them.

Its task is a JSON line on stdin. It answers with the line "ready" and is told the origin of session time. A sender
prints what it claims; the receiver is told, and prints "decided" when it knows the fate of all of it. The end of stdin
means stop: then a part writes what it knows to a file, inherited without a name.
"""

import os
import pickle
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from glassbench.experiments.account.reports import EndReport, LinkReport
from glassbench.experiments.scenario import build
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.consensus import Claim
from glassbench.experiments.worlds.ends import Ends, Place
from glassbench.experiments.worlds.links import Link, check_conservation, open_link, report
from glassbench.experiments.worlds.live.end import ReceiverRun, SenderRun, Session
from glassbench.experiments.worlds.live.environment import waited
from glassbench.experiments.worlds.live.process_report import ProcessReport
from glassbench.experiments.worlds.live.replay import Told
from glassbench.experiments.worlds.live.task import DevicePlug, KernelPlug, RelayPlug, Task
from glassbench.experiments.worlds.live.undisturbed import undisturbed
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.device_port import DevicePort, OpenPort
from glassbench.netem.live.emulator import Direction, emulate
from glassbench.netem.live.recording import Recording
from glassbench.netem.live.relay_port import RelayPort
from glassbench.netem.live.scheduling import run_as_others, run_first, run_patiently, stay_on
from glassbench.netem.live.udp_socket import UdpSocket
from glassbench.netem.simulator import START_AT

Part = Callable[[LiveClock, "Orders"], "PartReport"]

GOODBYE = 1.0  # seconds after the end of an arm in which the link still carries how connections end
_END_NICENESS = 10  # an end that waits is measured as such; an emulator that waits is another network


@dataclass(frozen=True)
class PartReport:
    """What a part wrote down: how it ran; an end its report and what its transport told besides; the emulator its links
    and, for a capture, what passed."""

    process: ProcessReport
    end: EndReport | None = None
    told: Told | None = None
    links: tuple[LinkReport, ...] = ()
    recording: Recording | None = None


class Orders:
    """What whoever started us says on stdin: lines with what the sender claims, and its end, which means stop."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._claim: Claim | None = None
        threading.Thread(target=self._listen, daemon=True).start()

    def stopped(self) -> bool:
        """Whether this part is to end now."""
        return self._stop.is_set()

    def claimed(self) -> Claim | None:
        """What the sender claimed last."""
        return self._claim

    def _listen(self) -> None:
        for line in sys.stdin:
            self._claim = Claim.parse(line)
        self._stop.set()


def main() -> None:
    """Be one part of an arm."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us tells us to stop
    task = Task.model_validate_json(sys.stdin.readline())
    if task.role != "emulator":
        os.nice(_END_NICENESS)
        run_patiently()  # threads of an encoder begin as their maker is
    part = {"sender": _sender, "receiver": _receiver, "emulator": _emulator}[task.role](task)
    with undisturbed():  # whatever takes long comes before the word that we are ready
        print("ready", flush=True)
        origin = sys.stdin.readline()
        if not origin:
            return
        orders = Orders()
        if task.role == "emulator":
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
        ended = end.run(Session(udp, clock, lambda now: orders.stopped(), off=task.processor, claim=_claim))
        return PartReport(ended.process, ended.report, told)

    return run


def _receiver(task: Task) -> Part:
    ends, plain, place = _end(task)
    told = Told() if task.capture else None
    transport = ends.transport("receiver", ends.config("receiver", place, told))
    end = ReceiverRun(ends, transport, keep_decoded=task.quality)

    def run(clock: LiveClock, orders: Orders) -> PartReport:
        udp = UdpSocket(plain, clock, peer=place.peer)
        session = Session(
            udp,
            clock,
            lambda now: orders.stopped(),
            off=task.processor,
            claimed=orders.claimed,
            decided=lambda: print("decided", flush=True),
        )
        ended = end.run(session)
        return PartReport(ended.process, ended.report, told)

    return run


def _claim(claim: Claim) -> None:
    print(claim.line(), flush=True)


def _emulator(task: Task) -> Part:
    scenario = build(task.scenario)
    start_at = MEDIA_START if scenario.connect == "with-media" else START_AT
    links = [open_link(scenario, way, start_at=start_at, media_start=MEDIA_START) for way in ("down", "up")]
    until = Ends(scenario, scenario.arm(task.arm)).last + GOODBYE
    if isinstance(task.ports[0], KernelPlug):
        from glassbench.experiments.worlds.live.kernel_part import by_kernel  # it imports all that speaks netlink

        plug = task.ports[0]

        def run_kernel(clock: LiveClock, orders: Orders) -> PartReport:
            reports = by_kernel(plug, links, clock, start_at=start_at, until=until, done=orders.stopped)
            return PartReport(ProcessReport(lateness={}, pauses={}), links=reports)

        return run_kernel
    plain = [socket.socket(fileno=plug.number) for plug in task.ports]

    def run(clock: LiveClock, orders: Orders) -> PartReport:
        to_sender, to_receiver = (_port(*one, clock) for one in zip(task.ports, plain, strict=True))
        recording = Recording() if task.capture else None
        down = Direction(to_sender, to_receiver, links[0].path, links[0].log, "down", recording)
        up = Direction(to_receiver, to_sender, links[1].path, links[1].log, "up", recording)
        clock.wait_until(start_at)
        begun_at = clock.now()
        ended_at, pauses = emulate((down, up), clock, until=until, done=orders.stopped)
        pauses.add(begun_at - start_at)
        for link, direction in zip(links, (down, up), strict=True):
            check_conservation(link, direction.sent_packets)
        counted = [port.udp if isinstance(port, RelayPort) else port for port in (to_sender, to_receiver)]
        process = ProcessReport(
            lateness={"down": down.lateness.summary(), "up": up.lateness.summary()},
            pauses=pauses.summary(),
            overflows=sum(port.overflows for port in counted),
            unsent=sum(port.unsent for port in counted),
            foreign=sum(port.foreign for port in counted),
        )
        reports = (
            _link_report(links[0], down, to_sender.foreign, ended_at),
            _link_report(links[1], up, to_receiver.foreign, ended_at),
        )
        return PartReport(process, links=reports, recording=recording)

    return run


def _link_report(link: Link, direction: Direction, foreign: int, ended_at: float) -> LinkReport:
    return report(link, ended_at, media_start=MEDIA_START, foreign=foreign, refused=direction.refused)


def _port(plug: RelayPlug | DevicePlug | KernelPlug, plain: socket.socket, clock: LiveClock) -> RelayPort | DevicePort:
    if isinstance(plug, RelayPlug):
        return RelayPort(UdpSocket(plain, clock, peer=plug.end), other=plug.other)
    assert isinstance(plug, DevicePlug)
    return DevicePort(OpenPort(plain, plug.device, plug.hardware), clock)


def _end(task: Task) -> tuple[Ends, socket.socket, Place]:
    assert task.plug is not None
    scenario = build(task.scenario)
    plain = socket.socket(fileno=task.plug.number)
    host, port = plain.getsockname()[:2]
    return Ends(scenario, scenario.arm(task.arm)), plain, Place((host, port), task.plug.peer)
