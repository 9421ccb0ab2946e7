"""Infinite is not undefined: in pandas, Parquet and JSON, in medians, and in the ratio to the floor."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from glassbench.experiments.account.metric_table import Runs
from glassbench.experiments.account.metrics import floor_ratio
from glassbench.experiments.budgets.value import HELD
from glassbench.experiments.cli.show_runs import median_rows
from glassbench.experiments.engine.runner import run
from glassbench.experiments.results.dataset import Dataset, load
from glassbench.experiments.results.files import write_json
from glassbench.experiments.results.json_form import json_text, number_of
from glassbench.experiments.results.notes import NO_FLOOR
from glassbench.experiments.results.summary_table import summary_table
from glassbench.experiments.results.table_files import write_table
from glassbench.experiments.results.tables import Merged
from glassbench.experiments.scenario import Scenario
from glassbench.experiments.scenario.spec import FLOOR


def test_medians_are_what_pandas_makes_of_the_summary_in_its_order(tmp_path: Path) -> None:
    """The arms show 95 % of their frames in no run, in half of the runs, and in all."""
    p95s = {"never": [np.inf, np.inf], "half": [100.0, np.inf], "always": [300.0, 310.0], FLOOR: [50.0, np.inf]}
    plan = {(arm, seed): p95 for arm, values in p95s.items() for seed, p95 in enumerate(values)}
    records = [
        {"cell": cell, "axes": {}, "arm": arm, "seed": seed, "outcome": "measured", "reason": None}
        | {"summary": {"captured": 100, "displayed": 90, "g2g_p95_ms": p95, "ssim": None}}
        | {"flow_numbers": [], "stats": {}, "impairments": {}, "scenario": {}, "notes": []}
        for cell, ((arm, seed), p95) in enumerate(plan.items())
    ]
    write_table(tmp_path / "summary.parquet", summary_table(records, {}))
    stored = pq.read_table(tmp_path / "summary.parquet")
    assert stored["g2g_p95_ms"].null_count == 0 and np.isinf(stored["g2g_p95_ms"].to_numpy()).sum() == 4
    assert stored["ssim"].null_count == len(records)
    data = Dataset(tmp_path, {"name": "made"}, Merged(tmp_path, frames=False))
    table = data.summary.groupby("arm")[["g2g_p95_ms", "floor_ratio"]].median()
    medians = data.medians().set_index("arm")
    pd.testing.assert_frame_equal(table, medians.loc[table.index, ["g2g_p95_ms", "floor_ratio"]])
    assert medians["g2g_p95_ms"].sort_values().index.tolist()[:1] == ["always"]
    assert medians["g2g_p95_ms"].tolist() == [np.inf, np.inf, 305.0, np.inf]
    # Of the second run the floor's p95 is infinite, so the ratio is that of the first.
    assert medians["floor_ratio"].tolist() == [np.inf, 2.0, 6.0, 1.0]
    assert data.notes == ["in 1 of 2 runs " + NO_FLOOR + "; p95 / floor is the median over the others"]
    assert json.loads(json_text(median_rows(data)))[0]["g2g_p95_ms"] == "Infinity"
    assert json.loads(json_text(median_rows(data)))[0]["ssim"] is None


def test_an_infinite_number_is_a_text_that_is_read_back_and_nan_is_a_defect(tmp_path: Path) -> None:
    text = json_text({"a": [math.inf, -math.inf, 1.5, None], "b": {"c": np.float64("inf")}, "d": "Infinity and more"})
    read_back = json.loads(text)
    assert read_back == {"a": ["Infinity", "-Infinity", 1.5, None], "b": {"c": "Infinity"}, "d": "Infinity and more"}
    assert [number_of(item) for item in read_back["a"]] == [math.inf, -math.inf, 1.5, None]
    assert [float(item) for item in read_back["a"][:2]] == [math.inf, -math.inf]
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text([math.nan])
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"a": math.nan})


def test_a_run_has_infinite_latencies_and_missing_numbers_in_pandas(
    make_scenario: Callable[..., Scenario], tmp_path: Path
) -> None:
    """Half of the media is sent over a link that is gone by then: p50 is a number, p95 is infinite."""
    gone = {"element": "outage", "windows": [{"start": "600ms", "duration": "9s"}]}
    network = {"down": [gone, {"element": "delay", "delay": "20ms"}], "up": [{"element": "delay", "delay": "20ms"}]}
    folder = run(make_scenario(arms=["udp"], network=network, duration="1s"), results=tmp_path, workers=1).path
    loaded = load(folder).run()
    row = loaded.summary.iloc[0]
    assert np.isfinite(row["g2g_p50_ms"]) and row["g2g_p95_ms"] == row["floor_ratio"] == math.inf
    assert pd.isna(row["ssim"]) and loaded.summary["ssim"].dtype == "Float64"
    assert pd.read_parquet(folder / "summary.parquet")["g2g_p95_ms"].iloc[0] == math.inf
    video = loaded.stages[loaded.stages["track"] == 0]["g2g_ms"]
    assert not video.isna().any()
    assert np.isfinite(video).sum() == row["displayed"] < len(video) == row["captured"]


@pytest.mark.parametrize(
    ("p95", "floor", "ratio"),
    [
        (100.0, 50.0, 2.0),
        (math.inf, 50.0, math.inf),
        (math.inf, math.inf, None),
        (100.0, math.inf, None),
        (100.0, None, None),
        (None, 50.0, None),
    ],
)
def test_the_ratio_to_the_floor_has_one_answer(p95: float | None, floor: float | None, ratio: float | None) -> None:
    assert floor_ratio(p95, floor) == ratio


@pytest.mark.parametrize(("lost", "of_floor", "ratio"), [(0, 0, 1.0), (9, 0, math.inf), (9, 9, None), (0, 9, None)])
def test_budgets_and_tables_agree_on_the_ratio_to_the_floor(lost: int, of_floor: int, ratio: float | None) -> None:
    def frames(missing: int) -> pd.DataFrame:
        captured = np.arange(100) / 30
        shown = np.where(np.arange(100) < missing, np.nan, captured + 0.02)
        return pd.DataFrame({"captured_at": captured, "displayed_at": shown})

    floor_ratio = HELD["floor_ratio"].of(Runs([frames(lost)], floor=[frames(of_floor)]))
    assert math.isnan(floor_ratio) if ratio is None else floor_ratio == ratio
