"""ARQ within the latency: how many rounds fit, what is left, and who gives up when."""

from collections import Counter, deque
from math import sqrt
from typing import Any

import numpy as np
import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.outage import Outage
from glassbench.transport.contract import Event, FrameDropped, FrameStarted
from glassbench.transport.srt import wire
from glassbench.transport.srt.bandwidth import Bandwidth
from glassbench.transport.srt.options import SrtOptions
from glassbench.transport.srt.receiving import CAPACITY, DiscrepancyError, ReceiveBuffer
from glassbench.transport.srt.sending import SendBuffer
from glassbench.transport.srt.timing import PeerClock, SharedRoundTrip

VIDEO = 1
_DEFAULTS = SrtOptions()
INTERVAL = 0.15  # between single-packet frames: longer than the latency, so that one loss is over before the next

CASES = [
    (8, 120),
    (16, 125),
    (30, 120),
    (36, 145),
    (50, 120),
    (100, 120),
    (100, 90),
    (30, 20),
    (4, 90),
]  # RTT, latency


def requests(call: Any, seq: int) -> list[float]:
    """When the receiver asked for the packet with this sequence number, counted from the first."""
    first = min(int.from_bytes(data[:4], "big") for _, data in call.sender.wire if not data[0] & 0x80)
    naks = [(at, data) for at, data in call.receiver.wire if data[:4].hex() == "80030000"]
    return [
        at
        for at, data in naks
        if any(one - first <= seq <= other - first for one, other in wire.parse_loss_list(data[wire.HEADER_BYTES :]))
    ]


def repairs_in_time(asked: list[float], rtt: float, due_at: float) -> int:
    """Retransmissions that arrive before the packet is skipped: a sender answers a request unless its last answer is
    less than a round trip old. (RTT variance is 0 here.)"""
    answered = -1.0
    in_time = 0
    for at in asked:
        if at - answered > rtt + 1e-9:
            answered = at
            in_time += at + rtt <= due_at + 1e-9
    return in_time


@pytest.mark.parametrize(("rtt_ms", "latency_ms"), CASES)
def test_a_packet_survives_as_many_losses_as_it_is_asked_for_in_time(
    make_call: Any, lossy: Any, rtt_ms: int, latency_ms: int
) -> None:
    """A gap is noticed when the next packet arrives, and skipped when that packet is due: `latency` later.

    Requests are repeated every RTT / 2, but at least 20 ms, and up to 10 ms later (`acknowledging.py`).
    """
    warm_up, spacing, most = 60, 4, 8  # frames: until the RTT variance is gone; between two losses; losses of a packet
    times_lost = {warm_up + spacing * lost: lost for lost in range(most)}
    call = make_call(
        there=[lossy(lambda seq, before: before < times_lost.get(seq, 0)), Delay(rtt_ms / 2e3)],
        back=[Delay(rtt_ms / 2e3)],
        latency_ms=latency_ms,
    )
    call.sender.wire.clear()
    call.receiver.wire.clear()
    call.run(1002.0)
    call.stream(warm_up + spacing * (most + 1), INTERVAL)
    call.run(call.now + 1.0)
    interval = max(rtt_ms / 2, 20) / 1e3
    resolution = call.simulator._resolution
    for seq, lost in times_lost.items():
        asked = requests(call, seq)
        noticed_at = call.submitted[VIDEO, seq + 1] + rtt_ms / 2e3
        assert ((VIDEO, seq) in call.received()) is (
            lost <= repairs_in_time(asked, rtt_ms / 1e3, noticed_at + latency_ms / 1e3)
        )
        if lost:
            assert asked[0] == pytest.approx(noticed_at, abs=1e-9)
            apart = np.diff(asked)
            assert all(apart[1:] > interval - 1e-6) and all(apart > interval - 0.01 - 1e-6)
            assert all(apart < interval + 0.01 + resolution + 1e-6)
    assert call.lost() == [(VIDEO, seq) for seq in times_lost if (VIDEO, seq) not in call.received()]
    assert (latency_ms < rtt_ms) is (len(call.lost()) == most - 1)


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("rtt_ms", "latency_ms"), [(30, 120), (100, 120), (100, 90)])
@pytest.mark.parametrize("loss", [0.1, 0.5])
def test_the_residual_loss_is_p_to_the_number_of_transmissions(
    make_call: Any, lossy: Any, rtt_ms: int, latency_ms: int, loss: float
) -> None:
    # Only every third frame may be lost. When two neighbours are, and the later one is repaired first, it is late
    # already and its delivery skips the earlier one: that costs another p^3 (1 - p) or so,
    # which is not counted here.
    rng = np.random.default_rng(rtt_ms)
    call = make_call(
        there=[lossy(lambda seq, before: seq > 60 and seq % 3 == 0 and rng.random() < loss), Delay(rtt_ms / 2e3)],
        back=[Delay(rtt_ms / 2e3)],
        latency_ms=latency_ms,
    )
    call.run(1002.0)
    count = 500
    call.stream(63 + 3 * count, INTERVAL)
    call.run(call.now + 1.0)
    # A round lasts a round trip at least, and until the next request at most.
    left, interval = latency_ms - rtt_ms, max(rtt_ms / 2, 20) + 10
    rounds = [0 if left < 0 else 1 + int(left / longest) for longest in (rtt_ms, rtt_ms + interval)]
    least, most = (loss ** (1 + number) for number in rounds)
    assert least - 4 * sqrt(least / count) <= len(call.lost()) / count <= most + 4 * sqrt(most / count)


def test_a_lost_nak_is_made_good_by_the_periodic_one(make_call: Any, lossy: Any) -> None:
    naks = Counter[str]()

    class LoseFirstNak(type(lossy(lambda *_: False))):  # type: ignore[misc]
        def loses(self, packet: Any) -> bool:
            if int.from_bytes(packet.data[:2], "big") & 0x7FFF != wire.NAK or not packet.data[0] & 0x80:
                return False
            naks["seen"] += 1
            return naks["seen"] == 2

    call = make_call(
        there=[lossy(lambda seq, before: seq in (30, 45) and before == 0), Delay(0.02)],
        back=[LoseFirstNak(lambda *_: False), Delay(0.02)],
        latency_ms=120,
    )
    call.run(1002.0)
    call.stream(60, INTERVAL)
    call.run(call.now + 1.0)
    # One NAK for packet 30. For packet 45 one that is lost, one that is answered, and one that crosses the answer.
    assert len(call.received()) == 60 and naks["seen"] == 1 + 3
    assert call.sender.transport.stats()["retransmissions"] == 2


def test_the_first_nak_of_a_connection_is_repeated_after_300_ms_only(make_call: Any, lossy: Any) -> None:
    call = make_call(there=[lossy(lambda seq, before: seq == 5 and before < 3), Delay(0.02)], latency_ms=1000)
    call.receiver.wire.clear()
    call.sender.wire.clear()
    call.run(1002.0)
    call.stream(20, INTERVAL)
    call.run(call.now + 1.0)
    asked = requests(call, 5)
    assert 0.29 <= asked[1] - asked[0] <= 0.311
    assert 0.02 <= asked[2] - asked[1] <= 0.071


def test_a_missing_fragment_costs_its_frame_and_no_other(make_call: Any, lossy: Any) -> None:
    # 5 packets a frame; packet 2 of frame 3, the last of frame 7, the first of frame 9, all of frames 12 to 14.
    gone = {17, 39, 45, *range(60, 75)}
    call = make_call(there=[lossy(lambda seq, before: seq in gone), Delay(0.02)])
    call.run(1002.0)
    call.stream(20, 1 / 30, 6000)
    call.run(1004.0)
    assert sorted(call.lost()) == [(VIDEO, n) for n in (3, 7, 9, 12, 13, 14)]
    assert set(call.received()) == {(VIDEO, n) for n in range(20)} - set(call.lost())
    assert call.receiver.transport.stats()["packets_skipped"] == len(gone)
    assert max(call.delays()) - min(call.delays()) < 0.001 + 2e-6


def test_an_outage_makes_both_ends_drop_and_leaves_the_delay_as_it_was(make_call: Any) -> None:
    call = make_call(there=[Outage([(3.0, 2.0)], epoch=1000.0), Delay(0.02)], latency_ms=200)
    call.sender.wire.clear()
    call.run(1002.0)
    call.stream(150, 1 / 30, 6000)
    call.run(1010.0)
    received = {sequence for _, sequence in call.received()}
    lost = [sequence for _, sequence in call.lost()]
    assert received | set(lost) == set(range(150)) and not received & set(lost)
    # The outage covers frames 30 to 89. The sender has the last 1.02 s of them when it is asked after one round trip;
    # what comes before frame 90 is due is delivered at once, late as it is: only what is still missing is skipped.
    resent_at = 1005.0 + 0.04
    assert lost == [n for n in range(30, 90) if 1002.0 + n / 30 + 1.02 < resent_at]
    late = [delay for delay in call.delays() if delay > 0.22 + 0.001 + 2e-6]
    assert len(late) == len([n for n in range(90) if 1002.0 + n / 30 + 1.02 > resent_at > 1002.0 + n / 30 + 0.18])
    assert max(late) == pytest.approx(resent_at + 0.02 - (1002.0 + (lost[-1] + 1) / 30), abs=0.002)
    assert len(call.delays()) - len(late) > 30
    sender, receiver = call.sender.transport.stats(), call.receiver.transport.stats()
    assert sender["packets_dropped_late"] > 0
    assert receiver["packets_skipped"] == 5 * len(lost)
    dropreqs = [data for _, data in call.sender.wire if data[:4].hex() == "80070000"]
    assert dropreqs  # the receiver asked for what was gone
    assert call.sender.of(FrameDropped) == []  # all of it had been sent once


def test_nothing_is_left_over_after_repair(make_call: Any, lossy: Any) -> None:
    rng = np.random.default_rng(5)
    call = make_call(there=[lossy(lambda seq, before: rng.random() < 0.1), Delay(0.02)], latency_ms=300)
    call.run(1002.0)
    call.stream(100, 1 / 30, 20_000)
    call.run(1012.0)
    send_buffer = call.sender.transport._connection._send_buffer
    assert not send_buffer._held and not send_buffer._waiting and not send_buffer._requested
    assert not send_buffer._resent_at
    assert send_buffer.next_at() == float("inf")


def make_send_buffer(
    events: deque[Event], *, window: int = 8192, latency: float = 0.12, options: SrtOptions = _DEFAULTS
) -> SendBuffer:
    return SendBuffer(
        peer=("10.0.0.2", 9000),
        peer_socket=1,
        first_sequence=0,
        window=window,
        latency=latency,
        drops_late=True,
        bandwidth=Bandwidth(options, max_payload_bytes=1),
        answers_all=options.retransmitalgo == 0,
        started_at=1000.0,
        round_trip=SharedRoundTrip(),
        events=events,
        stats=Counter(),
    )


@pytest.mark.parametrize(("latency", "lifetime"), [(0.12, 1.02), (1.0, 1.02), (2.5, 2.52)])
def test_frames_that_the_flow_window_held_back_expire(latency: float, lifetime: float) -> None:
    events: deque[Event] = deque()
    buffer = make_send_buffer(events, window=3, latency=latency)
    for sequence in range(3):
        buffer.put([b"a", b"b"], now=1000.0 + sequence / 10, track=1, sequence=sequence)
    assert len(buffer.take(now=1000.2)) == 3
    assert [type(e) for e in events if e.sequence == 1] == [FrameStarted]  # type: ignore[union-attr]
    assert buffer.next_at() == pytest.approx(1000.0 + lifetime)
    # The drop counts as acknowledgement, as in libsrt: the window moves on.
    assert [d.data[-1:] for d in buffer.take(now=1000.0 + lifetime + 1e-6)] == [b"b", b"a"]
    assert not [e for e in events if isinstance(e, FrameDropped)]
    buffer.take(now=1000.2 + lifetime + 1e-6)
    dropped = [(e.sequence, e.reason) for e in events if isinstance(e, FrameDropped)]
    assert dropped == [(2, "expired")]


def test_a_request_for_what_is_gone_is_answered_and_one_for_the_future_is_not() -> None:
    events: deque[Event] = deque()
    buffer = make_send_buffer(events)
    buffer.put([b"x"] * 10, now=1000.0)
    buffer.take(now=1000.0)
    assert buffer.acknowledge(4, 8192)
    assert buffer.request([(0, 5)]) == [(0, 3)]
    assert len(buffer.take(now=1000.5)) == 2
    assert buffer.request([(9, 20), (15, 15)]) == []
    assert [d.data[:4] for d in buffer.take(now=1000.55)] == [(9).to_bytes(4, "big")]
    assert not buffer.acknowledge(11, 8192)
    assert buffer.request([(2, 2)]) == [(2, 2)]
    assert buffer.take(now=1000.6) == []


def test_a_retransmission_is_not_repeated_within_a_round_trip() -> None:
    events: deque[Event] = deque()
    buffer = make_send_buffer(events)
    buffer._round_trip.take_over(0.04, 0.0)
    buffer.put([b"x"], now=1000.0)
    (first,) = buffer.take(now=1000.0)
    buffer.request([(0, 0)])
    (again,) = buffer.take(now=1000.05)
    assert again.data == wire.retransmission(first.data)
    for at, count in ((1000.06, 0), (1000.08, 0), (1000.0901, 1)):
        buffer.request([(0, 0)])
        assert len(buffer.take(now=at)) == count


def test_with_retransmitalgo_0_every_request_is_answered() -> None:
    events: deque[Event] = deque()
    buffer = make_send_buffer(events, options=SrtOptions(retransmitalgo=0))
    buffer._round_trip.take_over(0.04, 0.0)
    buffer.put([b"x"], now=1000.0)
    buffer.take(now=1000.0)
    for at in (1000.05, 1000.06, 1000.061):
        buffer.request([(0, 0)])
        assert len(buffer.take(now=at)) == 1


def test_what_is_new_leaves_before_what_is_asked_for() -> None:
    events: deque[Event] = deque()
    buffer = make_send_buffer(events, options=SrtOptions(maxbw=45_000))  # a packet of 45 bytes each millisecond
    buffer.put([b"a"] * 3, now=1000.0)
    for tick in range(4):
        buffer.take(now=1000.0 + tick / 1e3)
    buffer.request([(0, 2)])
    buffer.put([b"b"] * 3, now=1000.1)
    left = [datagram.data[-1:] for tick in range(8) for datagram in buffer.take(now=1000.1 + tick / 1e3)]
    assert left == [b"b"] * 3 + [b"a"] * 3


def make_receive_buffer(first: int = 0) -> tuple[ReceiveBuffer, Counter[str]]:
    stats = Counter[str]()
    return ReceiveBuffer(
        first_sequence=first, clock=PeerClock(0, 1000.0), latency=0.1, reordering=0, stats=stats
    ), stats


def test_a_drop_request_ends_the_asking_but_not_the_waiting() -> None:
    buffer, stats = make_receive_buffer()
    buffer.add(0, 0, b"0", now=1000.0)
    assert buffer.add(4, 10_000, b"4", now=1000.01) == [(1, 3)]
    buffer.give_up(1, 2)
    assert buffer.missing() == [(3, 3)] and buffer.position() == 3
    buffer.give_up(0, 9)  # more than was seen: nothing up to 9 will come
    assert buffer.missing() == [] and buffer.position() == 10
    assert buffer.add(2, 5_000, b"2", now=1000.02) == []  # it came after all
    assert [(skipped, m.payload) for skipped, m in buffer.take(now=1000.2)] == [(0, b"0"), (1, b"2"), (1, b"4")]
    assert buffer.add(3, 6_000, b"3", now=1000.3) == [] and stats["packets_belated"] == 1
    assert stats["packets_skipped"] == 2


def test_the_receive_buffer_is_bounded_and_a_jump_over_it_is_the_end() -> None:
    buffer, stats = make_receive_buffer(0x7FFF_FFF0)
    buffer.add(0x7FFF_FFF0, 0, b"", now=1000.0)
    assert buffer.add(0x7FFF_FFF0 + CAPACITY & wire.SEQUENCE_MASK, 0, b"", now=1000.0) == []
    assert stats["dropped_full"] == 1 and buffer.free_packets() == CAPACITY - 1
    buffer.take(now=1001.0)
    with pytest.raises(DiscrepancyError):
        buffer.add(0x7FFF_FFF1 + CAPACITY & wire.SEQUENCE_MASK, 0, b"", now=1001.0)


def test_a_sender_that_lost_its_receivers_window_closes_with_a_sentence(make_call: Any) -> None:
    call = make_call(there=[Outage([(3.0, 4.0)], epoch=1000.0), Delay(0.02)], latency_ms=100)
    call.run(1002.0)
    call.stream(200, 1 / 30, 120_000)  # 86 packets a frame: 10,000 during the outage
    call.run(1010.0)
    end = call.closed("receiver")
    assert end is not None and end.error is not None and "ahead of a buffer of 8192" in end.error
    assert call.closed("sender").error is None  # it was told
    assert len(call.sender.of(FrameDropped)) + len(call.sender.of(FrameStarted)) == 200
