"""The table of worlds: what a run is told of each, and by which name."""

import json

import pytest

from glassbench.experiments.worlds.table import WORLDS, OtherHost, named, world_of

OF_THIS_MACHINE = [name for name in WORLDS if name != OtherHost.name]


@pytest.mark.parametrize("name", OF_THIS_MACHINE)
def test_a_world_of_this_machine_is_made_by_its_name_and_again_from_what_it_dumps(name: str) -> None:
    world = named(name)
    assert world.name == name
    assert world_of(json.loads(json.dumps(world.dump()))) == world


def test_no_two_worlds_are_called_alike_in_titles() -> None:
    assert len({named(name).words for name in OF_THIS_MACHINE}) == len(OF_THIS_MACHINE)


def test_an_unknown_world_and_one_that_needs_another_host_are_answered_with_the_names() -> None:
    for name in ("netn", OtherHost.name):
        with pytest.raises(ValueError, match=f"unknown world '{name}'.*; accepted: {', '.join(OF_THIS_MACHINE)}"):
            named(name)
