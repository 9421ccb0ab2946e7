"""Which renditions there are, and which of them a viewer gets."""

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
    assert Choice(LADDER).look(rate_bps, now=0.0) == place


def test_up_one_at_a_time_after_there_was_room_for_some_seconds() -> None:
    choice = Choice(LADDER)
    assert choice.look(0.1e6, now=0.0) == 2
    places = [choice.look(9e6, now=second / 10) for second in range(1, 100)]
    assert places[0] == 2 and places[-1] == 0
    assert [places.count(place) for place in (2, 1)] == [30, 31]


def test_room_that_comes_and_goes_brings_nobody_up() -> None:
    choice = Choice(LADDER)
    choice.look(0.1e6, now=0.0)
    assert {choice.look(9e6 if second % 2 else 0.5e6, now=float(second)) for second in range(1, 60)} == {2}


def test_what_a_page_asks_for_holds_whatever_the_network_carries() -> None:
    choice = Choice(LADDER)
    choice.fixed = 2
    assert choice.look(float("inf"), now=0.0) == 2
    choice.fixed = None
    assert choice.look(0.5e6, now=1.0) == 2
