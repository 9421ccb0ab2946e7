"""The pattern of temporal layers, and what refers to what."""

import pytest

from glassbench.transport.contract import Frame
from glassbench.transport.layers import MOST_LAYERS, RATE_SHARES, layer_of, needs, period, reference_distance, spacing

EVERY = range(1, MOST_LAYERS + 1)


def frame(place: int, layers: int, *, group: int = 0, track: int = 0) -> Frame:
    layer = layer_of(place, layers)
    return Frame(track, group, place, 1002.0, place == 0, layer, layer, None, b"")


def chain(place: int, layers: int) -> set[int]:
    """The places that one needs, by its reference, the reference of that, and so on."""
    needed = set()
    while place:
        place -= reference_distance(layer_of(place, layers), layers)
        needed.add(place)
    return needed


def test_the_patterns_are_those_of_libvpx():
    assert [[layer_of(place, layers) for place in range(8)] for layers in EVERY] == [
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 0, 1, 0, 1, 0, 1],
        [0, 2, 1, 2, 0, 2, 1, 2],
    ]


@pytest.mark.parametrize("layers", EVERY)
def test_a_frame_refers_to_the_newest_earlier_one_of_a_lower_layer_and_the_base_to_itself(layers):
    for place in range(1, 33):
        layer = layer_of(place, layers)
        lower = [each for each in range(place) if layer_of(each, layers) < max(1, layer)]
        assert place - reference_distance(layer, layers) == lower[-1]


@pytest.mark.parametrize("layers", EVERY)
def test_a_frame_needs_what_its_chain_of_references_passes(layers):
    for place in range(1, 17):
        needed = {each for each in range(17) if needs(frame(place, layers), frame(each, layers), layers)}
        assert chain(place, layers) <= needed
        assert needed - chain(place, layers) <= {each for each in range(place) if layer_of(each, layers) == 0}


def test_frames_of_other_groups_and_tracks_are_not_needed():
    assert not needs(frame(5, 3, group=1), frame(4, 3), 3)
    assert not needs(frame(5, 3, track=1), frame(4, 3), 3)


@pytest.mark.parametrize("layers", EVERY)
def test_layers_share_the_rate_and_the_frames(layers):
    assert sum(RATE_SHARES[layers]) == pytest.approx(1)
    assert len(RATE_SHARES[layers]) == layers
    pattern = [layer_of(place, layers) for place in range(period(layers))]
    assert [pattern.count(layer) * spacing(layer, layers) for layer in range(layers)] == [period(layers)] * layers
