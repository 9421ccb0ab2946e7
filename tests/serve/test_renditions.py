"""Which renditions there are, and which of them a viewer gets."""

from itertools import pairwise

import pytest

from glassbench.experiments.serve.renditions import Choice, Rendition, renditions_of

LADDER = renditions_of(1280, 720, 3_000_000)


def test_each_rendition_has_half_the_side_and_a_third_of_the_rate() -> None:
    assert [
        Rendition(1280, 720, 3_000_000),
        Rendition(640, 360, 1_000_000),
        Rendition(320, 180, 333_333),
    ] == LADDER


def test_no_rendition_is_smaller_than_a_stamp_can_be_read() -> None:
    assert renditions_of(320, 180, 600_000) == [Rendition(320, 180, 600_000), Rendition(160, 90, 200_000)]
    assert len(renditions_of(160, 90, 300_000)) == 1


@pytest.mark.parametrize(
    ("rate_bps", "place"), [(float("inf"), 0), (3.6e6, 0), (3.5e6, 1), (1.1e6, 2), (1e3, 2), (0.0, 2)]
)
def test_down_at_once_to_the_best_that_fits(rate_bps: float, place: int) -> None:
    assert Choice(LADDER).look(rate_bps, 0, now=0.0) == place


def test_up_one_at_a_time_after_some_seconds_with_room() -> None:
    choice = Choice(LADDER)
    assert choice.look(0.1e6, 0, now=0.0) == 2
    places = [choice.look(9e6, 0, now=second / 10) for second in range(1, 100)]
    assert places[0] == 2 and places[-1] == 0
    assert [places.count(place) for place in (2, 1)] == [30, 50], "three seconds; then a trial of two, and three more"


def test_room_that_comes_and_goes_brings_nobody_up() -> None:
    choice = Choice(LADDER)
    choice.look(0.1e6, 0, now=0.0)
    assert {choice.look(9e6 if second % 2 else 0.2e6, 0, now=float(second)) for second in range(1, 60)} == {2}


def test_a_path_that_is_not_used_to_the_full_is_tried_and_one_that_is_full_ever_more_rarely() -> None:
    choice = Choice(LADDER)
    choice.look(0.1e6, 0, now=0.0)
    ups = []
    for tenth in range(1, 2000):
        before = choice.current
        carried = 0.45e6 if before == 2 else 0.8e6  # a controller believes in little more than it has seen
        if choice.look(carried, 0, now=tenth / 10) < before:
            ups.append(tenth / 10)
    waits = [round(later - earlier) for earlier, later in pairwise(ups)]
    assert waits[:4] == [8, 14, 26, 50]
    assert set(waits[4:]) <= {50}


def test_what_a_page_asks_for_holds_whatever_the_network_carries() -> None:
    choice = Choice(LADDER)
    choice.fixed = 2
    assert choice.look(float("inf"), 0, now=0.0) == 2
    choice.fixed = None
    assert choice.look(0.5e6, 0, now=1.0) == 2


def test_who_gives_frames_up_goes_down_whatever_the_controller_believes() -> None:
    choice = Choice(LADDER)
    assert choice.look(9e6, 0, now=0.0) == 0
    assert choice.look(9e6, 3, now=1.1) == 0
    assert choice.look(9e6, 10, now=2.2) == 1
    assert choice.look(9e6, 20, now=3.3) == 2
    assert choice.look(9e6, 30, now=4.4) == 2
