"""The queue of frames that wait to be sent."""

from transport.contract import Frame
from transport.quic.queue import FrameQueue


def frame(sequence: int, *, group: int = 0, track: int = 0, layer: int = 0) -> Frame:
    return Frame(track, group, sequence, 1000.0, False, layer, layer, None, b"x" * 100)


def test_frames_that_need_a_dropped_one_leave_the_queue_with_it() -> None:
    queue = FrameQueue(10_000)
    kept = [frame(7, track=1), frame(4), frame(8, group=1)]
    needy = [frame(6), frame(7)]
    for each in (*kept, *needy):
        queue.push(each)
    assert queue.drop_dependents(frame(5)) == needy
    assert queue.bytes == 300
    assert sorted(queue.pop().sequence for _ in range(len(queue))) == [4, 7, 8]


def test_a_lower_layer_does_not_need_a_higher_one() -> None:
    queue = FrameQueue(10_000)
    queue.push(frame(6, layer=0))
    queue.push(frame(7, layer=1))
    assert [each.sequence for each in queue.drop_dependents(frame(5, layer=1))] == [7]
