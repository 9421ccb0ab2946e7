"""Budgets over the quality of pictures, which is measured where one asks for it."""

import pytest


@pytest.fixture
def of_pictures(call, budgets):
    """Write budgets of `rtp` over a call with pictures, with these limits."""

    def write(limits, *, vmaf=""):
        path = call(duration="1s", loss="0%")
        path.write_text(path.read_text().replace('source = "lognormal"', f'source = "bikes"\n{vmaf}'))
        return budgets(f'[[budget]]\narm = "rtp"\n{limits}\n')

    return write


def test_a_budget_of_the_picture_delay_has_it_measured(of_pictures, check_file):
    (verdict,) = check_file(of_pictures("picture_p95 = { max = '500ms' }")).verdicts
    assert verdict.margin is not None and verdict.margin.kept and 20 < verdict.margin.value < 500


def test_a_budget_of_vmaf_needs_a_scenario_that_asks_for_it(of_pictures, check_file, needs_vmaf):
    limits = "vmaf = { min = 60 }"
    (unasked,) = check_file(of_pictures(limits)).verdicts
    assert unasked.problem == "vmaf is undefined: the quality of no picture was measured"
    (verdict,) = check_file(of_pictures(limits, vmaf='vmaf = "v0.6.1"')).verdicts
    assert verdict.margin is not None and verdict.margin.kept and 60 < verdict.margin.value <= 100
