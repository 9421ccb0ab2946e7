"""One process of a live arm: the sender, the receiver, or the emulator between them.

Its task is a JSON line on stdin. It answers with the line "ready", is told the origin of session time, and writes what
it knows to a file, inherited without a name, when the arm is over. The end of stdin means stop.
"""

import os
import pickle
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from glassbench.experiments.scenario import build
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.ends import Ends, Place
from glassbench.experiments.worlds.links import Link, check_conservation, link_rows, open_link
from glassbench.experiments.worlds.live.end import LiveReceiver, LiveSender, Session
from glassbench.experiments.worlds.live.environment import waited
from glassbench.experiments.worlds.live.replay import Notes
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

Part = Callable[[LiveClock, threading.Event], dict[str, Any]]

_END_NICENESS = 10  # an end that waits is measured as such; an emulator that waits is another network


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
        stop = threading.Event()
        threading.Thread(target=_listen, args=(stop,), daemon=True).start()
        if task.role == "emulator":
            turn: str = run_first()
            turn += f" on processor {task.processor}" if stay_on(task.processor) else ""
        else:
            run_as_others()
            turn = f"nice {_END_NICENESS}"
        known = part(LiveClock(int(origin)), stop)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    known["processor_s"] = round(usage.ru_utime + usage.ru_stime, 3)
    known["scheduling"] = turn
    known["waited_s"] = round(waited(), 3)
    with os.fdopen(task.result, "wb") as file:
        pickle.dump(known, file)


def _listen(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def _sender(task: Task) -> Part:
    ends, plain, place = _end(task)
    notes = Notes() if task.capture else None
    end = LiveSender(ends, ends.transport("sender", ends.config("sender", place, notes)))

    def run(clock: LiveClock, stop: threading.Event) -> dict[str, Any]:
        udp = UdpSocket(plain, clock, peer=place.peer)
        known = end.run(Session(udp, clock, lambda now: stop.is_set(), off=task.processor))
        return {**known, "notes": notes}

    return run


def _receiver(task: Task) -> Part:
    ends, plain, place = _end(task)
    notes = Notes() if task.capture else None
    transport = ends.transport("receiver", ends.config("receiver", place, notes))
    end = LiveReceiver(ends, transport, keep_decoded=task.quality)

    def run(clock: LiveClock, stop: threading.Event) -> dict[str, Any]:
        udp = UdpSocket(plain, clock, peer=place.peer)
        known = end.run(Session(udp, clock, lambda now: stop.is_set(), off=task.processor))
        return {**known, "notes": notes}

    return run


def _emulator(task: Task) -> Part:
    scenario = build(task.scenario)
    start_at = MEDIA_START if scenario.connect == "with-media" else START_AT
    links = [open_link(scenario, way, start_at=start_at, media_start=MEDIA_START) for way in ("down", "up")]
    until = Ends(scenario, scenario.arm(task.arm)).last
    if isinstance(task.ports[0], KernelPlug):
        from glassbench.experiments.worlds.live.kernel_part import by_kernel  # it imports all that speaks netlink

        kernel = task.ports[0]
        return lambda clock, stop: by_kernel(kernel, links, clock, start_at=start_at, until=until, done=stop.is_set)
    plain = [socket.socket(fileno=plug.number) for plug in task.ports]

    def run(clock: LiveClock, stop: threading.Event) -> dict[str, Any]:
        to_sender, to_receiver = (_port(*one, clock) for one in zip(task.ports, plain, strict=True))
        recording = Recording() if task.capture else None
        down = Direction(to_sender, to_receiver, links[0].path, links[0].log, "down", recording)
        up = Direction(to_receiver, to_sender, links[1].path, links[1].log, "up", recording)
        clock.wait_until(start_at)
        begun_at = clock.now()
        ended_at, pauses = emulate((down, up), clock, until=until, done=stop.is_set)
        pauses.add(begun_at - start_at)
        for link, direction in zip(links, (down, up), strict=True):
            check_conservation(link, direction.sent_packets)
        counted = [port.udp if isinstance(port, RelayPort) else port for port in (to_sender, to_receiver)]
        return {
            "links": link_rows((links[0], links[1]), ended_at, media_start=MEDIA_START),
            "impairments": {
                "down": _impairments(links[0], down, to_sender.foreign),
                "up": _impairments(links[1], up, to_receiver.foreign),
            },
            "lateness": {"down": down.lateness.summary(), "up": up.lateness.summary()},
            "pauses": pauses.summary(),
            "overflows": sum(port.overflows for port in counted),
            "unsent": sum(port.unsent for port in counted),
            "foreign": sum(port.foreign for port in counted),
            "ended_at": ended_at,
            "recording": recording,
        }

    return run


def _port(plug: RelayPlug | DevicePlug | KernelPlug, plain: socket.socket, clock: LiveClock) -> RelayPort | DevicePort:
    if isinstance(plug, RelayPlug):
        return RelayPort(UdpSocket(plain, clock, peer=plug.end), other=plug.other)
    assert isinstance(plug, DevicePlug)
    return DevicePort(OpenPort(plain, plug.device, plug.hardware), clock)


def _impairments(link: Link, direction: Direction, foreign: int) -> dict[str, Any]:
    return {**link.impairments(), "foreign": foreign, "refused": direction.refused}


def _end(task: Task) -> tuple[Ends, socket.socket, Place]:
    assert task.plug is not None
    scenario = build(task.scenario)
    plain = socket.socket(fileno=task.plug.number)
    host, port = plain.getsockname()[:2]
    return Ends(scenario, scenario.arm(task.arm)), plain, Place((host, port), task.plug.peer)
