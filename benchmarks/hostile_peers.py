"""Random messages against both ends of `glass send | receive`, before and after a sender has shown the key.

    python benchmarks/hostile_peers.py [--messages 200000] [--seed 20] [--served 2]

Each of the four gets so many messages: a real `glass receive` those of strangers, beside silent and slow ones, and then
those of a sender that has the key, datagrams of media among them; `run_arm_between`, which is `glass send`, those of a
receiver that has not admitted it, and then of one that has. Ends with 1 if an end dies, if it grows, if somebody else
is not served within --served seconds, or if an honest arm is not measured afterwards.
"""

import argparse
import json
import math
import os
import re
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.worlds.ends import Ends, Place
from glassbench.experiments.worlds.hosts.asked import ask_for
from glassbench.experiments.worlds.hosts.control import Control, ControlError
from glassbench.experiments.worlds.hosts.key import Key, make_identity, pinning_context
from glassbench.experiments.worlds.hosts.messages import VERSION, Answer, Hello, Start, Started
from glassbench.experiments.worlds.hosts.sending import LEAD, take_reports
from glassbench.experiments.worlds.hosts.sending import run_arm as run_arm_between
from glassbench.experiments.worlds.remote import Remote
from glassbench.netem.live.alignment_messages import ANSWER, QUESTION, Answerer, Message, decode, encode
from glassbench.netem.packet import Address
from glassbench.netem.simulator import START_AT
from glassbench.transport.contract import Frame

ARMS = ["udp", "rtp", "srt", "quic-datagram", "quic-stream", "webtransport-datagram"]
MOST_GROWTH = 32_000  # kB, of either end
DATAGRAMS = 2000  # in one arm
REPORTS = 50  # by one connection
AT_ONCE = 4  # strangers that talk; others are silent, or slow
SILENT = 100

TEXTS = [
    "",
    "\x1b[2J",
    "\x00",
    "x" * 70_000,
    "/dev/zero",
    "sizes:/dev/zero",
    "NaN",
    "1e999s",
    "9999h",
    "udp:",
    "0" * 32,
]
NUMBERS = [-1, 0, 1e308, 2**31, 2**63, 2**70, 9e8, -9e8, 1e-320, True, None, [], {}, [[]] * 1000, {"x": {"x": {}}}]
RAW = ['"\\ud800"', "NaN", "-Infinity", "1e999", "[" * 5000, '{"x":' * 5000, "9" * 5000, '"', "\x00", "\ufeff", "tru"]


class Random:
    """What a hostile peer sends, as `rng` decides. `arms` counts the arms that got all of its datagrams."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.arms = 0

    def message(self, honest: dict[str, Any], *, framed: bool = False) -> bytes:
        """An honest message with something wrong in it, or, if not `framed`, its frame wrong, or no message at all."""
        kind = self.rng.uniform(0.1, 0.9) if framed else self.rng.random()
        if kind < 0.1:
            return self.rng.bytes(int(self.rng.integers(1, 3000)))
        text = json.dumps(self._spoiled(honest))
        if kind < 0.4:
            place = int(self.rng.integers(0, len(text) + 1))
            text = text[:place] + self.one(RAW) + text[place:]
        data = text.encode(errors="surrogatepass")
        length = len(data) if kind < 0.9 else int(self.one([0, 1, len(data) - 1, len(data) + 1, 10**6, 2**32 - 1]))
        return struct.pack("!I", max(0, length)) + data

    def datagram(self, honest: list[bytes]) -> bytes:
        """An honest datagram with bytes changed, cut or appended, or none at all."""
        data = bytearray(self.one(honest))
        kind = self.rng.random()
        if kind < 0.2:
            return self.rng.bytes(int(self.rng.integers(1, 1500)))
        if kind < 0.4:
            return bytes(data[: int(self.rng.integers(0, len(data) + 1))]) + self.rng.bytes(
                int(self.rng.integers(0, 9))
            )
        for _ in range(int(self.rng.integers(0, 8))):
            data[int(self.rng.integers(0, len(data)))] = int(self.one([0, 0xFF, int(self.rng.integers(0, 256))]))
        return bytes(data)

    def _spoiled(self, value: Any) -> Any:
        if isinstance(value, dict) and value and self.rng.random() < 0.9:
            name = self.one(list(value))
            if self.rng.random() < 0.1:
                return {other: value[other] for other in value if other != name}
            return {**value, name: self._spoiled(value[name])}
        return self.one([*TEXTS, *NUMBERS])

    def one(self, values: list[Any]) -> Any:
        return values[int(self.rng.integers(0, len(values)))]


class Attacked:
    """A process of `glass receive`, and how long it lets others wait."""

    def __init__(self, process: "subprocess.Popen[str]", port: int, key: str) -> None:
        self.process = process
        self.remote = Remote("127.0.0.1", port, key)
        self.token = Key.parse(key).token.hex()
        self.waits: list[float] = []

    def connect(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.remote.port), 10)
        return pinning_context().wrap_socket(plain)

    def ask(self, scenario: dict[str, Any]) -> tuple[Control, Answer]:
        """Ask for an arm, as a sender with the key."""
        control = Control(self.connect())
        control.send(Hello(version=VERSION, token=self.token, flow=scenario), 10)
        return control, control.receive(Answer, 10)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Meanwhile somebody else asks again and again for something that is refused, and measures how long that
        takes."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.2):
                begun = time.monotonic()
                with suppress(OSError):
                    self.ask({})[0].close()
                self.waits.append(time.monotonic() - begun)

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


@contextmanager
def attacked_receiver(folder: Path) -> Iterator[Attacked]:
    """A receiver that is started, and ended at the end."""
    command = [sys.executable, "-c", "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with (folder / "receive.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "receive", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=log, env=environment, text=True
        )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        address = re.search(r":(\d+) --key (\w+)", process.stdout.readline())
        assert address is not None
        try:
            yield Attacked(process, int(address[1]), address[2])
        finally:
            process.terminate()


def strangers(receiver: Attacked, count: int, seed: int) -> None:
    """Send messages without the key."""
    hello = {"version": VERSION, "token": "0" * 32, "flow": ask_for(ends_of("udp"))}
    silent = [socket.create_connection(("127.0.0.1", receiver.remote.port), 10) for _ in range(SILENT)]

    def talk(number: int) -> None:
        said = Random(seed + number)
        for _ in range(count // AT_ONCE):
            data = said.message(hello)
            with suppress(OSError):
                if said.rng.random() < 0.2:
                    with socket.create_connection(("127.0.0.1", receiver.remote.port), 10) as plain:
                        plain.sendall(data)
                    continue
                with receiver.connect() as connection:
                    connection.sendall(data)
                    connection.settimeout(0.05)
                    connection.recv(1)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(talk, range(AT_ONCE)))
    for each in silent:
        each.close()


def admitted(receiver: Attacked, count: int, seed: int) -> int:
    """Send messages with the key. Returns how many arms got datagrams."""
    said, left, waits = Random(seed), count, 0
    while left > 0:
        ends = ends_of(said.one(ARMS))
        try:
            control, answer = receiver.ask(ask_for(ends))
        except OSError:
            continue
        if answer.alignment is None:  # the arm before is not over
            control.close()
            waits += 1
            assert waits < 1000 + count, answer.error
            continue
        there = "127.0.0.1", receiver.remote.port
        left -= _sender(said, control, bytes.fromhex(answer.alignment), there, datagrams(ends))
        control.close()
    return said.arms


def _sender(said: Random, control: Control, token: bytes, there: Address, honest: list[bytes]) -> int:
    """Send one arm that begins well. Returns how many messages that took."""
    connection = control._connection
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        if said.rng.random() < 0.3:
            connection.send(said.message({"start": 1.0}))
            return 1
        media.settimeout(2.0)
        media.sendto(encode(Message(QUESTION, token, 1)), there)
        answer = decode(media.recv(100), ANSWER)
        assert answer is not None
        control.send(Start(start=answer.t3 - START_AT + 0.05), 5)
        control.receive(Started, 5)
        honest = [*honest, encode(Message(QUESTION, token, 2))]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for number in range(DATAGRAMS):
                (stranger if number % 5 == 0 else media).sendto(said.datagram(honest), there)
                if number % 50 == 0:
                    time.sleep(0.01)
        said.arms += 1
        connection.send(said.message({"end": True}))
    return DATAGRAMS + 1


def refusing_receiver(count: int, seed: int) -> float:
    """A receiver that answers badly. Returns the longest time that a sender took to end."""
    said, slowest = Random(seed), 0.0
    plan = plan_of("udp")
    with service(lambda control, _: control._connection.send(said.message({"alignment": "0" * 32}))) as remote:
        for _ in range(count):
            begun = time.monotonic()
            with suppress(OSError, ValueError):
                run_arm_between(plan, plan.arms[0], remote)
            slowest = max(slowest, time.monotonic() - begun)
    return slowest


def admitting_receiver(count: int, seed: int) -> int:
    """A receiver that begins well. Returns how many arms got datagrams. The other half of the messages are reports,
    which are taken one after the other."""
    said = Random(seed)
    for _ in range(max(1, count // 2 // DATAGRAMS)):
        plan = plan_of(said.one(ARMS))
        act = partial(_receiver, said, datagrams(Ends(plan.media(plan.arms[0]))))
        with service(act) as remote, suppress(OSError, ValueError):
            run_arm_between(plan, plan.arms[0], remote)
    record = {"track": 0, "sequence": 0, "first_arrival_at": 1002.0, "outcome": "displayed", "stamp_sequence": 0}
    honest = {
        "records": [record] * 3,
        "counts": {"stats": {"a": 1}, "sent_bytes": {"10": 1}, "connection": {"error": "x"}},
    }

    def reports() -> list[bytes]:
        return [said.message(honest, framed=True) for _ in range(REPORTS)]

    with service(lambda control, _: control._connection.sendall(b"".join(reports()))) as remote:
        for _ in range(count // 2 // REPORTS):
            with suppress(OSError):
                plain = socket.create_connection((remote.host, remote.port), 10)
                control = Control(pinning_context().wrap_socket(plain))
                control.send(Hello(version=VERSION, token=Key.parse(remote.key).token.hex(), flow={}), 5)
                for _ in range(REPORTS):
                    with suppress(ControlError):
                        take_reports(control, 30)
                control.close()
    return said.arms


def _receiver(said: Random, honest: list[bytes], control: Control, plain: socket.socket) -> None:
    secret = bytes(16)
    answerer = Answerer(secret)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media:
        media.bind(plain.getsockname())
        media.settimeout(0.01)
        control.send(Answer(alignment=secret.hex()), 5)
        session, left, sender = math.inf, DATAGRAMS, None  # when its session has begun
        until = time.monotonic() + 10.0
        while left > 0 and time.monotonic() < until:
            with suppress(TimeoutError):
                data, sender = media.recvfrom(2000)
                answerer.receive_datagram(data, sender, now=time.monotonic())
                honest = [*honest[-50:], data]
            for data, peer, _ in answerer.datagrams_to_send(now=time.monotonic()):
                media.sendto(data, peer)
                honest = [*honest[-50:], data]
            if session == math.inf and control.poll(Start):
                control.send(Started(), 5)
                session = time.monotonic() + LEAD + 0.2
            for _ in range(40 if sender and time.monotonic() > session else 0):
                media.sendto(said.datagram(honest), sender)
                left -= 1
        said.arms += left <= 0
        control._connection.send(said.message({"error": "x", "records": []}))


@contextmanager
def service(act: Callable[[Control, socket.socket], object]) -> Iterator[Remote]:
    """A receiver of ours, which does `act` for each sender."""
    key, context = make_identity(bytes(16))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                with plain, suppress(OSError):
                    plain.settimeout(10)
                    with context.wrap_socket(plain, server_side=True) as connection:
                        control = Control(connection)
                        control.receive(Hello, 5)
                        act(control, listener)

        server = threading.Thread(target=serve)
        server.start()
        try:
            yield Remote("127.0.0.1", listener.getsockname()[1], str(key))
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            server.join()


def plan_of(arm: str) -> Scenario:
    video = {"source": "lognormal", "bitrate": "1Mbit/s"}
    return build({"name": "hostile", "duration": "100ms", "arms": [arm], "video": video, "network": {}})


def ends_of(arm: str) -> Ends:
    plan = plan_of(arm)
    return Ends(plan.media(plan.arms[0]))


def datagrams(ends: Ends, sequence: int = 0, size: int = 3000, captured_at: float = START_AT) -> list[bytes]:
    """What a sender of an arm says first, with a keyframe."""
    place = Place(("127.0.0.1", 1), ("127.0.0.1", 2))
    sender = ends.transport("sender", ends.config("sender", place))
    sender.connect(now=START_AT)
    payload = b"\0\0\0\1\x65".ljust(size, b"\x55")
    frame = Frame(0, 0, sequence, captured_at, True, 0, 0, None, payload)
    sender.send_frame(frame, now=START_AT)
    return [datagram.data for datagram in sender.datagrams_to_send(now=START_AT)]


def memory(process: int | str) -> int:
    """The memory of a process in kB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def main() -> None:
    """Run all, print, and end with 1 if one of them does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=200_000, help="to each end, before and after admission")
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--served", type=float, default=2.0, help="seconds for which somebody else may wait")
    options = parser.parse_args()
    failures: list[str] = []

    def report(what: str, pid: int | str, slowest: Callable[[], float], attack: Callable[[int], object]) -> None:
        attack(max(AT_ONCE * 20, options.messages // 20))  # what is loaded once is loaded
        before, begun = memory(pid), time.monotonic()
        arms = attack(options.messages)
        growth, wait = memory(pid) - before, slowest()
        print(f"{what}: {options.messages} messages in {time.monotonic() - begun:.0f} s, growth {growth} kB, ", end="")
        print(f"the longest wait of somebody else {wait:.2f} s", flush=True)
        if growth > MOST_GROWTH or wait > options.served or arms == 0:
            failures.append(what)

    with tempfile.TemporaryDirectory() as folder, attacked_receiver(Path(folder)) as receiver:
        pid = receiver.process.pid
        for what, attack in (("receiver, strangers", strangers), ("receiver, admitted", admitted)):
            receiver.waits.clear()
            with receiver.watched():
                report(
                    what,
                    pid,
                    lambda: max(receiver.waits, default=0.0),
                    lambda count, attack=attack: attack(receiver, count, options.seed),
                )
        honest = plan_of("rtp")
        result = run_arm_between(honest, honest.arms[0], receiver.remote)
        if receiver.process.poll() is not None or result.outcome != "measured":
            failures.append(f"an honest arm afterwards is {result.outcome}")
    waits: list[float] = []
    report(
        "sender, refused",
        "self",
        lambda: max(waits),
        lambda count: waits.append(refusing_receiver(count, options.seed)),
    )
    report("sender, admitted", "self", lambda: 0.0, lambda count: admitting_receiver(count, options.seed))
    print("failed: " + "; ".join(failures) if failures else "all held")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
