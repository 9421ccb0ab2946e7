"""What SRT sends again over a network that drops: our srt arm in virtual time beside libsrt in real time.

    python benchmarks/libsrt_repair.py                  # every case, about five minutes
    python benchmarks/libsrt_repair.py --case "400 kbit/s over 250" --runs 3

Both get the same messages at the same instants, and the same elements between their ends. libsrt is srt-live-transmit
(apt-get install -y srt-tools), a process at each end, on loopback, through the live emulator. What they send is counted
where it enters the network, with headers: media once, and repair, which SRT marks by a flag of its own. The numbers
printed are repair as a multiple of the media, and ours over libsrt's.
"""

import argparse
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from glassbench.netem.element import Element
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.policer import Policer
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.link_log import LinkLog
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.emulator import EmulatedLink, between, emulate
from glassbench.netem.live.relay_port import RelayPort
from glassbench.netem.live.udp_socket import UdpSocket, open_socket
from glassbench.netem.packet import Packet
from glassbench.netem.path import Path
from glassbench.netem.simulator import Simulator
from glassbench.sender.encoder import EncoderSettings
from glassbench.sender.size_model import LognormalSizes, SizeEncoder
from glassbench.transport.contract import Frame, Track, TransportConfig
from glassbench.transport.framing import split_frame
from glassbench.transport.srt import SrtReceiver, SrtSender
from glassbench.transport.srt.wire import CONTROL_BIT, RETRANSMITTED_BIT

FPS = 30
TRACK = Track(id=1, name="video", media="h264", priority=0)
MAX_MESSAGE_BYTES = 1436
LOCAL = "127.0.0.1"
SETTLE = 1.0  # seconds before the first frame, and after the last


class Case(NamedTuple):
    """The media's `bitrate` in bit/s, what makes the elements towards the receiver, and the delay `back` in seconds."""

    bitrate: float
    network: Callable[[int], Sequence[Element]]
    back: float
    options: dict[str, int]


def policed(rate: float, burst: float, delay: float) -> Callable[[int], Sequence[Element]]:
    return lambda seed: (Policer(rate, burst), Delay(delay))


def lossy(share: float, delay: float) -> Callable[[int], Sequence[Element]]:
    return lambda seed: (RandomLoss(share, np.random.default_rng(seed)), Delay(delay))


CASES = {
    "400 kbit/s over 250": Case(400e3, policed(250e3, 10e3, 0.01), 0.01, {}),
    "the same, latency 2 s": Case(400e3, policed(250e3, 10e3, 0.01), 0.01, {"latency_ms": 2000}),
    "the same, oheadbw 25": Case(
        400e3,
        policed(250e3, 10e3, 0.01),
        0.01,
        {"latency_ms": 2000, "maxbw": 0, "inputbw": 55_000, "oheadbw": 25},
    ),
    "the same, input measured": Case(400e3, policed(250e3, 10e3, 0.01), 0.01, {"latency_ms": 2000, "maxbw": 0}),
    "2 Mbit/s over 1.5": Case(2e6, policed(1.5e6, 20e3, 0.03), 0.03, {}),
    "2 Mbit/s over 1.5, latency 500 ms": Case(2e6, policed(1.5e6, 20e3, 0.03), 0.03, {"latency_ms": 500}),
    "2 Mbit/s over 1": Case(2e6, policed(1e6, 20e3, 0.03), 0.03, {}),
    "2 Mbit/s, 5 % lost": Case(2e6, lossy(0.05, 0.02), 0.02, {}),
    "2 Mbit/s, 20 % lost, latency 1 s": Case(2e6, lossy(0.2, 0.05), 0.05, {"latency_ms": 1000}),
}
NAMES_OF_LIBSRT = {"latency_ms": "latency"}


class CountingPath(Path):
    """A path that knows how many bytes of media and of repair, headers included, were sent into it."""

    def __init__(self, elements: Sequence[Element]) -> None:
        super().__init__(elements)
        self.media = self.repair = 0

    def push_all(self, packets: list[Packet]) -> None:
        for packet in packets:
            if int.from_bytes(packet.data[:4], "big") & CONTROL_BIT:
                continue
            if int.from_bytes(packet.data[4:8], "big") & RETRANSMITTED_BIT:
                self.repair += packet.size_bytes
            else:
                self.media += packet.size_bytes
        super().push_all(packets)


class Counted(NamedTuple):
    """Bytes on the wire."""

    media: int
    repair: int

    @property
    def multiple(self) -> float:
        return self.repair / self.media


def frames(bitrate: float, seconds: float, *, seed: int) -> Iterator[tuple[float, Frame]]:
    """Frames of the size model, each with its instant from 0."""
    settings = EncoderSettings(codec="h264", bitrate_bps=round(bitrate), keyframe_interval=FPS)
    encoder = SizeEncoder(LognormalSizes(Fraction(FPS), seed=seed), settings)
    for number in range(round(seconds * FPS)):
        at = number / FPS
        encoded = encoder.encode(number, at, force_keyframe=False)
        yield at, Frame(TRACK.id, 0, number, round(at * 1e6) / 1e6, encoded.keyframe, 0, 0, None, encoded.payload)


def ours(case: Case, seconds: float, seed: int) -> Counted:
    """Our two ends, in virtual time."""
    sender, receiver = ("10.0.0.1", 9000), ("10.0.0.2", 9000)
    simulator = Simulator(timer_resolution=0.001)
    ends = {
        "sender": SrtSender(TransportConfig(sender, receiver, seed, (TRACK,), MAX_MESSAGE_BYTES + 16, case.options)),
        "receiver": SrtReceiver(
            TransportConfig(receiver, sender, seed, (TRACK,), MAX_MESSAGE_BYTES + 16, case.options)
        ),
    }
    simulator.add_node("sender", sender, ends["sender"])
    simulator.add_node("receiver", receiver, ends["receiver"])
    there = CountingPath(case.network(seed))
    simulator.add_route(sender, receiver, [simulator.add_link(there)])
    simulator.add_route(receiver, sender, [simulator.add_link(Path([Delay(case.back)]))])
    for end in ends.values():
        end.connect(now=simulator.now)
    start = simulator.now + SETTLE
    for at, frame in frames(case.bitrate, seconds, seed=seed):
        simulator.run(until=start + at)
        ends["sender"].send_frame(frame, now=simulator.now)
        simulator.settle("sender")
        for end in ends.values():
            while end.next_event() is not None:
                pass
    simulator.run(until=simulator.now + SETTLE)
    return Counted(there.media, there.repair)


def libsrt(case: Case, seconds: float, seed: int) -> Counted:
    """Two processes of srt-live-transmit, and the live emulator between them."""
    query = "&".join(f"{NAMES_OF_LIBSRT.get(name, name)}={value}" for name, value in case.options.items())
    query = f"&{query}" if query else ""
    with ExitStack() as cleanup:
        input_port, caller_port, listener_port = free_ports(3)
        to_caller, to_listener = (cleanup.enter_context(open_socket()) for _ in range(2))
        listen = f"srt://{LOCAL}:{listener_port}?mode=listener{query}"
        call = f"srt://{LOCAL}:{to_caller.getsockname()[1]}?mode=caller&port={caller_port}{query}"
        clock = LiveClock(monotonic_ns())
        there, back = CountingPath(case.network(seed)), Path([Delay(case.back)])
        ports = [
            RelayPort(UdpSocket(to_caller, clock, peer=(LOCAL, caller_port)), other=(LOCAL, listener_port)),
            RelayPort(UdpSocket(to_listener, clock, peer=(LOCAL, listener_port)), other=(LOCAL, caller_port)),
        ]
        now = clock.now()
        links = [EmulatedLink(path, LinkLog(path, start_at=now)) for path in (there, back)]
        entries = between(ports[0], ports[1], links[0], links[1])
        over = threading.Event()
        relay = threading.Thread(
            target=lambda: emulate(entries, links, clock, until=now + seconds + 60, done=over.is_set)
        )
        relay.start()
        cleanup.callback(relay.join)
        cleanup.callback(over.set)
        start_process(cleanup, listen, "file://con")
        time.sleep(SETTLE)
        start_process(cleanup, f"udp://:{input_port}", call)
        time.sleep(2 * SETTLE)
        plain = cleanup.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        start = time.monotonic()
        for at, frame in frames(case.bitrate, seconds, seed=seed):
            time.sleep(max(0.0, start + at - time.monotonic()))
            for message in split_frame(frame, MAX_MESSAGE_BYTES):
                plain.sendto(message, (LOCAL, input_port))
        time.sleep(SETTLE)
        return Counted(there.media, there.repair)


def start_process(cleanup: ExitStack, source: str, destination: str) -> None:
    command = ["srt-live-transmit", "-q", "-a:no", "-loglevel:fatal", source, destination]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cleanup.callback(process.wait)
    cleanup.callback(process.kill)


def free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        ports = []
        for _ in range(count):
            plain = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            plain.bind((LOCAL, 0))
            ports.append(int(plain.getsockname()[1]))
        return ports


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--case", choices=CASES, help="one of the cases; all without it")
    parser.add_argument("--seconds", type=float, default=10.0, help="of media (default 10)")
    parser.add_argument("--runs", type=int, default=1, help="each with other frame sizes and other losses (default 1)")
    chosen = parser.parse_args()
    if shutil.which("srt-live-transmit") is None:
        sys.exit("needs srt-live-transmit: apt-get install -y srt-tools")
    print(f"{'repair as a multiple of the media':42} {'libsrt':>8} {'ours':>8} {'ours / libsrt':>14}")
    for name in [chosen.case] if chosen.case else CASES:
        for seed in range(1, chosen.runs + 1):
            theirs, we = (measure(CASES[name], chosen.seconds, seed) for measure in (libsrt, ours))
            print(
                f"{name:42} {theirs.multiple:8.3f} {we.multiple:8.3f} {we.repair / theirs.repair:14.2f}"
                f"   {theirs.media} {we.media}",
                flush=True,
            )


if __name__ == "__main__":
    main()
