"""Our ends on real sockets, the programs of others that they talk to, and a link between them that loses datagrams.

Traffic stays on 127.0.0.1. GLASS_PEER_SECONDS sets how many seconds of video each test sends; a minute, by hand:

    GLASS_PEER_SECONDS=60 .venv/bin/pytest -s tests/peers

With -s each test prints what it counted.
"""

import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.ends import Ends
from glassbench.experiments.worlds.live.codec_thread import CodecThread
from glassbench.netem.live.clock import LiveClock
from glassbench.netem.live.driver import drive
from glassbench.netem.live.udp_socket import UdpSocket, open_socket
from glassbench.netem.packet import Address
from glassbench.receiver.pipeline import ReceiverPipeline
from glassbench.sender.encoder import Encoded, SourceEncoder
from glassbench.sender.pipeline import SenderPipeline, capture_count
from glassbench.transport.contract import Transport

SECONDS = float(os.environ.get("GLASS_PEER_SECONDS", "6"))
FPS = 30
WIDTH, HEIGHT = 320, 180
LOSS = 0.02
SEED = 20
LOCAL = "127.0.0.1"
_GSTREAMER = "apt-get install -y gstreamer1.0-tools gstreamer1.0-libav " + " ".join(
    f"gstreamer1.0-plugins-{kind}" for kind in ("base", "good", "bad")
)
_RUST_PLUGINS = "it comes with GStreamer's plugins in Rust (gst-plugins-rs), which few distributions have"
_WITH = {"rtpav1pay": _RUST_PLUGINS, "rtpav1depay": _RUST_PLUGINS}
_BELOW_EPHEMERAL = 10_000 + 200 * (os.getpid() % 100)  # tests side by side begin at different ones
_PORTS = iter(range(_BELOW_EPHEMERAL, 32_768, 2))
_PATIENCE = 20.0  # seconds for whatever others do; much more than they need, because tests share their machine


class Program:
    """A program of others that runs. What it says goes to a file, which `said` reads."""

    def __init__(self, command: list[str], log: Path, wait_for: Callable[..., Any]) -> None:
        self._log = log
        self._wait_for = wait_for
        with log.open("wb") as file:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        self.name = Path(command[0]).name

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def said(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for_port(self, port: int) -> None:
        """Wait until somebody receives at that UDP port: what is sent before is lost."""
        column = f":{port:04X} "
        self._wait_for(lambda: self.ended or column in Path("/proc/net/udp").read_text(), f"{self.name} at port {port}")
        assert not self.ended, f"{self.name} ended at once: {self.said}"

    def interrupt(self) -> None:
        """End in an orderly way, as after Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def wait(self) -> int:
        """Its exit code, when it has ended by itself."""
        self._wait_for(lambda: self.ended, f"the end of {self.name}, which said: {self.said}")
        return int(self._process.returncode)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class LossyLink:
    """Between a caller and the listener that it wants: hands datagrams on both ways, but for a share `loss` of them.

    The caller sends to `address`. Who it is shows when it does. The listener sees it at `exit`, and may answer from
    other ports too, as RTCP without rtcp-mux does.
    """

    def __init__(self, listener: Address, dice: np.random.Generator) -> None:
        self.loss = 0.0
        self.passed = self.lost = 0
        self._listener = listener
        self._caller: Address | None = None
        self._dice = dice
        self._to_caller, self._to_listener = open_socket(), open_socket()
        self.address: Address = self._to_caller.getsockname()
        self.exit: Address = self._to_listener.getsockname()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._to_caller.close()
        self._to_listener.close()

    def _run(self) -> None:
        while not self._over.is_set():
            ready, _, _ = select.select([self._to_caller, self._to_listener], [], [], 0.1)
            for plain in ready:
                data, source = plain.recvfrom(65_535)
                if plain is self._to_caller:
                    self._caller = source
                    self._hand_on(data, self._to_listener, self._listener)
                elif self._caller is not None and source[0] == self._listener[0]:
                    self._hand_on(data, self._to_caller, self._caller)

    def _hand_on(self, data: bytes, exit: socket.socket, destination: Address) -> None:
        if self._dice.random() < self.loss:
            self.lost += 1
            return
        self.passed += 1
        exit.sendto(data, destination)


class KeptEncoder:
    """An encoder that remembers what it gave out, to compare with what arrives."""

    def __init__(self, ends: Ends) -> None:
        self.payloads: list[bytes] = []
        self._encoder = SourceEncoder(ends.source, ends.encoder_settings)

    def encode(
        self, capture: int, captured_at: float, *, force_keyframe: bool, budget_bytes: int | None = None
    ) -> Encoded:
        encoded = self._encoder.encode(capture, captured_at, force_keyframe=force_keyframe, budget_bytes=budget_bytes)
        self.payloads.append(encoded.payload)
        return encoded


class Running:
    """One of our ends on its socket, driven in a thread of its own until `stop`, which closes the connection."""

    def __init__(
        self,
        pipeline: SenderPipeline | ReceiverPipeline,
        plain: socket.socket,
        codec: CodecThread[Any],
        clock: LiveClock,
    ) -> None:
        self._pipeline = pipeline
        self._codec = codec
        self._udp = UdpSocket(plain, clock)
        self._clock = clock
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        pipeline, udp, now = self._pipeline, self._udp, self._clock.now()
        pipeline.connect(now=now)
        until = now + SECONDS + 3 * _PATIENCE
        now, _, _ = drive(
            pipeline,
            udp,
            self._clock,
            until=until,
            wakes=[self._codec],
            done=lambda now: self._over.is_set(),
        )
        pipeline.close(now=now)
        udp.send(pipeline.datagrams_to_send(now=now))


class Bench:
    """Makes what a test needs. All that runs is ended, in the opposite order, when the stack is closed."""

    seconds, seed, width, height = SECONDS, SEED, WIDTH, HEIGHT
    frames = capture_count(SECONDS, Fraction(FPS))

    def __init__(self, folder: Path, running: ExitStack, wait_for: Callable[..., Any]) -> None:
        self.folder = folder
        self.wait_for = wait_for
        self._running = running
        self._threads: dict[SenderPipeline | ReceiverPipeline, CodecThread[Any]] = {}
        self._dice = np.random.SeedSequence(SEED)

    def ends(self, arm: str, codec: str = "h264") -> Ends:
        """The two ends of an arm, as a scenario with small pictures makes them."""
        video = {
            "codec": codec,
            "source": "synthetic",
            "bitrate": "1Mbit/s",
            "fps": float(FPS),
            "width": WIDTH,
            "height": HEIGHT,
            "keyframe_interval": FPS,
        }
        scenario = build({"name": "peers", "duration": f"{SECONDS:g}s", "arms": [arm], "video": video, "network": {}})
        return Ends(scenario.media(scenario.arms[0]))

    def sender(self, ends: Ends, transport: Transport, clock: LiveClock) -> tuple[SenderPipeline, list[bytes]]:
        """The pipeline, and a list which it fills with the access units that it encodes."""
        kept = KeptEncoder(ends)
        thread: CodecThread[Encoded] = CodecThread(clock)
        pipeline = ends.sender(transport, kept, thread.took, thread)
        self._threads[pipeline] = thread
        return pipeline, kept.payloads

    def receiver(self, ends: Ends, transport: Transport, clock: LiveClock) -> ReceiverPipeline:
        thread: CodecThread[av.VideoFrame | None] = CodecThread(clock)
        pipeline = ends.receiver(transport, ends.decoder(), thread.took, thread)
        self._threads[pipeline] = thread
        return pipeline

    def run(self, pipeline: SenderPipeline | ReceiverPipeline, plain: socket.socket, clock: LiveClock) -> Running:
        thread = self._threads[pipeline]
        running = Running(pipeline, plain, thread, clock)
        self._running.callback(thread.close)
        self._running.callback(running.stop)
        return running

    def socket(self) -> socket.socket:
        """A socket that is bound now, and closed at the end."""
        plain = open_socket()
        self._running.callback(plain.close)
        return plain

    def free_port(self) -> int:
        """A free port whose successor is free too. It is even: RTP, and RTCP of a peer that does not know rtcp-mux.

        The kernel gives none of these to a socket that takes any, so it stays free until the peer binds it.
        """
        for port in _PORTS:
            with suppress(OSError), ExitStack() as both:
                for number in (port, port + 1):
                    plain = both.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    plain.bind((LOCAL, number))
                return port
        raise AssertionError("every port below those of the kernel is taken")

    def start(self, *command: str) -> Program:
        program = Program(list(command), self.folder / f"{command[0]}.log", self.wait_for)
        self._running.callback(program.kill)
        return program

    def lose(self, links: list[LossyLink], sender: SenderPipeline, clock: LiveClock) -> None:
        """Until all is sent, with loss in all but the first and the last half second.

        Repairs wait for a round trip that no protocol knows at its start, and nobody misses a packet after which none
        comes.
        """
        for loss, count in ((LOSS, FPS // 2), (0.0, self.frames - FPS // 2)):
            self.wait_for(lambda count=count: len(sender.captured) >= count, f"capture {count}", SECONDS + _PATIENCE)
            for link in links:
                link.loss = loss
        self.wait_for(lambda: sender.finished(now=clock.now()), "the end of the video")

    def link(self, listener: Address) -> LossyLink:
        link = LossyLink(listener, np.random.default_rng(self._dice.spawn(1)[0]))
        print(f"a link that loses {LOSS:.0%}, drawn with seed {SEED}")
        self._running.callback(link.close)
        return link


@pytest.fixture(scope="session")
def gstreamer() -> Callable[..., None]:
    """gstreamer("vp8dec", ...): skip the test unless GStreamer has these elements."""

    def need(*elements: str) -> None:
        for element in elements:
            try:
                subprocess.run(["gst-inspect-1.0", "--exists", element], check=True, timeout=60)
            except (FileNotFoundError, subprocess.CalledProcessError):
                pytest.skip(f"needs gst-launch-1.0 with {element}: {_WITH.get(element, _GSTREAMER)}")

    return need


@pytest.fixture
def bench(tmp_path: Path, wait_for: Callable[..., Any]) -> Iterator[Bench]:
    with ExitStack() as running:
        yield Bench(tmp_path, running, wait_for)
