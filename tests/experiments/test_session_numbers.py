"""How a connection began and ended, counted on the wire."""

from dataclasses import replace
from typing import Any

import pytest

from glassbench.experiments.account.connection import Connection
from glassbench.experiments.account.reports import EndReport, LinkReport
from glassbench.experiments.account.session_numbers import SESSION_NUMBERS, session_numbers
from glassbench.experiments.scenario import build
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.netem.link_log import FIRST, LAST, Passage, Passages

SCENARIO = build(
    {
        "name": "test",
        "duration": "1s",
        "connect": "with-media",
        "arms": ["udp"],
        "video": {"source": "lognormal"},
        "network": {"delay": "10ms"},
    }
)
ENDED = 5.0
WAY = 0.01  # seconds


def link(direction: Any, sent: list[float], *, lost: tuple[int, ...] = ()) -> LinkReport:
    """One direction, over which packets of 100 bytes are WAY under way. Instants are after the first capture."""
    entered = [Passage(MEDIA_START + at, number, 100, False) for number, at in enumerate(sent)]
    left = [each._replace(at=each.at + WAY, delivered=True) for each in entered if each.number not in lost]
    passages = sorted([*entered, *left])
    kept = Passages(tuple(passages[:FIRST]), tuple(passages[-LAST:]))
    return LinkReport(direction, [], passages={"media": kept}, until_closed=True)


def numbers(*links: LinkReport, connected_at: float | None, whole: bool = True) -> dict[str, Any]:
    sender = EndReport("sender", MEDIA_START + ENDED, Connection(connected_at), {})
    receiver = EndReport("receiver", MEDIA_START + ENDED + 0.002, Connection(connected_at), {})
    flow, route = SCENARIO.media(SCENARIO.arms[0]), SCENARIO.routes()[0]
    return session_numbers(flow, route, {"sender": sender, "receiver": receiver}, links, whole=whole)


def round_trips(down: list[float], up: list[float], *, until: float, lost: tuple[int, ...] = ()) -> float | None:
    answer: float | None = numbers(link("down", down, lost=lost), link("up", up), connected_at=until)[
        "connect_round_trips"
    ]
    return answer


@pytest.mark.parametrize(
    ("down", "up", "until", "expected"),
    [
        ([0.0, 0.02], [0.01, 0.03], 0.04, 2),  # asked and answered twice
        ([0.0, 0.02], [0.01, 0.03], 0.02, 1),  # the second time media pass already
        ([0.01], [0.0, 0.02], 0.03, 1.5),  # the receiver calls
        ([0.0, 0.001, 0.002], [0.01, 0.011, 0.012], 0.05, 1),  # several packets are one flight
        ([0.0, 0.25], [0.26], 0.27, 1),  # what is said again after a wait of its own makes no round trip
        ([0.0], [], 0.0, 0),
    ],
)
def test_round_trips_are_chains_of_packets_that_answer_each_other(
    down: list[float], up: list[float], until: float, expected: float
) -> None:
    assert round_trips(down, up, until=until) == expected


def test_what_is_lost_answers_nothing() -> None:
    assert round_trips([0.0, 0.2], [0.21], until=0.22, lost=(0,)) == 1
    assert round_trips([0.0], [0.05], until=0.06, lost=(0,)) == 0.5  # the other end spoke by itself


def test_what_was_not_kept_or_takes_no_time_is_not_counted() -> None:
    many = [0.0001 * number for number in range(FIRST)]
    assert round_trips(many, [], until=1.0) is None
    at_once = Passages((Passage(MEDIA_START, 0, 100, True), Passage(MEDIA_START + 0.0, 0, 100, False)), ())
    nothing = link("up", [])
    assert (
        numbers(LinkReport("down", [], passages={"media": at_once}), nothing, connected_at=0.1)["connect_round_trips"]
        is None
    )


def test_closing_is_what_comes_to_the_network_after_the_first_end_closed() -> None:
    # Of what was under way before, nothing counts, although it arrives after that.
    took = numbers(link("down", [4.995, 5.0, 5.01]), link("up", [4.999, 5.03]), connected_at=0.0)
    assert (took["close_packets"], took["close_bytes"]) == (3, 300)
    assert took["close_ms"] == pytest.approx(40)
    lost = numbers(link("down", [5.02], lost=(0,)), link("up", []), connected_at=0.0)
    assert (lost["close_packets"], lost["close_ms"]) == (1, pytest.approx(20))


def test_what_nobody_saw_is_empty() -> None:
    unseen = dict.fromkeys(SESSION_NUMBERS)
    bare = [LinkReport("down", []), LinkReport("up", [])]
    assert numbers(*bare, connected_at=0.06) == {**unseen, "connect_ms": pytest.approx(60)}
    failed = numbers(link("down", [5.0]), link("up", []), connected_at=0.06, whole=False)
    assert failed["close_packets"] is None
    too_short = [replace(link("down", [5.0]), until_closed=False), link("up", [])]
    assert numbers(*too_short, connected_at=0.06)["close_packets"] is None
    flood = [5.0 + 0.0001 * number for number in range(LAST)]
    assert numbers(link("down", flood), link("up", []), connected_at=0.0)["close_packets"] is None
