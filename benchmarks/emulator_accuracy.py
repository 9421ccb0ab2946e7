"""How exactly the live emulator does what it is told, and from which packet rate on it does not.

    python benchmarks/emulator_accuracy.py                     probes over a fixed delay and over a cellular trace
    python benchmarks/emulator_accuracy.py --trace FILE        over this trace
    python benchmarks/emulator_accuracy.py --emulator relay    the relay instead of namespaces
    python benchmarks/emulator_accuracy.py --breaking          packet rates up to where it breaks
    python benchmarks/emulator_accuracy.py --bulk              a TCP flow over a trace of 12 Mbit/s

A probe's error is its kernel's time of arrival, less the time at which the same path in virtual time lets go of what
was sent when it was sent. Positive is late. It holds the whole way: sender's kernel, emulator, receiver's kernel.
"""

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.worlds.links import open_links
from glassbench.experiments.worlds.live.task import EndPlug, RelayPlug
from glassbench.experiments.worlds.live.wiring import wire
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.device_port import DevicePort, OpenPort
from glassbench.netem.live.emulator import EmulatedLink, between, emulate
from glassbench.netem.live.relay_port import RelayPort
from glassbench.netem.live.scheduling import run_first, wake_up_exactly
from glassbench.netem.live.udp_socket import UdpSocket
from glassbench.netem.packet import Packet
from glassbench.netem.simulator import START_AT

PROBE_BYTES = 200  # at 5000 a second 9 Mbit/s with headers
SECONDS = 10.0
LEAD = 1.0  # seconds before the first probe
TAIL = 2.0


def scenario(network: dict[str, Any]) -> Scenario:
    video = {"source": "lognormal", "bitrate": "1Mbit/s"}
    return build({"name": "probe", "duration": "60s", "arms": ["udp"], "video": video, "network": network, "seed": 20})


def link(network: dict[str, Any], way: Any) -> Any:
    return open_links(scenario(network), start_at=START_AT, media_start=START_AT)["network", way]


def measure(emulator: Any, network: dict[str, Any], rate: float, seconds: float) -> dict[str, Any]:
    with ExitStack() as cleanup:
        wiring = wire(emulator, scenario(network), cleanup)
        origin = monotonic_ns() + 2_000_000_000
        common = {"origin": origin, "network": network, "rate": rate, "seconds": seconds}
        plugs: dict[str, Any] = {
            "emulator": [port.model_dump() for port in wiring.ports],
            "receiver": [wiring.ends[0, "receiver"].model_dump()],
            "sender": [wiring.ends[0, "sender"].model_dump()],
        }
        parts = {}
        for role, plug in plugs.items():
            file = cleanup.enter_context(tempfile.TemporaryFile())
            task = json.dumps({**common, "role": role, "plugs": plug, "result": file.fileno()})
            numbers = [file.fileno(), *(one["number"] for one in plug)]
            parts[role] = file, subprocess.Popen([sys.executable, __file__, "--part", task], pass_fds=numbers)
        known = {}
        for role, (file, process) in parts.items():
            if process.wait(seconds + 60):
                raise SystemExit(f"the {role} ended with code {process.returncode}")
            file.seek(0)
            known[role] = pickle.load(file)
    return known


def part(task: dict[str, Any]) -> None:
    clock = LiveClock(task["origin"])
    begin, end = START_AT + LEAD, START_AT + LEAD + task["seconds"]
    wake_up_exactly()
    if task["role"] == "emulator":
        known = emulator_part(task, clock, end + TAIL)
    else:
        plug = EndPlug(**task["plugs"][0])
        import os
        import socket

        os.nice(10)
        udp = UdpSocket(socket.socket(fileno=plug.number), clock)
        if task["role"] == "sender":
            known = send(udp, plug.peer, clock, begin=begin, rate=task["rate"], seconds=task["seconds"])
        else:
            known = receive(udp, clock, end + TAIL)
    with open(task["result"], "wb") as file:  # noqa: PTH123  an inherited descriptor
        pickle.dump(known, file)


def emulator_part(task: dict[str, Any], clock: LiveClock, until: float) -> Any:
    import gc
    import socket

    turn = run_first()
    gc.disable()
    ports: list[Any] = []
    for fields in task["plugs"]:
        plain = socket.socket(fileno=fields["number"])
        if "device" in fields:
            ports.append(DevicePort(OpenPort(plain, fields["device"], fields["hardware"]), clock))
        else:
            plug = RelayPlug(**fields)
            ports.append(RelayPort(UdpSocket(plain, clock, peer=plug.end), other=plug.other))
    down, up = link(task["network"], "down"), link(task["network"], "up")
    links = [EmulatedLink(way.path, way.log) for way in (down, up)]
    entries = between(*ports, *links)
    while clock.now() < START_AT:
        time.sleep(0.01)
    emulate(entries, links, clock, until=until, done=lambda: False)
    counts = down.path.counts()
    overflows = sum((port.udp if isinstance(port, RelayPort) else port).overflows for port in ports)
    return {"turn": turn, "lateness": links[0].lateness.summary(), "popped": counts.popped, "overflows": overflows}


def send(udp: UdpSocket, peer: Any, clock: LiveClock, *, begin: float, rate: float, seconds: float) -> list[float]:
    sent = []
    padding = bytes(PROBE_BYTES - 4)
    for number in range(round(rate * seconds)):
        at = begin + number / rate
        while (left := at - clock.now()) > 0:
            if left > 300e-6:
                time.sleep(left - 200e-6)
        sent.append(clock.now())
        udp.send([(number.to_bytes(4, "big") + padding, peer, 0)])
    return sent


def receive(udp: UdpSocket, clock: LiveClock, until: float) -> dict[int, float]:
    arrived: dict[int, float] = {}
    while clock.now() < until:
        udp.wait(0.05)
        for data, _, _, at in udp.receive():
            arrived[int.from_bytes(data[:4], "big")] = at
    return arrived


def expected(network: dict[str, Any], sent: list[float]) -> dict[int, float]:
    """When each probe leaves the same path in virtual time."""
    path = link(network, "down").path
    left = {}
    for number, at in enumerate(sent):
        for packet in path.pop(at):
            left[packet.number] = packet.at
        path.push(Packet(b"", ("", 0), ("", 0), 0, PROBE_BYTES + 28, number, at, at))
    for packet in path.pop(sent[-1] + 3600):
        left[packet.number] = packet.at
    return left


def row(label: str, network: dict[str, Any], rate: float, known: dict[str, Any]) -> str:
    sent, arrived = known["sender"], known["receiver"]
    model = expected(network, sent)
    errors = np.array([arrived[number] - at for number, at in model.items() if number in arrived]) * 1e3
    p50, p95, p99 = np.percentile(errors, [50, 95, 99])
    missing = sum(number not in arrived for number in model if model[number] < sent[-1])
    late = known["emulator"]["lateness"]["p99_ms"]
    really = (len(sent) - 1) / (sent[-1] - sent[0])
    return (
        f"| {label} | {really:.0f} | {p50:+.3f} | {p95:+.3f} | {p99:+.3f} | {errors.min():+.3f} "
        f"| {missing} of {len(model)} | {late:.2f} | {known['emulator']['turn']} |"
    )


HEAD = """| link | packets/s | p50 | p95 | p99 | least | missing | emulator's own p99 lateness | its turn |
|---|---|---|---|---|---|---|---|---|"""


def bulk() -> None:
    """TCP (cubic) in `glass shell` over a trace of one opportunity each millisecond: 12.032 Mbit/s."""
    server = (
        "import socket; s = socket.create_server(('', 4001)); "
        "s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b'cubic'); p, _ = s.accept(); "
        "import time; end = time.monotonic() + 12\n"
        "try:\n while time.monotonic() < end: p.sendall(bytes(65536))\nexcept OSError: pass\n"
    )
    client = (
        "import socket, time\n"
        "for _ in range(100):\n"
        " try: p = socket.create_connection(('198.18.1.1', 4001)); break\n"
        " except OSError: time.sleep(0.05)\n"
        "n, begun = 0, time.monotonic()\n"
        "first = None\n"
        "while time.monotonic() < begun + 11:\n"
        " got = len(p.recv(65536))\n"
        " if time.monotonic() > begun + 1: first = first or time.monotonic(); n += got\n"
        "print(n * 8 / (time.monotonic() - first) / 1e6)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        for name, text in (("server.py", server), ("client.py", client)):
            (here / name).write_text(text)
        for per_ms in (1, 4, 8):
            trace = here / f"{per_ms}.down"
            trace.write_text("".join(f"{ms}\n" * per_ms for ms in range(1, 1001)))
            glass = [
                sys.executable,
                "-c",
                "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())",
            ]
            options = ["--trace", str(trace), "--delay", "10ms", "--queue", f"{per_ms * 100}kB"]
            command = [
                *glass,
                "shell",
                *options,
                "--log",
                str(here / "log.csv"),
                "--far",
                f"{sys.executable} server.py",
            ]
            done = subprocess.run(
                [*command, "--", sys.executable, "client.py"], cwd=here, capture_output=True, text=True, check=True
            )
            import pandas as pd

            table = pd.read_csv(here / "log.csv").query("direction == 'down' and at > 3 and at < 10")
            share = table["delivered_bytes"] / table["capacity_bytes"]
            goodput, capacity = float(done.stdout), per_ms * 12.032
            print(
                f"trace of {capacity:.1f} Mbit/s: TCP payload {goodput:.2f} Mbit/s = {goodput / capacity:.0%}; on the "
                f"wire per 100 ms, of capacity: p5 {share.quantile(0.05):.0%}, median {share.median():.0%}, "
                f"largest {share.max():.0%}"
            )
            warning = [line for line in done.stderr.splitlines() if line.startswith("warning")]
            print(*warning, sep="\n", end="\n" if warning else "")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--part")
    parser.add_argument("--trace", default="lte-driving")
    parser.add_argument("--emulator", default="netns")
    parser.add_argument("--breaking", action="store_true")
    parser.add_argument("--bulk", action="store_true")
    options = parser.parse_args()
    if options.part:
        part(json.loads(options.part))
    elif options.bulk:
        bulk()
    else:
        print(HEAD, flush=True)
        fixed, trace = {"delay": "20ms"}, {"trace": str(Path(options.trace)), "queue": "1MB"}
        rates = (1000, 5000, 10_000, 15_000, 20_000, 30_000) if options.breaking else (1000, 5000)
        for label, network in (("20 ms", fixed),) if options.breaking else (("20 ms", fixed), (options.trace, trace)):
            for rate in rates:
                known = measure(options.emulator, network, rate, SECONDS)
                print(row(label, network, rate, known), flush=True)


if __name__ == "__main__":
    main()
