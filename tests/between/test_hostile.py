"""Hostile peers against both ends of `glass send | receive`: no end dies or grows, and others are served.

benchmarks/hostile_peers.py has the random messages, and sends 200,000 of them to each end.
"""

import importlib.util
import multiprocessing
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.ends import Ends
from glassbench.experiments.worlds.hosts.asked import ask_for
from glassbench.experiments.worlds.hosts.control import Control, ControlError
from glassbench.experiments.worlds.hosts.door import MAX_STRANGERS, PATIENCE
from glassbench.experiments.worlds.hosts.messages import VERSION, Answer, Hello, Start, Started
from glassbench.experiments.worlds.hosts.sending import run_arm as run_arm_between
from glassbench.experiments.worlds.hosts.serving import _limit_memory
from glassbench.netem.live.alignment_messages import ANSWER, QUESTION, Message, decode, encode
from glassbench.netem.simulator import START_AT

SEED = 20
MESSAGES = 500  # to each end, before and after admission
SERVED = 10.0  # seconds; benchmarks/hostile_peers.py asks for 2, on a machine of its own

_file = Path(__file__).parents[2] / "benchmarks" / "hostile_peers.py"
_spec = importlib.util.spec_from_file_location("hostile_peers", _file)
assert _spec is not None and _spec.loader is not None
hostile = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One receiver for all tests. It is never started anew, so each test sees what the others left."""
    with hostile.attacked_receiver(tmp_path_factory.mktemp("attacked")) as receiver:
        yield receiver
        assert receiver.process.poll() is None


@pytest.mark.parametrize("attack", [hostile.strangers, hostile.admitted])
def test_random_messages_end_no_receiver_and_keep_nobody_waiting(attack: Callable[..., None], attacked: Any) -> None:
    attack(attacked, 40, SEED + 1)  # what is loaded once is loaded
    before = hostile.memory(attacked.process.pid)
    with attacked.watched():
        assert attack(attacked, MESSAGES, SEED) != 0, "no arm got datagrams"
    assert attacked.process.poll() is None
    assert attacked.waits and max(attacked.waits) < SERVED
    assert hostile.memory(attacked.process.pid) - before < 8000


def test_random_answers_end_a_sender_in_a_sentence() -> None:
    assert hostile.refusing_receiver(MESSAGES, SEED) < SERVED


def test_random_reports_and_datagrams_end_a_sender_in_a_sentence() -> None:
    before = hostile.memory("self")
    assert hostile.admitting_receiver(MESSAGES, SEED) > 0, "no arm got datagrams"
    assert hostile.memory("self") - before < hostile.MOST_GROWTH


def test_a_receiver_that_answers_byte_by_byte_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glassbench.experiments.worlds.hosts.sending.PATIENCE", 1.0)
    over = threading.Event()

    def drip(control: Control, _: socket.socket) -> None:
        control._connection.send(struct.pack("!I", 10_000))
        while not over.wait(0.1):
            control._connection.send(b" ")

    plan = hostile.plan_of("udp")
    with hostile.service(drip) as remote:
        begun = time.monotonic()
        with pytest.raises(ControlError, match="says no whole message"):
            run_arm_between(plan, plan.arms[0], remote)
        assert time.monotonic() - begun < SERVED
        over.set()


def test_slow_and_silent_strangers_keep_nobody_waiting_and_are_sent_away(attacked: Any) -> None:
    silent = [socket.create_connection(("127.0.0.1", attacked.remote.port), 10) for _ in range(9)]
    slow = attacked.connect()
    over = threading.Event()

    def drip() -> None:
        try:
            slow.sendall(struct.pack("!I", 60_000))
            while not over.wait(0.2):
                slow.sendall(b" ")
        except OSError:
            over.set()

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        begun = time.monotonic()
        control, answer = attacked.ask({})
        control.close()
        assert answer.error is not None and time.monotonic() - begun < SERVED
        assert over.wait(PATIENCE + SERVED), "who is slow is never sent away"
        for each in silent:
            assert each.recv(1) == b""
    finally:
        over.set()
        dripping.join()
        slow.close()
        for each in silent:
            each.close()


def test_of_too_many_strangers_the_first_go(attacked: Any) -> None:
    crowd = [socket.create_connection(("127.0.0.1", attacked.remote.port), 10) for _ in range(MAX_STRANGERS + 10)]
    try:
        begun = time.monotonic()
        assert crowd[0].recv(1) == b""
        assert time.monotonic() - begun < PATIENCE - 1
    finally:
        for each in crowd:
            each.close()


@pytest.mark.parametrize("start", [9e8, -9e8, 60.0])
def test_a_session_that_does_not_begin_soon_is_refused(start: float, attacked: Any) -> None:
    with Admitted(attacked, hostile.ends_of("udp")) as sender:
        sender.control.send(Start(start=sender.now - START_AT + start), 5)
        with pytest.raises(ControlError):
            sender.control.receive(Started, SERVED)


def test_who_comes_during_an_arm_is_told_so_at_once(attacked: Any) -> None:
    with Admitted(attacked, hostile.ends_of("udp")):
        begun = time.monotonic()
        control, answer = attacked.ask(ask_for(hostile.ends_of("udp")))
        control.close()
        assert answer.error is not None and "busy" in answer.error
        assert time.monotonic() - begun < SERVED


def test_a_media_port_that_is_taken_is_said_to_the_sender(attacked: Any) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        until = time.monotonic() + SERVED
        while True:
            try:
                other.bind(("127.0.0.1", attacked.remote.port))
                break
            except OSError:  # the arm before is ending
                assert time.monotonic() < until
                time.sleep(0.02)
        control, answer = attacked.ask(ask_for(hostile.ends_of("udp")))
        control.close()
    assert answer.error == f"it has no UDP port {attacked.remote.port} for media: Address already in use"


def test_an_arm_whose_process_is_killed_is_the_only_one_that_ends(attacked: Any) -> None:
    with Admitted(attacked, hostile.ends_of("udp")):
        children = Path(f"/proc/{attacked.process.pid}/task/{attacked.process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGSEGV)
    with Admitted(attacked, hostile.ends_of("udp")) as next_one:
        next_one.begin()


def test_an_arm_that_fills_its_memory_is_ended_and_nothing_else(make_receiver: Any) -> None:
    receiver = make_receiver("127.0.0.1:0", "--max-memory", "12MB")
    attacked = hostile.Attacked(receiver.process, receiver.port, receiver.key)
    content = {"name": "large", "duration": "60s", "arms": ["udp"], "playout": "fixed:10s", "network": {}}
    plan = build({**content, "video": {"source": "lognormal", "bitrate": "1Mbit/s"}})
    large = Ends(plan.media(plan.arms[0]))
    with Admitted(attacked, large) as sender:
        sender.begin()
        for sequence in range(1500):
            for data in hostile.datagrams(large, sequence, 60_000, START_AT + 1000):  # not to be shown for long
                sender.media.sendto(data, sender.there)
            time.sleep(0.005)
            if "--max-memory" in receiver.log():
                break
        deadline = time.monotonic() + SERVED
        while "--max-memory" not in receiver.log() and time.monotonic() < deadline:
            time.sleep(0.1)
    assert "it needs more than the 12 MB of --max-memory" in receiver.log()
    with Admitted(attacked, hostile.ends_of("udp")) as next_one:
        next_one.begin()


def test_memory_has_a_limit_that_counts_from_what_is_there() -> None:
    def fill(answers: Any) -> None:
        _limit_memory(30_000_000)
        small = bytearray(10_000_000)
        try:
            bytearray(40_000_000)
        except MemoryError:
            answers.put(len(small))

    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()
    process = fork.Process(target=fill, args=(answers,))
    process.start()
    process.join(30)
    assert process.exitcode == 0 and answers.get() == 10_000_000


class Admitted:
    """A sender with the key, whose clock is aligned."""

    def __init__(self, attacked: Any, ends: Ends) -> None:
        until = time.monotonic() + SERVED
        while True:
            self.control = Control(attacked.connect())
            self.control.send(Hello(version=VERSION, token=attacked.token, flow=ask_for(ends)), 5)
            answer = self.control.receive(Answer, SERVED)
            if answer.alignment is not None:
                break
            assert "busy" in str(answer.error) and time.monotonic() < until, answer.error
        self.there = ("127.0.0.1", attacked.remote.port)
        self.media = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.media.settimeout(SERVED)
        self.media.sendto(encode(Message(QUESTION, bytes.fromhex(answer.alignment), 1)), self.there)
        aligned = decode(self.media.recv(100), ANSWER)
        assert aligned is not None
        self.now = aligned.t3

    def begin(self) -> None:
        self.control.send(Start(start=self.now - START_AT), 5)
        self.control.receive(Started, SERVED)

    def __enter__(self) -> "Admitted":
        return self

    def __exit__(self, *_: object) -> None:
        self.control.close()
        self.media.close()
