from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.receiver.jitter_buffer import JitterBuffer
from glassbench.receiver.playout import FixedPlayout, ImmediatePlayout
from glassbench.transport.contract import Frame, FrameReceived
from glassbench.transport.layers import layer_of, reference_distance

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


def layered(**options):
    """A buffer with three layers that has shown frame 0, and waits for frame 1."""
    buffer = make(layers=3, **options)
    insert(buffer, 0, 1002.0)
    pop_all(buffer, 1002.3)
    return buffer


def test_a_missing_frame_of_a_higher_layer_is_not_waited_for_by_what_does_not_need_it():
    buffer = layered()
    insert(buffer, 2, 1002.1)
    assert pop_all(buffer, 1002.1) == [(2, True)]
    assert insert(buffer, 1, 1002.1) is False
    insert(buffer, 4, 1002.2)
    assert pop_all(buffer, 1002.2) == [(4, True)]
    assert not buffer.needs_keyframe


def test_what_refers_to_a_missing_frame_waits_for_it_until_a_later_frame_can_be_shown():
    buffer = layered()
    insert(buffer, 1, 1002.1)
    insert(buffer, 3, 1002.1)
    assert pop_all(buffer, 1002.1) == [(1, True)]
    insert(buffer, 4, 1002.2)
    assert pop_all(buffer, 1002.2) == [(3, False), (4, True)]
    assert not buffer.needs_keyframe


def test_a_missing_reference_that_comes_in_time_is_shown_with_what_waited_for_it():
    buffer = layered()
    insert(buffer, 1, 1002.1)
    insert(buffer, 3, 1002.1)
    pop_all(buffer, 1002.1)
    insert(buffer, 2, 1002.15)
    assert pop_all(buffer, 1002.15) == [(2, True), (3, True)]


def test_a_lost_frame_of_a_higher_layer_takes_with_it_what_refers_to_it_and_nothing_else():
    buffer = layered()
    buffer.lost(1)
    buffer.lost(2)
    for sequence in (3, 4, 5):
        insert(buffer, sequence, 1002.2)
    assert pop_all(buffer, 1002.2) == [(3, False), (4, True), (5, True)]
    assert not buffer.needs_keyframe


def test_a_lost_base_frame_asks_for_a_keyframe_before_anything_later_is_here():
    buffer = layered()
    for sequence in (1, 2, 3):
        insert(buffer, sequence, 1002.2)
    buffer.lost(4)
    assert pop_all(buffer, 1002.2) == [(1, True), (2, True), (3, True)]
    assert buffer.needs_keyframe
    insert(buffer, 8, 1002.3)
    assert pop_all(buffer, 1002.4) == []
    insert(buffer, 9, 1002.4, keyframe=True)
    assert pop_all(buffer, 1002.4) == [(8, False), (9, True)]
    assert not buffer.needs_keyframe


def test_with_a_playout_target_a_missing_frame_of_a_higher_layer_has_until_the_next_one_is_due():
    buffer = layered(playout=FixedPlayout(0.2))
    insert(buffer, 2, 1002.21)
    assert pop_all(buffer, 1002.21) == []
    assert abs(buffer.get_timer() - (1002 + 2 * INTERVAL + 0.2)) < 1e-9
    insert(buffer, 1, 1002.25)
    assert pop_all(buffer, 1002.25) == [(1, True)]
    assert pop_all(buffer, 1002.3) == [(2, True)]


def test_the_deadline_of_a_missing_frame_of_a_higher_layer_asks_for_nothing():
    buffer = layered(deadline=0.3)
    insert(buffer, 1, 1002.1)
    insert(buffer, 3, 1002.1)
    pop_all(buffer, 1002.1)
    assert pop_all(buffer, buffer.get_timer()) == [(3, False)]
    assert not buffer.needs_keyframe
    assert buffer.get_timer() is None


def test_the_pattern_begins_anew_at_a_keyframe_and_a_keyframe_does_not_wait_for_higher_layers():
    buffer = layered()
    insert(buffer, 2, 1002.1, keyframe=True)
    assert pop_all(buffer, 1002.1) == [(2, True)]
    insert(buffer, 4, 1002.2)
    insert(buffer, 6, 1002.2)
    assert pop_all(buffer, 1002.2) == [(4, True), (6, True)]


def test_a_keyframe_waits_for_a_base_frame_that_may_still_come():
    buffer = layered()
    insert(buffer, 6, 1002.1, keyframe=True)
    assert pop_all(buffer, 1002.1) == []


def test_a_group_whose_keyframe_is_missing_is_undecodable_and_asks_for_one():
    buffer = layered()
    buffer.lost(1)
    other = Frame(0, 1, 2, 1002.08, False, 1, 1, None, b"")
    buffer.insert(FrameReceived(other, 1002.1, 1002.1, 1002.1))
    assert pop_all(buffer, 1002.1) == [(2, False)]
    assert buffer.needs_keyframe


def test_with_layers_a_jump_of_billions_of_sequences_costs_nothing():
    buffer = layered(deadline=0.1)
    insert(buffer, 4_000_000_000, 1002.1)
    assert pop_all(buffer, 1e12) == [(4_000_000_000, False)]
    assert buffer.needs_keyframe


STEPS = st.lists(
    st.tuples(st.sampled_from(["frame", "frame", "keyframe", "lost", "wait"]), st.integers(0, 25)), max_size=80
)


@given(STEPS, st.sampled_from([None, 0.1, 1.0]), st.booleans(), st.integers(1, 3))
@settings(max_examples=200)
def test_whatever_comes_frames_leave_once_in_order_and_decodable_ones_have_their_reference(
    steps, deadline, fixed, layers
):
    buffer = make(deadline=deadline, playout=FixedPlayout(0.2) if fixed else None, layers=layers)
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
    start = 0
    for sequence in shown:
        if sequence in keyframes:
            start = sequence
        else:
            assert sequence - reference_distance(layer_of(sequence - start, layers), layers) in shown
