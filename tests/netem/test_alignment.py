"""Alignment of two clocks: what its bound promises, and what strangers cannot do. No clock is read."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.netem.element import Element
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.duplication import Duplication
from glassbench.netem.elements.random_delay import RandomDelay
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.elements.reordering import Reordering
from glassbench.netem.endpoint import Endpoint
from glassbench.netem.live.alignment import MAX_DRIFT, TOLERANCE, Alignment, Exchange, align
from glassbench.netem.live.alignment_messages import (
    ANSWER,
    BURST,
    MAX_STAMP,
    MAX_WINDOWS,
    MESSAGE_BYTES,
    QUESTION,
    TIMEOUT,
    Answerer,
    Asker,
    Message,
    decode,
    encode,
    is_alignment,
)
from glassbench.netem.packet import Address
from glassbench.netem.path import Path
from glassbench.netem.simulator import START_AT, Simulator

A, B = ("10.0.0.1", 1), ("10.0.0.2", 2)
TOKEN, OTHER = b"0123456789abcdef", b"0123456789abcdeF"
RUNS = 1000

Way = Callable[[], list[float]]  # the delays at which copies of a packet arrive; none if it is lost
Clock = Callable[[float], float]


def line_clock(offset: float, drift: float) -> Clock:
    return lambda at: at + offset + drift * (at - START_AT)


def constant(delay: float) -> Way:
    return lambda: [delay]


def run(asker: Asker, answerer: Answerer, clock: Clock, there: Way, back: Way, *, finish_at: float) -> float:
    """Both ends over two ways, until the asker is done; when that was by its clock."""
    order = itertools.count()
    arrivals: list[tuple[float, int, bytes, bool]] = []
    now, finished = START_AT, False
    while not asker.done:
        timer = asker.get_timer()
        due_at = min(
            float("inf") if timer is None else timer,
            arrivals[0][0] if arrivals else float("inf"),
            float("inf") if finished else finish_at,
        )
        now = max(now, due_at)
        if not finished and finish_at <= now:
            asker.finish(now=now)
            finished = True
        elif arrivals and arrivals[0][0] <= now:
            _, _, data, is_question = heappop(arrivals)
            if is_question:
                answerer.receive_datagram(data, A, now=clock(now))
                for answer, _, _ in answerer.datagrams_to_send(now=clock(now)):
                    for delay in back():
                        heappush(arrivals, (now + delay, next(order), answer, False))
            else:
                asker.receive_datagram(data, B, now=now)
        else:
            asker.handle_timer(now=now)
        for question, _, _ in asker.datagrams_to_send(now=now):
            for delay in there():
                heappush(arrivals, (now + delay, next(order), question, True))
    return now


def aligned(clock: Clock, there: Way, back: Way, *, duration: float) -> tuple[Alignment, Asker]:
    asker = Asker(TOKEN, B, start_at=START_AT)
    run(asker, Answerer(TOKEN), clock, there, back, finish_at=START_AT + duration)
    return align(asker.exchanges), asker


def lossy_way(rng: np.random.Generator) -> Way:
    """A random way with a random base delay, exponential jitter that reorders, loss and duplication."""
    base, jitter = 10 ** rng.uniform(-4, -1), 10 ** rng.uniform(-5, -1.3)
    loss, duplication = rng.uniform(0, 0.3), rng.uniform(0, 0.2)

    def way() -> list[float]:
        copies = 0 if rng.random() < loss else 1 + (rng.random() < duplication)
        return [base + jitter * rng.exponential() for _ in range(copies)]

    return way


@pytest.mark.parametrize("offset", [0.0, 12.5, -1e6])
@pytest.mark.parametrize("duration", [0.5, 30.0])
def test_symmetric_constant_delays_give_the_clock_back_exactly(offset: float, duration: float) -> None:
    alignment, asker = aligned(line_clock(offset, 0.0), constant(0.025), constant(0.025), duration=duration)
    assert alignment.linear
    assert alignment.drift == pytest.approx(0.0, abs=1e-8)
    for at in np.linspace(START_AT, START_AT + duration, 20).tolist():
        assert alignment.to_remote(at) - at == pytest.approx(offset, abs=2e-9)
    assert asker.malformed == asker.strangers == asker.unmatched == asker.impossible == 0


@pytest.mark.parametrize("drift", [-100e-6, 37e-6, 450e-6])
def test_drift_is_recovered_exactly_as_well(drift: float) -> None:
    clock = line_clock(-321.0, drift)
    alignment, _ = aligned(clock, constant(0.01), constant(0.01), duration=20.0)
    assert alignment.drift == pytest.approx(drift, abs=1e-9)
    for at in np.linspace(START_AT, START_AT + 20, 20).tolist():
        assert alignment.to_remote(at) == pytest.approx(clock(at), abs=1e-8)


@pytest.mark.parametrize("there, back", [(0.025, 0.025), (0.001, 0.049), (0.05, 0.0)])
def test_with_constant_delays_the_bound_is_half_the_round_trip_however_asymmetric(there: float, back: float) -> None:
    clock = line_clock(99.0, 20e-6)
    alignment, _ = aligned(clock, constant(there), constant(back), duration=30.0)
    during = (START_AT + 0.06, START_AT + 30)
    assert (there + back) / 2 <= alignment.bound(*during) <= (there + back) / 2 * 1.01 + 2 * TOLERANCE
    for at in during:
        assert abs(alignment.to_remote(at) - clock(at)) <= alignment.bound(at)
        assert abs(alignment.to_remote(at) - clock(at)) == pytest.approx(abs(there - back) / 2, abs=0.001)


@pytest.mark.long
def test_the_bound_holds_the_true_error_in_every_seeded_run() -> None:
    ratios, line = [], "{:28} median {:.3f}, 99 % {:.3f}, largest {:.3f} (seed {})"
    widths: list[float] = []
    for seed in range(RUNS):
        rng = np.random.default_rng(seed)
        clock = line_clock(rng.uniform(-1e6, 1e6), rng.uniform(-100e-6, 100e-6))
        duration = rng.uniform(0.3, 12.0)
        alignment, asker = aligned(clock, lossy_way(rng), lossy_way(rng), duration=duration)
        assert alignment.linear, f"seed {seed}: {alignment}"
        end = START_AT + duration
        worst = 0.0
        for at in [*np.linspace(START_AT - 5, end + 5, 12).tolist(), *np.linspace(START_AT, end, 12).tolist()]:
            error, bound = abs(alignment.to_remote(at) - clock(at)), alignment.bound(at)
            assert error <= bound, f"seed {seed}: at {at} the error is {error}, the bound {bound}"
            assert error <= alignment.wander_bound(at), f"seed {seed}: at {at}"
            local = alignment.to_local(clock(at))
            assert abs(local - at) <= alignment.bound(local) / (1 - MAX_DRIFT), f"seed {seed}: back from {at}"
            if START_AT <= at <= end:
                worst = max(worst, error)
                assert bound <= alignment.bound(START_AT, end) * (1 + 1e-12)
        ratios.append(worst / alignment.bound(START_AT, end))
        widths.append(alignment.bound(START_AT, end) / (min(each.round_trip for each in asker.exchanges) / 2))
    assert max(ratios) > 0.9, "the bound is far too wide"
    for name, values in (("true error / bound:", ratios), ("bound / half round trip:", widths)):
        figures = (np.median(values), np.percentile(values, 99), max(values), int(np.argmax(values)))
        print(f"{RUNS} runs, {line.format(name, *figures)}")


def test_the_estimate_is_itself_possible_and_halves_what_is_possible() -> None:
    rng = np.random.default_rng(5)
    clock = line_clock(7.0, 50e-6)
    alignment, asker = aligned(clock, lossy_way(rng), lossy_way(rng), duration=10.0)
    assert abs(alignment.drift) <= MAX_DRIFT
    for each in asker.exchanges:
        assert alignment.to_remote(each.t1) <= each.t2 + alignment.tolerance + 1e-9
        assert alignment.to_remote(each.t4) >= each.t3 - alignment.tolerance - 1e-9


def test_the_bound_grows_outside_of_the_exchanged_interval() -> None:
    alignment, _ = aligned(line_clock(3.0, 10e-6), constant(0.02), constant(0.01), duration=10.0)
    for sign, edge in ((1, START_AT + 10), (-1, START_AT)):
        bounds = [alignment.bound(edge + sign * beyond) for beyond in (0.5, 5, 50, 500, 5000)]
        assert bounds == sorted(bounds) and bounds[-1] > 10 * bounds[0]
        assert alignment.bound(*sorted((edge, edge + sign * 500))) == bounds[3]


def test_one_exchange_bounds_the_offset_by_half_its_round_trip_and_then_by_the_largest_drift() -> None:
    alignment = align([Exchange(1000.0, 50.03, 50.03, 1000.04)])
    assert alignment.to_remote(1000.02) == pytest.approx(50.03, abs=1e-9)
    assert alignment.bound(1000.02) == pytest.approx(0.02, rel=0.01)
    assert alignment.bound(2000.02) == pytest.approx(0.02 + MAX_DRIFT * 1000, rel=0.02)


def test_an_exchange_without_any_delay_is_exact() -> None:
    alignment = align([Exchange(5.0, 8.0, 8.0, 5.0)])
    assert alignment.to_remote(5.0) == pytest.approx(8.0, abs=1e-9)
    assert alignment.bound(5.0) == pytest.approx(2 * TOLERANCE, rel=0.01)


def test_a_clock_whose_drift_wanders_is_noticed_and_the_bound_still_holds() -> None:
    def clock(at: float) -> float:
        return at + 40.0 + 2e-3 * float(np.sin((at - START_AT) / 10))  # its drift changes within 200 ppm

    alignment, _ = aligned(clock, constant(0.0006), constant(0.0001), duration=60.0)
    assert not alignment.linear and alignment.misfit > 1e-3
    instants = np.linspace(START_AT - 5, START_AT + 65, 2000).tolist()
    for at in instants:
        assert abs(alignment.to_remote(at) - clock(at)) <= alignment.bound(at)
    during = [alignment.bound(at) for at in instants if START_AT <= at <= START_AT + 60]
    assert max(during) <= alignment.bound(START_AT, START_AT + 60) <= max(during) + 1e-4


def test_wander_within_the_stated_tolerance_is_covered_by_the_bound_of_lines() -> None:
    def clock(at: float) -> float:
        return at + 40.0 + 0.5e-3 * float(np.sin((at - START_AT) / 5))

    asker = Asker(TOKEN, B, start_at=START_AT)
    run(asker, Answerer(TOKEN), clock, constant(0.0), constant(0.0003), finish_at=START_AT + 60)
    alignment = align(asker.exchanges, tolerance=0.5e-3)
    assert alignment.linear
    for at in np.linspace(START_AT, START_AT + 60, 1000).tolist():
        assert abs(alignment.to_remote(at) - clock(at)) <= alignment.bound(at)


def test_a_clock_that_steps_is_refused() -> None:
    alignment_of = [Exchange(at, at + (5.0 if at < 1010 else 6.0), at + (5.0 if at < 1010 else 6.0), at + 0.01)
                    for at in np.arange(1000.0, 1020.0).tolist()]  # fmt: skip
    with pytest.raises(ValueError, match=r"contradiction .* never step"):
        align(alignment_of)


def test_no_exchange_and_bad_tolerances_are_refused_in_one_sentence() -> None:
    with pytest.raises(ValueError, match="exchanges: found none"):
        align([])
    with pytest.raises(ValueError, match="tolerance: found 0"):
        align([Exchange(0, 0, 0, 0)], tolerance=0)
    with pytest.raises(ValueError, match="token: found 3 bytes"):
        Asker(b"abc", B, start_at=0)


@given(
    st.lists(
        st.tuples(st.floats(0, 1e4), st.sampled_from([0.0, 1e-9, 1e-4, 0.3]), st.sampled_from([0.0, 1e-7, 1e-2, 2.0])),
        min_size=1,
        max_size=30,
    ),
    st.floats(-1e6, 1e6),
    st.floats(-MAX_DRIFT, MAX_DRIFT),
)
@settings(max_examples=300)
def test_any_exchanges_of_a_linear_clock_are_bounded(
    delays: list[tuple[float, float, float]], offset: float, drift: float
) -> None:
    clock = line_clock(offset, drift)
    exchanges = [
        Exchange(
            START_AT + at, clock(START_AT + at + there), clock(START_AT + at + there), START_AT + at + there + back
        )
        for at, there, back in delays
    ]
    alignment = align(exchanges)
    assert alignment.linear
    assert abs(alignment.drift) <= MAX_DRIFT * (1 + 1e-9)
    for at in (START_AT - 100, START_AT, exchanges[0].t1, exchanges[-1].t4, START_AT + 2e4):
        assert abs(alignment.to_remote(at) - clock(at)) <= min(alignment.bound(at), alignment.wander_bound(at))


@given(st.binary(max_size=2 * MESSAGE_BYTES) | st.binary(min_size=MESSAGE_BYTES, max_size=MESSAGE_BYTES))
@settings(max_examples=500)
def test_no_bytes_make_the_parser_or_an_end_raise(data: bytes) -> None:
    prefixed = encode(Message(ANSWER, TOKEN, 1))[: 6 + len(data) % 40] + data
    asker, answerer = Asker(TOKEN, B, start_at=START_AT), Answerer(TOKEN)
    asker.handle_timer(now=START_AT)
    asker.datagrams_to_send(now=START_AT)
    for each in (data, prefixed, prefixed[:MESSAGE_BYTES]):
        for kind in (QUESTION, ANSWER):
            message = decode(each, kind)
            assert message is None or (len(each) == MESSAGE_BYTES and message.t2 <= message.t3 <= MAX_STAMP)
        asker.receive_datagram(each, A, now=START_AT + 1)
        answerer.receive_datagram(each, A, now=START_AT + 1)
    dropped = asker.malformed + asker.strangers + asker.unmatched + asker.impossible
    assert dropped + len(asker.exchanges) == 3
    assert answerer.malformed + answerer.strangers + len(answerer.datagrams_to_send(now=START_AT + 1)) == 3


@given(
    st.sampled_from([QUESTION, ANSWER]),
    st.binary(min_size=16, max_size=16),
    st.integers(0, 2**64 - 1),
    st.floats(-MAX_STAMP, MAX_STAMP),
    st.floats(-MAX_STAMP, MAX_STAMP),
)
def test_messages_come_back_as_they_were(kind: int, token: bytes, nonce: int, t2: float, t3: float) -> None:
    message = Message(kind, token, nonce, min(t2, t3), max(t2, t3))
    data = encode(message)
    assert is_alignment(data)
    assert decode(data, kind) == message
    assert decode(data, QUESTION + ANSWER - kind) is None


@pytest.mark.parametrize("stamps", [(float("nan"), 1.0), (0.0, float("inf")), (0.0, 1e300), (2.0, 1.0)])
def test_stamps_that_no_clock_shows_are_malformed(stamps: tuple[float, float]) -> None:
    assert decode(encode(Message(ANSWER, TOKEN, 1, *stamps)), ANSWER) is None


def asked(asker: Asker, now: float) -> Message:
    asker.handle_timer(now=now)
    ((data, _, _),) = asker.datagrams_to_send(now=now)
    message = decode(data, QUESTION)
    assert message is not None
    return message


def test_strangers_without_the_token_change_nothing() -> None:
    asker, answerer = Asker(TOKEN, B, start_at=START_AT), Answerer(TOKEN)
    nonce = asked(asker, START_AT).nonce
    before = asker.get_timer()
    for number in range(1000):
        asker.receive_datagram(encode(Message(ANSWER, OTHER, nonce, 5.0, 5.0)), B, now=START_AT + 0.01)
        answerer.receive_datagram(encode(Message(QUESTION, OTHER, number)), A, now=START_AT)
    assert (asker.strangers, answerer.strangers) == (1000, 1000)
    assert (asker.exchanges, answerer.datagrams_to_send(now=START_AT), asker.get_timer()) == ((), [], before)
    asker.receive_datagram(encode(Message(ANSWER, TOKEN, nonce, 5.0, 5.0)), B, now=START_AT + 0.02)
    assert asker.exchanges == (Exchange(START_AT, 5.0, 5.0, START_AT + 0.02),)


def test_an_answer_counts_once_and_only_to_a_question_that_was_asked() -> None:
    asker = Asker(TOKEN, B, start_at=START_AT)
    answer = encode(Message(ANSWER, TOKEN, asked(asker, START_AT).nonce, 5.0, 5.0))
    asker.receive_datagram(encode(Message(ANSWER, TOKEN, 2**40, 5.0, 5.0)), B, now=START_AT + 0.01)
    for _ in range(3):
        asker.receive_datagram(answer, B, now=START_AT + 0.01)
    assert len(asker.exchanges) == 1 and asker.unmatched == 3


def test_an_answerer_that_claims_to_have_taken_longer_than_the_round_trip_is_not_believed() -> None:
    asker = Asker(TOKEN, B, start_at=START_AT)
    nonce = asked(asker, START_AT).nonce
    asker.receive_datagram(encode(Message(ANSWER, TOKEN, nonce, 5.0, 5.2)), B, now=START_AT + 0.1)
    assert (asker.exchanges, asker.impossible) == ((), 1)


def test_answers_are_as_long_as_questions_and_go_to_whom_asked() -> None:
    answerer = Answerer(TOKEN)
    question = encode(Message(QUESTION, TOKEN, 9))
    for _ in range(1000):
        answerer.receive_datagram(question, A, now=5.0)
    answers = answerer.datagrams_to_send(now=5.5)
    assert {(len(data), peer) for data, peer, _ in answers} == {(len(question), A)}
    assert decode(answers[0][0], ANSWER) == Message(ANSWER, TOKEN, 9, 5.0, 5.5)
    assert len(answers) + answerer.refused == 1000 and answerer.refused > 0
    assert answerer.datagrams_to_send(now=6.0) == []


def test_an_hour_takes_bounded_memory_and_is_still_aligned_from_its_start_to_its_end() -> None:
    rng = np.random.default_rng(11)
    clock = line_clock(1e5, -80e-6)
    most = 0

    def back() -> list[float]:
        nonlocal most
        most = max(most, len(asker._asked))
        return [] if rng.random() < 0.2 else [0.01 + 0.01 * rng.exponential()]

    asker = Asker(TOKEN, B, start_at=START_AT)
    run(asker, Answerer(TOKEN), clock, constant(0.02), back, finish_at=START_AT + 3600)
    assert asker._nonce > 15_000
    assert MAX_WINDOWS / 2 <= len(asker.exchanges) <= 3 * MAX_WINDOWS
    assert most < 100
    alignment = align(asker.exchanges)
    for at in np.linspace(START_AT, START_AT + 3600, 50).tolist():
        assert abs(alignment.to_remote(at) - clock(at)) <= alignment.bound(at)
    assert alignment.bound(START_AT, START_AT + 3600) < 0.017  # half of the smallest round trip is 15 ms


def test_the_memory_of_an_asker_without_answers_is_bounded_and_it_gets_done() -> None:
    asker = Asker(TOKEN, B, start_at=START_AT)
    end = run(asker, Answerer(OTHER), line_clock(0, 0), constant(0.01), constant(0.01), finish_at=START_AT + 60)
    assert asker.exchanges == () and asker._asked == {} and asker.get_timer() is None
    assert end == pytest.approx(START_AT + 60 + TIMEOUT, abs=0.5)


def test_questions_come_in_a_burst_then_seldom_then_in_a_burst() -> None:
    asker = Asker(TOKEN, B, start_at=START_AT)
    times = []
    for end in (START_AT + 10, START_AT + 99):
        while (timer := asker.get_timer()) is not None and timer < end:
            asker.handle_timer(now=timer)
            times += [timer for _ in asker.datagrams_to_send(now=timer)]
        asker.finish(now=START_AT + 10)
    gaps = np.diff(times)
    assert times[0] == START_AT and asker.done
    assert gaps[: BURST - 1] == pytest.approx(0.01) and gaps[-(BURST - 1) :] == pytest.approx(0.01)
    assert gaps[BURST - 1 : -BURST] == pytest.approx(0.2)


def test_a_late_wake_up_is_followed_by_one_question_and_not_by_a_flood() -> None:
    asker = Asker(TOKEN, B, start_at=START_AT)
    assert asked(asker, START_AT + 30).nonce == 1
    assert asker.get_timer() == START_AT + 30.01
    asker.handle_timer(now=START_AT + 30.005)
    assert asker.datagrams_to_send(now=START_AT + 30.005) == []


@dataclass
class OtherHost:
    """An endpoint that lives by a clock of its own."""

    endpoint: Endpoint
    clock: Clock
    received: list[bytes] = field(default_factory=list)

    def receive_datagram(self, data: bytes, peer: Address, ecn: int = 0, *, now: float) -> None:
        self.received.append(data)
        self.endpoint.receive_datagram(data, peer, ecn, now=self.clock(now))

    def datagrams_to_send(self, *, now: float) -> list[tuple[bytes, Address, int]]:
        return list(self.endpoint.datagrams_to_send(now=self.clock(now)))

    def get_timer(self) -> float | None:
        return None

    def handle_timer(self, *, now: float) -> None:
        self.endpoint.handle_timer(now=self.clock(now))


@pytest.mark.parametrize("timer_resolution", [0.0, 0.001])
def test_in_the_simulator_the_bound_holds_over_paths_with_loss_jitter_reordering_and_duplicates(
    timer_resolution: float,
) -> None:
    def way(delay: float, seed: int) -> list[Element]:
        dice = [np.random.default_rng([seed, number]) for number in range(4)]
        return [
            RandomLoss(0.1, dice[0]),
            RandomDelay("lognormal", 0.005, 0.01, dice[1], reorder=True),
            Reordering(0.1, dice[2], lateness=0.03),
            Duplication(0.1, dice[3]),
            Delay(delay),
        ]

    clock = line_clock(-54321.0, 42e-6)
    asker, answerer = Asker(TOKEN, B, start_at=START_AT + 1), Answerer(TOKEN)
    other = OtherHost(answerer, clock)
    simulator = Simulator(timer_resolution=timer_resolution)
    simulator.add_node("asker", A, asker)
    simulator.add_node("answerer", B, other)
    simulator.add_route(A, B, [simulator.add_link(Path(way(0.01, 1)))])
    simulator.add_route(B, A, [simulator.add_link(Path(way(0.03, 2)))])
    simulator.run(until=START_AT + 20)
    asker.finish(now=simulator.now)
    simulator.settle("asker")
    simulator.run(until=START_AT + 20 + TIMEOUT + 1)
    assert asker.done and asker.unmatched > 0
    alignment = align(asker.exchanges)
    assert alignment.linear
    for at in np.linspace(START_AT, START_AT + 20, 50).tolist():
        assert abs(alignment.to_remote(at) - clock(at)) <= alignment.bound(at)
    assert alignment.bound(START_AT + 1, START_AT + 20) < 0.026
    assert alignment.drift == pytest.approx(42e-6, abs=400e-6)
