import numpy as np
import pytest

from glassbench.receiver.playout import AdaptivePlayout, FixedPlayout, ImmediatePlayout, parse_playout


def test_immediate_playout_never_waits():
    assert ImmediatePlayout().display_at(1002.0) == -np.inf


@pytest.mark.parametrize("target", [0.0, 0.15, 2.0])
def test_fixed_playout_is_a_constant_after_capture(target):
    assert FixedPlayout(target).display_at(1002.0) == 1002.0 + target


def test_adaptive_playout_stands_at_the_quantile_of_the_last_delays_plus_its_margin():
    rng = np.random.default_rng(4)
    playout = AdaptivePlayout(quantile=0.95, window=200, margin=0.01, fall=1.0)
    delays = rng.exponential(0.05, 1000)
    for delay in delays:
        playout.observe(delay)
    expected = np.quantile(delays[-200:], 0.95, method="inverted_cdf") + 0.01
    assert playout.target == pytest.approx(expected)
    assert playout.display_at(1002.0) == 1002.0 + playout.target


def test_adaptive_playout_rises_at_once_and_falls_slowly():
    playout = AdaptivePlayout(window=50, margin=0.0, fall=0.001)
    for _ in range(50):
        playout.observe(0.02)
    for _ in range(5):
        playout.observe(0.2)
    assert playout.target == 0.2
    targets = []
    for _ in range(400):
        playout.observe(0.02)
        targets.append(playout.target)
    assert np.diff(targets).min() >= -0.001 - 1e-12
    assert targets[-1] == pytest.approx(0.02)


def test_adaptive_playout_is_bounded():
    playout = AdaptivePlayout()
    playout.observe(1e6)
    assert playout.target == 10.0


def test_adaptive_playout_holds_no_frame_until_it_is_late():
    playout = AdaptivePlayout(deadline=0.2, margin=0.01)
    playout.observe(0.15)
    assert playout.target == pytest.approx(0.16)
    playout.observe(0.5)
    assert playout.target == pytest.approx(0.19)


def test_a_fixed_target_after_the_deadline_is_refused():
    assert parse_playout("fixed:150ms", deadline=0.15).target == 0.15
    with pytest.raises(ValueError, match="shows every frame after its deadline of 100 ms, so none is shown"):
        parse_playout("fixed:150ms", deadline=0.1)


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("immediate", ImmediatePlayout),
        ("adaptive", AdaptivePlayout),
        ("fixed:150ms", FixedPlayout),
        ("fixed:1s", FixedPlayout),
    ],
)
def test_a_policy_is_found_by_its_name(spec, kind):
    assert isinstance(parse_playout(spec), kind)
    assert parse_playout("fixed:150ms").display_at(0.0) == pytest.approx(0.15)


@pytest.mark.parametrize("spec", ["", "fixed", "fixed:150", "fixed:-1ms", "fixed:1h", "soon", "fixed:11s"])
def test_an_unknown_policy_is_refused(spec):
    with pytest.raises(ValueError, match="playout"):
        parse_playout(spec)
