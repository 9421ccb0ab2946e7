"""Clocks of two hosts that differ and drift, over a real link: the stated bound holds the true error in every run.

GLASS_CLOCK_RUNS=100 pytest tests/between/test_clocks.py makes a hundred runs.
"""

import os
import threading
import time
from contextlib import ExitStack

import numpy as np
import pytest

from glassbench.experiments.worlds.hosts.shared_socket import SharedSocket
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.jitter import Jitter
from glassbench.netem.link_log import LinkLog
from glassbench.netem.live.alignment import align
from glassbench.netem.live.alignment_messages import QUESTION, TOKEN_BYTES, Answerer, Asker, Message, encode
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.device_port import DevicePort
from glassbench.netem.live.driver import drive
from glassbench.netem.live.emulator import EmulatedLink, between, emulate
from glassbench.netem.live.lab import Lab
from glassbench.netem.live.lab_plan import host_address, lan
from glassbench.netem.live.namespaces import NamespacesRefused
from glassbench.netem.live.udp_socket import UdpSocket
from glassbench.netem.packet import MEDIA_PORT
from glassbench.netem.path import Path
from glassbench.netem.simulator import START_AT

RUNS = int(os.environ.get("GLASS_CLOCK_RUNS", "20"))
SEED = 20


class OtherClock(LiveClock):
    """The clock of another host: it shows another time, and runs at another speed."""

    def __init__(self, origin_ns: int, offset: float, drift: float) -> None:
        super().__init__(origin_ns)
        self.offset, self.drift = offset, drift

    def session_time(self, at_ns: int) -> float:
        return self.of(super().session_time(at_ns))

    def of(self, true: float) -> float:
        return self.offset + START_AT + (true - START_AT) * (1 + self.drift)


@pytest.mark.long
def test_the_bound_holds_the_true_error_of_shifted_and_drifting_clocks(capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(SEED)
    print(f"seed {SEED}, {RUNS} runs")
    ratios, bounds = [], []
    origin = monotonic_ns()
    clock = LiveClock(origin)
    with ExitStack() as cleanup:
        try:
            lab = Lab(lan({"sender": [MEDIA_PORT], "receiver": [MEDIA_PORT]}), cleanup)
        except NamespacesRefused as error:
            pytest.skip(str(error))
        down = Path([Delay(0.004), Jitter(0.003, 0.02, np.random.default_rng(1), epoch=START_AT)])
        up = Path([Delay(0.001), Jitter(0.002, 0.02, np.random.default_rng(2), epoch=START_AT)])
        ports = DevicePort(lab.ports["sender"], clock), DevicePort(lab.ports["receiver"], clock)
        links = [EmulatedLink(path, LinkLog(path, start_at=START_AT)) for path in (down, up)]
        entries = between(*ports, *links)
        over = threading.Event()
        link = threading.Thread(
            target=emulate, args=(entries, links, clock), kwargs={"until": 1e9, "done": over.is_set}
        )
        link.start()
        try:
            time.sleep(0.3)  # until the kernel stamps
            for run in range(RUNS):
                offset, drift = float(rng.uniform(-1e6, 1e6)), float(rng.uniform(-100e-6, 100e-6))
                there = OtherClock(origin, offset, drift)
                alignment, begin, end = exchange(
                    lab.sockets["sender"][0], lab.sockets["receiver"][0], clock, there, rng.bytes(TOKEN_BYTES)
                )
                bound = alignment.bound(begin, end)
                for at in np.linspace(begin, end, 20):
                    error = abs(alignment.to_remote(at) - there.of(at))
                    assert error <= bound, f"run {run}: offset {offset}, drift {drift}, error {error}, bound {bound}"
                    ratios.append(error / bound)
                bounds.append(bound * 1e3)
        finally:
            over.set()
            link.join()
    print(f"bound {np.median(bounds):.2f} ms (median), error over bound at most {max(ratios):.3f}")


def exchange(own, other, here, there, token):
    """The exchanges that an arm of a tenth of a second gives."""
    begin = here.now()
    asker, answerer, over = (
        Asker(token, (host_address(2), MEDIA_PORT), start_at=begin),
        Answerer(token),
        threading.Event(),
    )
    options = {"until": 1e12, "done": lambda now: over.is_set()}
    thread = threading.Thread(target=drive, args=(answerer, UdpSocket(other, there), there), kwargs=options)
    thread.start()
    try:
        udp = UdpSocket(own, here)
        drive(asker, udp, here, until=begin + 0.35, done=lambda now: False)
        asker.finish(now=here.now())
        drive(asker, udp, here, until=begin + 10, done=lambda now: asker.done)
    finally:
        over.set()
        thread.join()
    return align(asker.exchanges), begin, here.now()


class Media:
    def __init__(self):
        self.received, self.out = [], []

    def receive_datagram(self, data, peer, ecn=0, *, now):
        self.received.append((data, peer))

    def datagrams_to_send(self, *, now):
        out, self.out = self.out, []
        return out

    def get_timer(self):
        return None

    def handle_timer(self, *, now): ...


def test_a_peer_that_moves_is_followed_by_the_token_and_by_nothing_else():
    token, first, second, stranger = b"t" * TOKEN_BYTES, ("10.0.0.1", 1), ("10.0.0.1", 2), ("10.0.0.9", 9)
    media = Media()
    shared = SharedSocket(media, Answerer(token), first)
    shared.receive_datagram(b"frame", stranger, now=1.0)
    shared.receive_datagram(encode(Message(QUESTION, b"x" * TOKEN_BYTES, 1)), stranger, now=1.0)
    media.out = [(b"ack", first, 0)]
    assert list(shared.datagrams_to_send(now=1.0)) == [(b"ack", first, 0)]
    shared.receive_datagram(encode(Message(QUESTION, token, 2)), second, now=2.0)
    media.out = [(b"ack", first, 0)]
    sent = list(shared.datagrams_to_send(now=2.0))
    assert [peer for _, peer, _ in sent] == [second, second]
    shared.receive_datagram(b"frame", second, now=3.0)
    assert media.received == [(b"frame", first)]
    assert (shared.moves, shared.foreign) == (1, 1)
    assert sum(shared.sent_bytes.values()) == 2 * (3 + 28)
