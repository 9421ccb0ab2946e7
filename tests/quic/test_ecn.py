"""Marks instead of drops: who sends, counts and believes them (RFC 9000 sections 13.4 and 19.3.2)."""

import pytest

from glassbench.netem.element import Counts, Element
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.queues.codel import CoDel
from glassbench.transport.quic.ecn import EcnCounts, EcnMarking

MEDIA_AT = 1002.0
NOT_ECT, ECT_1, ECT_0, CE = 0, 1, 2, 3
ARMS = ["quic-datagram", "quic-stream", "webtransport-datagram"]
CONTROLS = ["realtime", "reno", "cubic"]


class Remark(Element):
    """Changes the codepoint of each packet, and remembers which came; loses those for which it gives None."""

    shortest = 0.0

    def __init__(self, change):
        self.came = []
        self.gone = []
        self._change = change
        self._out = []
        self._counts = Counts()

    def push(self, packet):
        self._counts.pushed += 1
        self.came.append(packet.ecn)
        changed = self._change(packet.ecn)
        if changed is None:
            self._counts.lost += 1
        else:
            packet.ecn = changed
            self._out.append(packet)

    def pop(self, now):
        out, self._out = self._out, []
        self._counts.popped += len(out)
        return out

    def get_timer(self):
        return self._out[0].at if self._out else None

    def counts(self):
        return self._counts


def marked_call(call, arm="quic-datagram", change=lambda ecn: ecn, **options):
    remark = Remark(change)
    back = Remark(lambda ecn: ecn)
    session = call(
        arm,
        options={"ecn": True, **options},
        delay=0.02,
        forward=[remark, Delay(0.02)],
        backward=[back, Delay(0.02)],
    )
    return session, remark, back


@pytest.mark.parametrize("arm", ARMS)
def test_every_datagram_of_the_sender_supports_ecn_and_none_of_the_receiver(call, video, arm):
    session, remark, back = marked_call(call, arm)
    session.run(video(30, 8_000), until=MEDIA_AT + 2)
    assert set(remark.came) == {ECT_0}
    assert set(back.came) == {NOT_ECT}
    assert len(session.received()) == 30


def test_without_the_option_nothing_is_marked(call, video):
    session, remark, _ = marked_call(call, ecn=False)
    session.run(video(10, 8_000), until=MEDIA_AT + 2)
    assert set(remark.came) == {NOT_ECT}


def test_the_receiver_counts_each_packet_once_and_returns_the_counts(call, video):
    session, remark, _ = marked_call(call, change=lambda ecn: CE if len(remark.came) % 7 == 0 else ecn)
    session.run(video(60, 8_000), until=MEDIA_AT + 3)
    stack = session.receiver.transport._stack
    counts = stack._loss.spaces[-1].received_packets.counts
    assert counts.ce > 10
    assert counts.ect_1 == 0
    told = session.sender.transport.stats()["ce_packets"]
    assert told == pytest.approx(remark.came.count(ECT_0) / 7, abs=2)


def test_a_path_that_clears_the_marks_ends_the_marking(call, video):
    session, remark, _ = marked_call(call, change=lambda ecn: NOT_ECT)
    session.run(video(60, 8_000), until=MEDIA_AT + 3)
    assert remark.came[0] == ECT_0
    assert set(remark.came[20:]) == {NOT_ECT}
    assert len(session.received()) == 60


def test_a_path_that_loses_what_supports_ecn_ends_the_marking(call, video):
    session, _, _ = marked_call(call, change=lambda ecn: None if ecn else ecn, zero_rtt=True)
    session.run(video(60, 8_000), until=MEDIA_AT + 10)
    assert session.sender.transport._stack.codepoint == NOT_ECT


@pytest.mark.parametrize("control", CONTROLS)
def test_a_mark_is_congestion_once_a_round_trip(call, video, control):
    """Marks of every packet from some instant on: the window falls, and not to nothing at once."""
    marking = []
    session, _, _ = marked_call(call, change=lambda ecn: CE if marking else ecn, control=control, queue_bytes=10**7)
    session.make(video(200, 40_000, interval=0.02))
    session.simulator.run(until=MEDIA_AT + 1)
    allowance = session.sender.transport._stack.control.flight.allowance
    marking.append(True)
    session.simulator.run(until=MEDIA_AT + 1.11)
    once = session.sender.transport._stack.control.flight.allowance
    session.simulator.run(until=MEDIA_AT + 1.5)
    often = session.sender.transport._stack.control.flight.allowance
    assert 0.3 * allowance.window_bytes < once.window_bytes < 0.9 * allowance.window_bytes
    assert often.window_bytes < 0.5 * once.window_bytes
    assert not often.probe


@pytest.mark.sampled(3)
@pytest.mark.parametrize("control", CONTROLS)
def test_under_codel_marks_keep_the_queue_short_and_nothing_is_lost(call, video, control):
    def run(**options):
        codel = CoDel(limit_bytes=400_000, ecn=True)
        path = [FixedRate(10e6, codel), Delay(0.02)]
        session = call(
            "quic-datagram",
            options={"control": control, "queue_bytes": 10**7, **options},
            delay=0.02,
            forward=path,
        )
        session.run(video(125, 55_000, interval=0.04), until=MEDIA_AT + 5)
        delivered = sum(len(e.frame.payload) for e in session.received().values() if e.at > MEDIA_AT + 2)
        return codel, session.sender.transport.stats(), delivered * 8 / 3 / 10e6

    codel, stats, used = run(ecn=True)
    assert codel.marked > 5
    assert codel.dropped == 0
    assert stats["lost_packets"] == 0
    assert stats["ce_packets"] == pytest.approx(codel.marked, abs=3)
    assert used > 0.75
    codel, stats, _ = run()
    assert codel.marked == 0
    assert stats["lost_packets"] > 0


def test_honest_counts_say_how_many_marks_are_new_per_space():
    marking = EcnMarking()
    assert marking.acked("initial", 1, EcnCounts(1, 0, 0), sent=2) == 0
    assert marking.acked("data", 3, EcnCounts(2, 0, 1), sent=5) == 1
    assert marking.acked("data", 2, EcnCounts(2, 0, 3), sent=7) == 2
    assert marking.active


@pytest.mark.parametrize(
    "counts",
    [None, EcnCounts(1, 0, 0), EcnCounts(0, 2, 2), EcnCounts(2, 1, 0), EcnCounts(100, 0, 0)],
    ids=["none", "too few", "another mark", "one that was never sent", "more than was sent"],
)
def test_counts_that_cannot_be_end_the_marking(counts):
    marking = EcnMarking()
    assert marking.acked("data", 2, counts, sent=10) == 0
    assert not marking.active


def test_counts_that_shrink_end_the_marking():
    marking = EcnMarking()
    marking.acked("data", 5, EcnCounts(4, 0, 1), sent=10)
    assert marking.acked("data", 1, EcnCounts(6, 0, 0), sent=10) == 0
    assert not marking.active


def test_a_peer_that_answers_nothing_for_three_seconds_ends_the_marking():
    marking = EcnMarking()
    marking.sent(now=1000.0)
    marking.sent(now=1003.0)
    assert marking.active
    marking.sent(now=1003.1)
    assert not marking.active
