"""Text and verdict of a check come from the same numbers: a reader of the text comes to the same verdict."""

import json
import math
import re
from dataclasses import asdict, replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from glassbench.experiments.catalog.checks import (
    FRAMES,
    MS,
    PERCENT,
    RATIO,
    SECONDS,
    Judgement,
    bounded,
    check,
    order,
    value,
)

NEAR = st.floats(0.99, 1.01) | st.floats(1 - 1e-9, 1 + 1e-9) | st.just(1.0)
NUMBERS = st.floats(1e-3, 1e4)


def written(text: str) -> list[Decimal]:
    return [Decimal(number) for number in re.findall(r"-?\d+(?:\.\d+)?", text)]


@given(bound=NUMBERS, ratio=NEAR)
@example(bound=0.00796, ratio=1.0001)
def test_a_reader_of_a_bound_comes_to_the_same_verdict(bound: float, ratio: float) -> None:
    readers = {
        "at_most": lambda got, want: got <= want,
        "at_least": lambda got, want: got >= want,
        "below": lambda got, want: got < want,
        "above": lambda got, want: got > want,
    }
    for words, rule in readers.items():
        judgement = bounded(MS, bound * ratio, **{words: bound})
        (want,), (got,) = written(judgement.expected), written(judgement.measured)
        assert rule(got, want) == judgement.holds


@given(wanted=NUMBERS, ratio=NEAR, share=st.sampled_from([0.001, 0.01, 0.1]))
def test_a_reader_of_a_share_comes_to_the_same_verdict(wanted: float, ratio: float, share: float) -> None:
    judgement = value(MS, wanted * (1 + share * ratio), wanted, within=share)
    (want, percent), (got,) = written(judgement.expected), written(judgement.measured)
    assert (abs(got - want) <= want * percent / 100) == judgement.holds


@given(wanted=NUMBERS, ratio=NEAR, off=st.floats(1e-3, 10))
def test_a_reader_of_a_tolerance_comes_to_the_same_verdict(wanted: float, ratio: float, off: float) -> None:
    judgement = value(SECONDS, wanted - off * ratio, wanted, off=off)
    (want, tolerance), (got,) = written(judgement.expected), written(judgement.measured)
    assert (abs(got - want) <= tolerance) == judgement.holds


@given(low=NUMBERS, ratio=NEAR, times=st.sampled_from([1.0, 2.0, 10.0]))
def test_a_reader_of_an_order_comes_to_the_same_verdict(low: float, ratio: float, times: float) -> None:
    judgement = order(MS, {"a": low, "b": low * times * ratio}, times=times)
    a, b = written(judgement.measured)
    assert (Decimal(times) * a < b) == judgement.holds


def test_a_number_that_is_equal_to_its_bound_keeps_it_unless_it_has_to_be_beyond() -> None:
    assert bounded(MS, 0.1, at_most=0.1).holds and bounded(MS, 0.1, at_least=0.1).holds
    assert not bounded(MS, 0.1, below=0.1).holds and not bounded(MS, 0.1, above=0.1).holds
    assert not order(MS, {"a": 0.1, "b": 0.1}).holds and order(MS, {"a": 0.1, "b": 0.1}, or_equal=True).holds


def test_the_noise_of_floating_point_does_not_decide() -> None:
    assert 0.1 + 0.2 > 0.3
    assert bounded(MS, 0.1 + 0.2, at_most=0.3).holds
    assert value(MS, 0.1 + 0.2, 0.3).holds
    assert not bounded(MS, 0.1 + 0.2, above=0.3).holds
    assert value(MS, 0.045, 0.05, within=0.1).holds  # 45 ms, and 10 % of 50 is 5


def test_digits_are_three_until_they_would_contradict_the_verdict() -> None:
    assert bounded(MS, 0.0123456, at_most=0.02).measured == "12.3 ms"
    close = bounded(MS, 0.0200004, at_most=0.02)
    assert (close.measured, close.holds) == ("20.0004 ms", False)
    assert bounded(MS, 0.0199999, below=0.02).measured == "19.9999 ms"
    assert bounded(PERCENT, 0.9999, at_most=1).measured == "100 %"
    assert bounded(PERCENT, 0.9999, below=1).measured == "99.99 %"


def test_digits_show_what_the_tolerance_is_about() -> None:
    assert value(MS, 0.11331, 0.1133, off=1e-4).measured == "113.3 ms"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_finite_number_is_never_the_one_that_is_wanted(number: float) -> None:
    assert not value(MS, number, 1.0, off=1e9).holds
    assert not value(MS, 1.0, number, within=1.0).holds
    assert not value(MS, number, number).holds


def test_never_is_later_than_any_bound() -> None:
    assert not bounded(MS, math.inf, at_most=1e9).holds
    assert bounded(SECONDS, math.inf, above=5).holds
    assert bounded(SECONDS, math.inf, above=5).measured == "infinite s"
    assert order(MS, {"a": 1.0, "never": math.inf}).holds
    assert not order(MS, {"never": math.inf, "a": 1.0}).holds
    assert not order(MS, {"never": math.inf, "nor this": math.inf}, times=2).holds


def test_what_is_not_a_number_keeps_no_bound_and_has_no_place_in_an_order() -> None:
    for words in ("at_most", "at_least", "below", "above"):
        assert not bounded(MS, [1.0, math.nan], **{words: 1.0}).holds
    assert not order(MS, {"a": math.nan, "b": 1.0}, or_equal=True).holds
    assert not order(MS, {"a": 1.0, "b": math.nan}, or_equal=True).holds
    assert "not a number" in bounded(MS, math.nan, at_most=1).measured
    assert "not a number" in bounded(MS, [math.nan] + [1.0] * 20, at_most=1).measured


@pytest.mark.parametrize("nothing", [[], {}, np.array([])])
def test_no_numbers_are_no_proof(nothing) -> None:
    judgements = (bounded(MS, nothing, at_most=1), value(MS, nothing, 1.0), order(MS, {"a": nothing, "b": nothing}))
    assert not any(judgement.holds for judgement in judgements)
    assert bounded(MS, nothing, at_most=1).measured == "nothing"
    assert not check("claim", "source", "value").holds


def test_each_number_has_its_own_bound_or_all_have_one() -> None:
    assert bounded(MS, [1, 2, 3], at_most=[1, 2, 3]).holds
    assert not bounded(MS, [1, 2, 3], at_most=[1, 2, 2]).holds
    assert not bounded(MS, [1, 2, 3], at_most=2).holds
    with pytest.raises(ValueError):
        bounded(MS, [1, 2, 3], at_most=[1, 2])


def test_names_stand_beside_their_numbers() -> None:
    judgement = value(FRAMES, {"udp": 8, "srt": 0}, 0, of="lost")
    assert (judgement.expected, judgement.measured) == ("exactly 0 frames", "udp = 8, srt = 0 frames")


def test_of_many_numbers_the_ends_are_written_and_what_does_not_hold_by_name() -> None:
    judgement = bounded(RATIO, {f"p{n}": n for n in range(30)}, at_most=27.5)
    assert judgement.measured == "0 to 29; outside: p28 = 28, p29 = 29"
    assert bounded(RATIO, range(30), at_most=29).measured == "0 to 29"
    assert bounded(RATIO, range(30), at_most=27.5).measured == "0 to 29; 2 of 30 outside"


def test_points_of_a_percentage_are_not_a_share_of_it() -> None:
    assert value(PERCENT, 0.5, 0.52, off=0.02).expected == "52 %, within 2 points"
    assert value(PERCENT, 0.5, 0.52, within=0.02).expected == "52 %, within 2 %"
    assert not value(PERCENT, 0.5, 0.52, within=0.02).holds


def test_a_chain_of_series_rises_at_every_place() -> None:
    rising = {"a": [1, 10], "b": [2, 20], "c": [4, 40]}
    assert order(RATIO, rising, times=1.5).holds
    assert not order(RATIO, rising | {"b": [2, 41]}).holds
    assert order(RATIO, rising, times=1.5).expected == "1.5 x a < b and 1.5 x b < c"
    assert order(RATIO, rising).expected == "a < b < c"


def test_a_check_holds_if_all_of_its_judgements_do_and_says_which_is_which() -> None:
    near, far = bounded(MS, 0.001, at_most=0.002, of="near"), bounded(MS, 0.003, at_most=0.002, of="far")
    both = check("claim", "source", "order", near, far, note="note")
    assert not both.holds and check("claim", "source", "order", near).holds
    assert both.expected == "near and far: at most 2 ms"
    assert both.measured == "near: 1 ms; far: 3 ms"


def test_verdicts_of_numpy_are_written_as_json() -> None:
    judgement = Judgement("expected", "measured", holds=np.bool_(True))
    for made in (check("", "", "sign", judgement), check("", "", "sign", replace(judgement, holds=np.bool_(False)))):
        assert json.loads(json.dumps(asdict(made)))["holds"] is made.holds
