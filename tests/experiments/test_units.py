"""Quantities with units: exact values, exact way back, one sentence for what is wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassbench.experiments.scenario.units import DURATION, FRACTION, RATE, SIZE, Quantity, UnitError

KINDS = [DURATION, RATE, SIZE, FRACTION]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (DURATION, "20ms", 0.020),
        (DURATION, "1.5s", 1.5),
        (DURATION, "250us", 0.00025),
        (DURATION, "2 min", 120.0),
        (DURATION, "0s", 0.0),
        (RATE, "4Mbit/s", 4e6),
        (RATE, "12.032Mbit/s", 12_032_000.0),
        (RATE, "800kbit/s", 8e5),
        (SIZE, "150kB", 150_000.0),
        (SIZE, "1MiB", 1_048_576.0),
        (FRACTION, "1%", 0.01),
        (FRACTION, "0.1%", 0.001),
    ],
)
def test_a_quantity_is_the_nearest_float_of_its_si_value(kind: Quantity, text: str, value: float) -> None:
    assert kind.parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        (DURATION, "20 parsecs", "unknown unit 'parsecs' in '20 parsecs'; a duration takes us, ms, s, min"),
        (DURATION, "20", "no unit in '20'; a duration takes us, ms, s, min"),
        (DURATION, 20, "a duration needs a text with a unit such as '20ms', found 20"),
        (DURATION, True, "a duration needs a text with a unit such as '20ms', found True"),
        (DURATION, "", "a duration must look like '20ms', found ''"),
        (DURATION, "-5ms", "a duration must look like '20ms', found '-5ms'"),
        (DURATION, "nan s", "a duration must look like '20ms', found 'nan s'"),
        (RATE, "4mbit/s", "unknown unit 'mbit/s' in '4mbit/s'; a bit rate takes bit/s, kbit/s, Mbit/s, Gbit/s"),
        (SIZE, "1e999B", "'1e999B' is too large for a size"),
    ],
)
def test_a_bad_quantity_is_one_sentence_that_names_what_is_accepted(
    kind: Quantity, text: object, sentence: str
) -> None:
    with pytest.raises(UnitError) as error:
        kind.parse(text)
    assert str(error.value) == sentence


@settings(max_examples=150)
@given(st.sampled_from(KINDS), st.floats(min_value=1e-9, max_value=1e12, allow_nan=False) | st.just(0.0))
def test_format_is_read_back_as_the_same_float(kind: Quantity, value: float) -> None:
    assert kind.parse(kind.format(value)) == value


@settings(max_examples=150)
@given(st.sampled_from(KINDS), st.text(max_size=12))
def test_any_text_gives_a_value_that_is_not_negative_or_a_unit_error(kind: Quantity, text: str) -> None:
    try:
        value = kind.parse(text)
    except UnitError:
        return
    assert 0 <= value < float("inf")


def test_values_are_written_in_the_unit_a_reader_expects() -> None:
    assert DURATION.format(0.2) == "200ms"
    assert DURATION.format(20.0) == "20s"
    assert RATE.format(2e6) == "2Mbit/s"
    assert SIZE.format(150_000.0) == "150kB"
    assert FRACTION.format(0.01) == "1%"
