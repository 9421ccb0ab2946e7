"""udp: what is lost stays lost, exactly that, and is told in time."""

import numpy as np
import pytest

from glassbench.experiments.worlds.testing.session import VIDEO
from glassbench.netem.elements.delay import Delay
from glassbench.netem.medium import LossyMedium
from glassbench.transport.contract import Frame, FrameDropped, FrameLost, FrameReceived, TransportConfig
from glassbench.transport.framing import keyframe_request, parse_fragment, split_frame
from glassbench.transport.udp import UdpReceiver, UdpSender

ENDS = (("10.0.0.1", 1), ("10.0.0.2", 2))


class TappedLoss(LossyMedium):
    """Loses packets at random and remembers the frames that they belonged to."""

    def __init__(self, probability, seed):
        super().__init__()
        self._probability = probability
        self._rng = np.random.default_rng(seed)
        self.hit = set()

    def loses(self, packet):
        lost = self._rng.random() < self._probability
        if lost:
            header = parse_fragment(packet.data)[0]
            self.hit.add((header.track, header.sequence))
        return bool(lost)


@pytest.mark.parametrize("probability", [0.0, 0.01, 0.1, 0.3])
@pytest.mark.parametrize("delta_bytes", [1000, 4000, 15_000])
def test_exactly_the_frames_with_a_lost_fragment_are_lost(make_session, probability, delta_bytes):
    loss = TappedLoss(probability, seed=delta_bytes)
    session = make_session("udp", forward=[loss, Delay(0.02)])
    session.run(until=session.offer_video(120, delta_bytes=delta_bytes) + 1.0)
    assert session.received().keys() == session.offered.keys() - loss.hit
    told = {(event.track, event.sequence) for event in session.receiver.of(FrameLost)}
    # Nothing follows the last frames, so a loss at the very end cannot be noticed.
    newest = max(session.received())
    assert told - loss.hit == set()
    assert {key for key in loss.hit if key < newest} <= told


@pytest.mark.parametrize("reorder_window", [0.0, 0.005, 0.05])
def test_a_loss_is_told_one_reorder_window_after_the_next_frame_began(make_session, reorder_window):
    session = make_session("udp", options={"reorder_window": reorder_window}, forward=[LoseFrame(5), Delay(0.02)])
    session.run(until=session.offer_video(10) + 1.0)
    (lost,) = session.receiver.of(FrameLost)
    assert lost.sequence == 5
    assert lost.at == pytest.approx(session.offered[1, 6].captured_at + 0.02 + reorder_window, abs=1e-9)


class LoseFrame(LossyMedium):
    """Loses all packets of one frame."""

    def __init__(self, sequence):
        super().__init__()
        self._sequence = sequence

    def loses(self, packet):
        return parse_fragment(packet.data)[0].sequence == self._sequence


def frame(sequence, payload=b"x" * 3000, expires_at=None):
    return Frame(1, 0, sequence, 1002.0, True, 0, 1, expires_at, payload)


def make_receiver(**options):
    return UdpReceiver(TransportConfig(*reversed(ENDS), seed=1, tracks=(VIDEO,), options=options))


def events(end):
    return list(iter(end.next_event, None))


def test_an_overtaken_frame_that_completes_within_the_window_is_delivered(make_session):
    receiver = make_receiver(reorder_window=0.02)
    early, late = split_frame(frame(0), 1400), split_frame(frame(1), 1400)
    for at, fragment in [(1.0, early[0]), (1.0, late[0]), (1.015, early[1]), (1.019, early[2])]:
        receiver.receive_datagram(fragment, ENDS[0], now=at)
    (received,) = events(receiver)
    assert received.frame.sequence == 0
    assert (received.first_arrival_at, received.complete_at, received.at) == (1.0, 1.019, 1.019)
    assert receiver.get_timer() is None


def test_a_frame_given_up_stays_lost(make_session):
    receiver = make_receiver()
    for fragment in split_frame(frame(1), 1400):
        receiver.receive_datagram(fragment, ENDS[0], now=1.0)
    receiver.handle_timer(now=receiver.get_timer())
    for fragment in split_frame(frame(0), 1400):
        receiver.receive_datagram(fragment, ENDS[0], now=1.1)
    kinds = [(type(event), getattr(event, "sequence", None)) for event in events(receiver)]
    assert kinds == [(FrameReceived, None), (FrameLost, 0)]


def test_one_absurd_sequence_number_is_not_believed_and_two_in_a_row_are(make_session):
    receiver = make_receiver()
    receiver.receive_datagram(split_frame(frame(4_000_000_000, b"x"), 1400)[0], ENDS[0], now=1.0)
    receiver.receive_datagram(split_frame(frame(0, b"x"), 1400)[0], ENDS[0], now=1.0)
    assert [event.frame.sequence for event in events(receiver)] == [0]
    for sequence in (10_000, 10_001):
        receiver.receive_datagram(split_frame(frame(sequence, b"x"), 1400)[0], ENDS[0], now=2.0)
    receiver.handle_timer(now=3.0)
    told = events(receiver)
    assert [event.frame.sequence for event in told if isinstance(event, FrameReceived)] == [10_001]
    lost = [event.sequence for event in told if isinstance(event, FrameLost)]
    assert lost == sorted(set(lost))
    assert len(lost) <= 3000


def test_frames_beyond_the_queue_or_past_their_deadline_are_dropped_with_the_reason(make_session):
    sender = UdpSender(TransportConfig(*ENDS, seed=1, tracks=(VIDEO,)))
    sender.send_frame(frame(0, expires_at=1.0), now=1.0)
    sender.send_frame(frame(1, b"x" * (8 * 2**20 + 1)), now=1.0)
    for sequence in range(2, 40):
        sender.send_frame(frame(sequence, b"x" * 2**20), now=1.0)
    dropped = [event for event in events(sender) if isinstance(event, FrameDropped)]
    assert [(event.sequence, event.reason) for event in dropped[:2]] == [(0, "expired"), (1, "dropped")]
    assert {event.sequence for event in dropped[2:]} == set(range(18, 40))
    assert len(sender.datagrams_to_send(now=1.0)) == 16 * len(split_frame(frame(0, b"x" * 2**20), 1452))


def test_a_request_is_heard_from_the_peer_alone_and_ten_times_a_second_at_most(make_session):
    session = make_session("udp")
    session.run(until=1002.0)
    sender = session.sender.transport
    for stranger in (("10.9.9.9", 5000), ("10.0.0.2", 5001)):
        sender.receive_datagram(keyframe_request(1), stranger, now=1002.0)
    assert sender.next_event() is None and sender.stats()["foreign"] == 2
    for index in range(100):
        sender.receive_datagram(keyframe_request(1), ("10.0.0.2", 5000), now=1002.0 + index * 0.013)
    heard = [event.at for event in iter(sender.next_event, None)]
    assert heard == pytest.approx([1002.0 + n * 0.104 for n in range(13)])


def test_fragments_are_taken_from_the_peers_host_alone(make_session):
    session = make_session("udp")
    session.run(until=1002.0)
    receiver = session.receiver.transport
    for sequence, source in enumerate([("10.9.9.9", 5000), ("10.0.0.1", 40_000)]):  # a NAT may move a port
        for fragment in split_frame(frame(sequence), 1400):
            receiver.receive_datagram(fragment, source, now=1002.0)
    assert [e.frame.sequence for e in iter(receiver.next_event, None) if isinstance(e, FrameReceived)] == [1]
    assert receiver.stats()["foreign"] == 3
