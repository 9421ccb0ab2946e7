"""The queue of frames that wait to be sent."""

from glassbench.transport.contract import Frame
from glassbench.transport.frame_queue import FrameQueue
from glassbench.transport.layers import layer_of


def frame(sequence: int, *, group: int = 0, track: int = 0, layer: int = 0, keyframe: bool = False) -> Frame:
    return Frame(track, group, sequence, 1000.0, keyframe, layer, layer, None, b"x" * 100)


def queue_of(*frames: Frame) -> FrameQueue:
    queue = FrameQueue(10_000)
    for each in frames:
        queue.push(each)
    return queue


def left_in(queue: FrameQueue) -> list[int]:
    return sorted(queue.pop().sequence for _ in range(len(queue)))


def test_frames_that_need_a_dropped_one_leave_the_queue_with_it() -> None:
    queue = queue_of(frame(7, track=1), frame(4), frame(6), frame(7), frame(8, group=1, keyframe=True))
    assert [each.sequence for each in queue.skip_after(frame(5), layers=1)] == [6, 7]
    assert queue.bytes == 300
    assert left_in(queue) == [4, 7, 8]


def test_after_a_drop_the_queue_goes_on_from_the_newest_keyframe() -> None:
    queue = queue_of(
        frame(6),
        frame(7, group=1, keyframe=True),
        frame(8, group=1),
        frame(9, group=2, keyframe=True),
        frame(10, group=2),
    )
    assert [each.sequence for each in queue.skip_after(frame(5), layers=1)] == [6, 7, 8]
    assert left_in(queue) == [9, 10]


def layered(*sequences: int) -> FrameQueue:
    """Frames of one group with three layers, whose keyframe is frame 0."""
    return queue_of(*(frame(each, layer=layer_of(each, 3), keyframe=each == 0) for each in sequences))


def test_what_needs_a_dropped_frame_of_a_higher_layer_leaves_the_queue_and_nothing_else_does() -> None:
    queue = layered(3, 4, 5, 6, 7)
    assert [each.sequence for each in queue.skip_after(frame(2, layer=1), layers=3)] == [3]
    assert [each.sequence for each in queue.skip_after(frame(1, layer=2), layers=3)] == []
    assert left_in(queue) == [4, 5, 6, 7]


def test_nothing_of_its_group_can_do_without_a_base_frame() -> None:
    queue = layered(3, 5, 6, 7, 8)
    assert sorted(each.sequence for each in queue.skip_after(frame(4), layers=3)) == [5, 6, 7, 8]
    assert left_in(queue) == [3]


def test_a_full_queue_drops_the_highest_layer_first_and_of_it_the_newest() -> None:
    queue = FrameQueue(500)
    dropped = [victim.sequence for each in range(8) for victim in queue.push(frame(each, layer=layer_of(each, 3)))]
    assert dropped == [5, 3, 7]
    assert [queue.pop().sequence for _ in range(len(queue))] == [0, 4, 2, 6, 1]


def test_a_frame_that_leaves_takes_older_ones_of_higher_layers_out_of_the_queue() -> None:
    queue = layered(1, 2, 3, 4, 5)
    queue.push(frame(1, track=1, layer=2))
    base = queue.pop()
    assert sorted(each.sequence for each in queue.overtaken(base)) == [1, 2, 3]
    assert queue.bytes == 200
    assert left_in(queue) == [1, 5]


def test_frames_of_higher_layers_are_no_rivals_of_a_base_frame() -> None:
    queue = layered(5, 6, 7)
    assert not queue.has_rival(frame(4))
    assert queue.has_rival(frame(4, layer=2))
    queue.push(frame(1, track=1))
    assert queue.has_rival(frame(4))


def test_messages_are_not_overtaken() -> None:
    queue = queue_of(frame(1), frame(2))
    assert queue.overtaken(frame(3)) == []
