"""What goes wrong on a network goes wrong on real sockets: the outcome is clear, and what was measured is kept."""

import socket
import threading
import time
from typing import Any

import numpy as np
import pytest

from glassbench.experiments.account import ledger
from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.ends import Ends, Place
from glassbench.experiments.worlds.live.arm import run_arm as run_arm_live
from glassbench.experiments.worlds.live.end import EndContext, ReceiverRun, SenderRun, our_receiver
from glassbench.experiments.worlds.live.task import RelayPlug
from glassbench.experiments.worlds.live.wiring import Wiring, wire
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.udp_socket import UdpSocket, open_socket

VIDEO = {"source": "lognormal", "bitrate": "1Mbit/s", "deadline": "1s", "keyframe_interval": 30}


@pytest.fixture(autouse=True)
def however_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share their machine with others."""
    monkeypatch.setattr("glassbench.experiments.worlds.live.arm.MOST_LATE_MS", 1e6)
    monkeypatch.setattr("glassbench.experiments.worlds.live.arm.LONGEST_PAUSE", 1e6)
    monkeypatch.setattr("glassbench.experiments.worlds.live.arm.MOST_PAUSED", 1e6)


def scenario(arm: str, duration: str, down: list[dict[str, Any]], **fields: Any) -> Scenario:
    network = {"down": down, "up": [{"element": "delay", "delay": "20ms"}]}
    return build({"name": "fault", "duration": duration, "arms": [arm], "video": VIDEO, "network": network, **fields})


def live(plan: Scenario) -> ArmResult:
    return run_arm_live(plan, plan.arms[0], None, emulator="relay")


@pytest.mark.long
@pytest.mark.parametrize("arm", ["quic-datagram"])
def test_frames_are_shown_again_after_five_seconds_without_a_network(arm: str) -> None:
    outage = {"element": "outage", "windows": [{"start": "500ms", "duration": "5s"}]}
    result = live(scenario(arm, "8s", [outage, {"element": "delay", "delay": "20ms"}]))
    assert (result.outcome, result.reason) == ("measured", None)
    assert result.ledger is not None
    frames = result.ledger
    assert len(frames) == 240
    assert (frames[frames["captured_at"] < 0.4]["fate"] == "displayed").mean() > 0.5
    assert (frames[frames["captured_at"].between(1.0, 4.0)]["fate"] != "displayed").mean() > 0.9
    assert (frames[frames["captured_at"] > 7.0]["fate"] == "displayed").mean() > 0.5


@pytest.mark.long
def test_srt_ends_its_connection_after_five_seconds_of_silence_and_says_so() -> None:
    outage = {"element": "outage", "windows": [{"start": "500ms", "duration": "6s"}]}
    result = live(scenario("srt", "7s", [outage, {"element": "delay", "delay": "20ms"}]))
    assert (result.outcome, result.reason) == ("measured", None)
    assert result.ledger is not None and len(result.ledger) == 210
    assert (result.ledger[result.ledger["captured_at"] < 0.3]["fate"] == "displayed").any()
    # libsrt's default, too (SRTO_PEERIDLETIMEO)
    assert [note for note in result.notes if ": nothing heard from the peer for 5" in note]


@pytest.mark.quiet
@pytest.mark.parametrize("arm", ["quic-datagram"])
def test_a_smaller_mtu_that_nobody_is_told_of_is_a_loss_with_a_fate_for_every_frame(arm: str) -> None:
    smaller = {"element": "size-limit", "largest": "700B", "start": "1s"}
    result = live(scenario(arm, "2s", [smaller, {"element": "delay", "delay": "20ms"}]))
    assert (result.outcome, result.reason) == ("measured", None)
    assert result.ledger is not None
    frames = result.ledger
    assert len(frames) == 60
    assert (frames[frames["captured_at"] < 0.8]["fate"] == "displayed").mean() > 0.5
    assert (frames[frames["captured_at"] > 1.1]["fate"] != "displayed").all()
    assert result.impairments["down"]["path"]["dropped"] > 0


@pytest.mark.parametrize(
    ("arm", "flooded"),
    [("rtp", (0, 2)), ("quic-datagram", (1, 3)), pytest.param("srt", (0, 3), marks=pytest.mark.long)],
)
def test_a_flood_of_garbage_on_any_port_changes_no_outcome(
    arm: str, flooded: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ports: list[int] = []
    over = threading.Event()

    def watched(emulator: Any, plan: Scenario, cleanup: Any) -> Wiring:
        wiring = wire(emulator, plan, cleanup)
        for plug in wiring.ports:
            assert isinstance(plug, RelayPlug)
            ports.append(plug.end[1])
        ports.extend(plug.peer[1] for plug in wiring.ends.values())
        return wiring

    def flood() -> None:
        rng = np.random.default_rng(20)
        garbage = [rng.bytes(int(size)) for size in rng.integers(1, 1400, 64)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            while not over.is_set():
                begun = time.monotonic()
                for number in range(100 if ports else 0):  # in 10 ms: 10,000 a second
                    for at in flooded:
                        stranger.sendto(garbage[number % 64], ("127.0.0.1", ports[at]))
                time.sleep(max(0.0, begun + 0.01 - time.monotonic()))

    monkeypatch.setattr("glassbench.experiments.worlds.live.arm.wire", watched)
    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        result = live(scenario(arm, "2s", [{"element": "delay", "delay": "20ms"}]))
    finally:
        over.set()
        flooding.join()
    assert (result.outcome, result.reason) == ("measured", None)
    assert result.ledger is not None and len(result.ledger) == 60
    assert (result.ledger["fate"] == "displayed").any()
    at_relay = {2: "down", 3: "up"}
    assert result.impairments[at_relay[flooded[1]]]["foreign"] > 1000
    at_end = ("sender", "receiver")[flooded[0]]
    assert result.stats["live"][at_end]["foreign"] > 1000
    assert result.stats[at_end].get("malformed", 0) == 0  # no transport is shown what is not from the relay


class Nat:
    """Between a sender and a receiver on loopback: what the sender sends leaves from another port after a while."""

    def __init__(self, receiver: tuple[str, int], switch_after: int) -> None:
        self.inside = open_socket()
        self._outside = [open_socket(), open_socket()]
        self._receiver = receiver
        self._left = switch_after
        self._sender: Any = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        for plain in (self.inside, *self._outside):
            plain.close()

    def _run(self) -> None:
        while not self._over.wait(0.0005):
            for data, peer in self._of(self.inside):
                self._sender = peer
                self._left -= 1
                self._outside[self._left < 0].sendto(data, self._receiver)
            for plain in self._outside if self._left >= 0 else self._outside[1:]:  # the old mapping is forgotten
                for data, _ in self._of(plain):
                    if self._sender is None:  # nobody has opened the way in
                        continue
                    self.inside.sendto(data, self._sender)

    @staticmethod
    def _of(plain: socket.socket) -> Any:
        while True:
            try:
                yield plain.recvfrom(65_535)
            except BlockingIOError:
                return


@pytest.mark.parametrize("arm", ["quic-datagram", "rtp"])
def test_a_sender_whose_address_changes_in_the_middle_is_still_received(arm: str) -> None:
    plan = scenario(arm, "3s", [{"element": "delay", "delay": "1ms"}])
    ends = Ends(plan.media(plan.arms[0]))
    clock = LiveClock(monotonic_ns() + 500_000_000)
    at_sender, at_receiver = open_socket(), open_socket()
    nat = Nat(at_receiver.getsockname(), switch_after=100)
    places = {
        "sender": Place(at_sender.getsockname(), nat.inside.getsockname()),
        "receiver": Place(at_receiver.getsockname(), nat._outside[0].getsockname()),
    }
    try:
        sender = SenderRun(ends, ends.transport("sender", ends.config("sender", places["sender"])))
        transport = ends.transport("receiver", ends.config("receiver", places["receiver"]))
        receiver = ReceiverRun(ends, our_receiver(ends, transport, keep_decoded=False))
        known: dict[str, Any] = {}

        def receive() -> None:
            known["receiver"] = receiver.run(EndContext(UdpSocket(at_receiver, clock), clock, lambda now: False))

        thread = threading.Thread(target=receive)
        thread.start()
        known["sender"] = sender.run(EndContext(UdpSocket(at_sender, clock), clock, lambda now: False))
        thread.join()
    finally:
        nat.close()
        at_sender.close()
        at_receiver.close()
    assert nat._left < 0
    frames = ledger.join(known["sender"].report.sent, known["receiver"].report.received, media_start=MEDIA_START)
    assert (frames[frames["captured_at"] > 2.0]["fate"] == "displayed").mean() > 0.8, frames["fate"].value_counts()
