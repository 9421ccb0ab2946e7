"""What is blamed: the stage whose growth is surest around the percentile, or the fates that grew."""

import pandas as pd
import pytest

from glassbench.experiments.account.ledger import FATES, STAGES
from glassbench.experiments.budgets.blame import blame
from glassbench.experiments.budgets.measure import TargetNumbers
from glassbench.experiments.budgets.profile import Profile, percentile_profile, shown_profile
from glassbench.experiments.budgets.value import HELD

NAMES = ("p50", "p95", "p99", "max")


def numbers(stages, *, errors=None, shown=None, fates=None, captured=100):
    """The same profile around every percentile."""
    profile = Profile({name: stages.get(name, 0.0) for name in STAGES} if stages else {}, errors or {})
    counts = dict.fromkeys(FATES, 0) | (fates or {})
    counts["displayed"] = captured - sum((fates or {}).values())
    return TargetNumbers("x", counts, {}, dict.fromkeys(NAMES, profile), Profile(shown) if shown else profile)


def ledger(latencies, slow="transit"):
    """Frames whose latency is all in one stage; None was never shown."""
    rows = []
    order = ["captured_at", *(end for _, end in STAGES.values())]
    for index, latency in enumerate(latencies):
        start = 0.04 * index
        row = dict.fromkeys(order, start)
        row["fate"] = "lost" if latency is None else "displayed"
        for name in order[list(STAGES).index(slow) + 1 :]:
            row[name] = float("nan") if latency is None else start + latency
        rows.append(row)
    return pd.DataFrame(rows)


def test_the_stage_that_grew_is_named_not_the_largest():
    blamed = blame(HELD["p95"], numbers({"transit": 50, "encode": 12}), numbers({"transit": 50, "encode": 2}))
    assert (blamed.stage, blamed.fate, blamed.compared) == ("encode", None, True)
    assert blamed.sentence == "encode +10.0 ms in the frames around p95 (encode was 2.0, is 12.0 ms)"


def test_growth_that_chance_may_have_made_comes_behind_growth_that_is_sure():
    before = numbers({"transit": 30, "encode": 2}, errors={"transit": 4})
    now = numbers({"transit": 42, "encode": 12}, errors={"transit": 4})
    blamed = blame(HELD["p95"], now, before)
    assert list(blamed.stages_ms) == ["encode", "transit"]
    sure = blame(HELD["p95"], numbers({"transit": 62, "encode": 12}, errors={"transit": 4}), before)
    assert list(sure.stages_ms) == ["transit", "encode"]


def test_where_no_growth_is_sure_the_largest_comes_first():
    errors = dict.fromkeys(("transit", "spread"), 20.0)
    blamed = blame(HELD["p95"], numbers({"transit": 20, "spread": 30}, errors=errors), numbers({"transit": 15}))
    assert list(blamed.stages_ms) == ["spread", "transit"]


def test_another_stage_that_grew_over_all_frames_is_told_too():
    now = numbers({"spread": 30, "transit": 30}, shown={"transit": 30, "spread": 1})
    before = numbers({"spread": 10, "transit": 20}, shown={"transit": 20, "spread": 1})
    assert blame(HELD["p95"], now, before).sentence.endswith("; over all shown frames transit +10.0 ms")


def test_without_a_baseline_the_largest_is_named_and_called_that():
    blamed = blame(HELD["p99"], numbers({"transit": 30, "hold": 60}), None)
    assert (blamed.stage, blamed.compared) == ("hold", False)
    assert (
        blamed.sentence
        == "largest stage of the frames around p99: hold, 60.0 of 90.0 ms (no baseline to say what grew)"
    )


def test_a_frame_as_slow_as_in_the_baseline_is_not_said_to_have_grown():
    same = numbers({"transit": 30})
    blamed = blame(HELD["p95"], same, same)
    assert not blamed.compared
    assert "none grew since the baseline" in blamed.sentence


def test_an_infinite_percentile_is_explained_by_fates():
    now = numbers({}, fates={"expired": 20, "lost": 5})
    blamed = blame(HELD["p95"], now, numbers({"transit": 30}, fates={"lost": 5}))
    assert (blamed.stage, blamed.fate) == (None, "expired")
    assert blamed.sentence == "expired +20.0% of the frames (was 0 of 100, is 20 of 100)"
    alone = blame(HELD["p95"], now, None)
    assert alone.sentence == "of 100 captured frames were expired 20, lost 5 (no baseline to say what grew)"


def test_missing_frames_that_shift_a_percentile_are_told_beside_its_stage():
    now = numbers({"transit": 40}, fates={"lost": 3})
    blamed = blame(HELD["p95"], now, numbers({"transit": 30}))
    assert blamed.stage == "transit"
    assert "lost +3.0%" in blamed.sentence


@pytest.mark.parametrize(("fates", "stage", "fate"), [({"late": 4}, None, "late"), ({}, "transit", None)])
def test_freezes_are_missing_frames_if_more_are_missing_and_slow_frames_if_not(fates, stage, fate):
    blamed = blame(HELD["freezes"], numbers({"transit": 400}, fates=fates), numbers({"transit": 30}))
    assert (blamed.stage, blamed.fate) == (stage, fate)


def test_freezes_of_slow_frames_are_explained_although_some_were_always_missing():
    lost = {"lost": 1}
    now, before = numbers({"hold": 400}, fates=lost), numbers({"hold": 30}, fates=lost)
    for each in (now, before):
        each.profiles["max"] = Profile({})
    blamed = blame(HELD["freezes"], now, before)
    assert "hold +370.0 ms in the frames around p99" in blamed.sentence


def test_the_profile_of_a_percentile_is_of_the_frames_around_it():
    frames = pd.concat([ledger([0.03] * 90), ledger([0.1] * 10, "hold")], ignore_index=True)
    tail, middle = percentile_profile(frames, 0.95), percentile_profile(frames, 0.5)
    assert tail.mean["hold"] == pytest.approx(100) and tail.mean["transit"] == 0
    assert middle.mean["transit"] == pytest.approx(30) and middle.mean["hold"] == 0
    assert shown_profile(frames).mean["hold"] == pytest.approx(10)


def test_the_profile_of_the_maximum_is_the_slowest_frame():
    frames = ledger([0.03, 0.2, 0.04])
    assert percentile_profile(frames, 1.0).mean["transit"] == pytest.approx(200)


def test_an_infinite_percentile_has_no_profile_and_missing_frames_have_no_stage():
    frames = ledger([0.03] * 19 + [None])
    assert percentile_profile(frames, 1.0).mean == {}
    assert percentile_profile(frames, 0.95).mean["transit"] == pytest.approx(30)
    assert percentile_profile(ledger([None] * 3), 0.5).mean == {}
