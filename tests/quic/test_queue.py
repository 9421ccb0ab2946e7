"""The queue of frames that wait to be sent."""

from glassbench.transport.contract import Frame
from glassbench.transport.frame_queue import FrameQueue


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
    assert [each.sequence for each in queue.skip_after(frame(5))] == [6, 7]
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
    assert [each.sequence for each in queue.skip_after(frame(5))] == [6, 7, 8]
    assert left_in(queue) == [9, 10]


def test_a_lower_layer_does_not_need_a_higher_one_and_is_not_skipped_for_it() -> None:
    queue = queue_of(frame(6), frame(7, layer=1), frame(8, group=1, keyframe=True))
    assert [each.sequence for each in queue.skip_after(frame(5, layer=1))] == [7]
    assert left_in(queue) == [6, 8]
