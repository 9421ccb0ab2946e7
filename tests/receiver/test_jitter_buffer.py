from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.receiver.jitter_buffer import JitterBuffer
from glassbench.receiver.playout import FixedPlayout, ImmediatePlayout
from glassbench.transport.contract import Frame, FrameReceived

INTERVAL = 0.04


def frame(sequence, *, keyframe=False):
    return Frame(0, 0, sequence, 1002 + sequence * INTERVAL, keyframe or sequence == 0, 0, 0, None, b"")


def insert(buffer, sequence, now, **kind):
    return buffer.insert(FrameReceived(frame(sequence, **kind), now, now, now))


def pop_all(buffer, now):
    popped = []
    while (released := buffer.pop(now=now)) is not None:
        popped.append((released.frame.sequence, released.decodable))
    return popped


def make(deadline=0.5, playout=None, **options):
    return JitterBuffer(playout or ImmediatePlayout(), lambda frame: 0.0, deadline=deadline, **options)


def test_frames_leave_in_order_as_soon_as_they_can():
    buffer = make()
    insert(buffer, 0, 1002.1)
    insert(buffer, 2, 1002.1)
    assert pop_all(buffer, 1002.1) == [(0, True)]
    insert(buffer, 1, 1002.2)
    assert pop_all(buffer, 1002.2) == [(1, True), (2, True)]
    assert buffer.get_timer() is None


def waiting_for_a_late_frame():
    """A buffer that waits for frame 2, whose deadline has passed, with frame 4 behind it."""
    buffer = make(deadline=0.3)
    for sequence in (0, 1, 4):
        insert(buffer, sequence, 1002.2)
    assert pop_all(buffer, 1002.2) == [(0, True), (1, True)]
    assert abs(buffer.get_timer() - (1002 + 2 * INTERVAL + 0.3)) < 1e-9
    assert pop_all(buffer, buffer.get_timer() - 1e-6) == []
    assert not buffer.needs_keyframe
    assert pop_all(buffer, buffer.get_timer()) == []
    return buffer


def test_at_the_deadline_of_a_missing_frame_a_keyframe_is_asked_for_once():
    buffer = waiting_for_a_late_frame()
    assert buffer.needs_keyframe
    assert buffer.get_timer() is None


def test_a_late_frame_does_not_break_the_chain():
    buffer = waiting_for_a_late_frame()
    insert(buffer, 3, 1002.5)
    assert pop_all(buffer, 1002.5) == []
    insert(buffer, 2, 1003.0)
    assert pop_all(buffer, 1003.0) == [(2, True), (3, True), (4, True)]
    assert not buffer.needs_keyframe


def test_a_complete_keyframe_does_not_wait_for_a_late_frame():
    buffer = waiting_for_a_late_frame()
    insert(buffer, 6, 1002.5, keyframe=True)
    assert pop_all(buffer, 1002.5) == [(4, False), (6, True)]
    assert not buffer.needs_keyframe
    assert insert(buffer, 2, 1002.6) is False


def test_a_first_frame_that_does_not_come_is_made_good_by_a_keyframe():
    buffer = make(deadline=0.3)
    insert(buffer, 1, 1002.1)
    assert pop_all(buffer, buffer.get_timer()) == []
    assert buffer.needs_keyframe
    insert(buffer, 3, 1002.5, keyframe=True)
    assert pop_all(buffer, 1002.5) == [(1, False), (3, True)]


def test_a_frame_reported_lost_is_not_waited_for():
    buffer = make()
    insert(buffer, 0, 1002.1)
    insert(buffer, 2, 1002.1)
    buffer.lost(1)
    assert pop_all(buffer, 1002.1) == [(0, True), (2, False)]
    assert buffer.needs_keyframe
    insert(buffer, 3, 1002.2, keyframe=True)
    assert pop_all(buffer, 1002.2) == [(3, True)]
    assert not buffer.needs_keyframe


def test_a_keyframe_is_jumped_to_once_the_chain_is_broken_but_not_before():
    buffer = make(deadline=0.3)
    insert(buffer, 0, 1002.1)
    pop_all(buffer, 1002.1)
    insert(buffer, 3, 1002.2)
    insert(buffer, 5, 1002.2, keyframe=True)
    assert pop_all(buffer, 1002.2) == []
    assert pop_all(buffer, buffer.get_timer()) == [(3, False), (5, True)]
    assert insert(buffer, 1, 1002.4) is False
    assert insert(buffer, 4, 1002.4) is False


def test_a_frame_behind_a_keyframe_on_its_way_is_kept():
    buffer = make()
    insert(buffer, 0, 1002.1)
    buffer.lost(1)
    pop_all(buffer, 1002.1)
    insert(buffer, 3, 1002.2)
    assert pop_all(buffer, 1002.2) == []
    insert(buffer, 2, 1002.3, keyframe=True)
    assert pop_all(buffer, 1002.3) == [(2, True), (3, True)]


def test_without_a_deadline_only_the_transport_gives_up_a_frame():
    buffer = make(deadline=None)
    insert(buffer, 0, 1002.1)
    insert(buffer, 2, 1002.1)
    assert pop_all(buffer, 2000.0) == [(0, True)]
    assert buffer.get_timer() is None
    buffer.lost(1)
    assert pop_all(buffer, 2000.0) == [(2, False)]


def test_after_a_decoder_error_nothing_is_decodable_until_a_keyframe():
    buffer = make()
    insert(buffer, 0, 1002.1)
    assert pop_all(buffer, 1002.1) == [(0, True)]
    buffer.break_chain()
    insert(buffer, 1, 1002.2)
    insert(buffer, 2, 1002.2, keyframe=True)
    assert pop_all(buffer, 1002.2) == [(1, False), (2, True)]


def test_playout_holds_the_head_and_undecodable_frames_do_not_wait_for_it():
    buffer = make(playout=FixedPlayout(0.2))
    insert(buffer, 0, 1002.1)
    assert pop_all(buffer, 1002.1) == []
    assert buffer.get_timer() == 1002.2
    assert pop_all(buffer, 1002.2) == [(0, True)]
    buffer.lost(1)
    insert(buffer, 2, 1002.21)
    assert pop_all(buffer, 1002.21) == [(2, False)]


def test_a_full_buffer_waits_no_longer():
    buffer = make(deadline=None, max_frames=10)
    insert(buffer, 0, 1002.1)
    pop_all(buffer, 1002.1)
    for sequence in range(2, 12):
        insert(buffer, sequence, 1002.2)
        assert pop_all(buffer, 1002.2) == []
    insert(buffer, 12, 1002.2)
    assert [sequence for sequence, _ in pop_all(buffer, 1002.2)] == list(range(2, 13))


def test_a_jump_of_billions_of_sequences_costs_nothing():
    buffer = make(deadline=0.1)
    insert(buffer, 0, 1002.1)
    pop_all(buffer, 1002.1)
    insert(buffer, 4_000_000_000, 1002.1)
    assert pop_all(buffer, 1e12) == []
    insert(buffer, 4_000_000_001, 1002.2, keyframe=True)
    assert pop_all(buffer, 1e12) == [(4_000_000_000, False), (4_000_000_001, True)]
    assert insert(buffer, 1, 1002.1) is False


STEPS = st.lists(
    st.tuples(st.sampled_from(["frame", "frame", "keyframe", "lost", "wait"]), st.integers(0, 25)), max_size=80
)


@given(STEPS, st.sampled_from([None, 0.1, 1.0]), st.booleans())
@settings(max_examples=200)
def test_whatever_comes_frames_leave_once_in_order_and_decodable_ones_have_their_reference(steps, deadline, fixed):
    buffer = make(deadline=deadline, playout=FixedPlayout(0.2) if fixed else None)
    now, taken, popped = 1002.0, set(), []
    keyframes = {0}
    for kind, number in steps:
        if kind == "wait":
            now += number / 50
        elif kind == "lost":
            buffer.lost(number)
        elif number not in taken:
            keyframes |= {number} if kind == "keyframe" else set()
            if insert(buffer, number, now, keyframe=kind == "keyframe"):
                taken.add(number)
        popped += pop_all(buffer, now)
        timer = buffer.get_timer()
        assert timer is None or timer > now
    sequences = [sequence for sequence, _ in popped]
    assert sequences == sorted(set(sequences))
    assert set(sequences) <= taken
    shown = [sequence for sequence, decodable in popped if decodable]
    for sequence in shown:
        assert sequence in keyframes or sequence - 1 in shown
