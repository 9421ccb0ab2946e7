"""Checks of mappings over drives on made-up delays: they hold where they should, and fail where they have to."""

from dataclasses import replace

import numpy as np
import pytest

from glassbench.experiments.catalog import EXPERIMENTS, stream_vs_datagram
from glassbench.experiments.catalog.stream_vs_datagram import DEADLINES, DRIVES, MAPPINGS, TRACES, Drives

FRAMES = 360


def drives(trace: str, deadline: str, mapping: str) -> Drives:
    """Drives differ by much. Mappings differ by chance of a millisecond, and one stream by 50 ms where there is a
    deadline."""
    chance = np.random.default_rng([TRACES.index(trace), DEADLINES.index(deadline), MAPPINGS.index(mapping)])
    later = 0.05 if mapping == "quic-stream" and deadline != "none" else 0.0
    delays = [np.full(FRAMES, 0.1 * drive + later + chance.normal(0, 1e-3)) for drive in DRIVES]
    return Drives(trace, deadline, mapping, delays, np.full(len(DRIVES), 2e-3 if mapping == "quic-stream" else 0.0))


@pytest.fixture
def table() -> list[Drives]:
    return [drives(trace, deadline, mapping) for trace in TRACES for deadline in DEADLINES for mapping in MAPPINGS]


def test_a_cell_for_each_mapping_and_drive_and_frames_are_kept() -> None:
    (plan,) = EXPERIMENTS["stream-vs-datagram-cellular-v1"].plans()
    assert len(plan.cells) == len(TRACES) * len(DEADLINES) * len(MAPPINGS) * len(DRIVES)
    assert plan.frames


def test_drives_as_they_should_be_hold(table) -> None:
    for check in (
        stream_vs_datagram._one_stream_holds_in_every_drive,
        stream_vs_datagram._without_a_deadline_no_difference,
        stream_vs_datagram._unreliable_is_sooner,
        stream_vs_datagram._the_link_decides,
    ):
        assert check(table).holds


@pytest.mark.parametrize(("mapping", "hold"), [("quic-stream", 0.0), ("quic-datagram", 1e-4)])
def test_one_drive_that_is_held_where_it_should_not_be_breaks_its_check(table, mapping: str, hold: float) -> None:
    index = next(i for i, d in enumerate(table) if d.mapping == mapping)
    held = table[index].hold.copy()
    held[3] = hold
    table[index] = replace(table[index], hold=held)
    assert not stream_vs_datagram._one_stream_holds_in_every_drive(table).holds


def test_a_difference_without_a_deadline_breaks_its_check(table) -> None:
    later = [replace(d, delays=[x + 0.005 for x in d.delays]) if d.mapping == "quic-stream" else d for d in table]
    check = stream_vs_datagram._without_a_deadline_no_difference(later)
    assert not check.holds
    assert "later: quic-stream" in check.measured


def test_no_difference_with_a_deadline_breaks_its_check(table) -> None:
    alike = [replace(d, delays=drives(d.trace, "none", d.mapping).delays) for d in table]
    check = stream_vs_datagram._unreliable_is_sooner(alike)
    assert not check.holds
    assert "not distinguishable" in check.measured


def test_mappings_that_differ_as_much_as_drives_break_their_check(table) -> None:
    spread = [replace(d, delays=[x * 2.0 ** MAPPINGS.index(d.mapping) for x in d.delays]) for d in table]
    assert not stream_vs_datagram._the_link_decides(spread).holds
