"""glass experiment and glass literature, on an experiment that takes a second."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from glassbench.experiments import catalog, scenario
from glassbench.experiments.catalog.experiment import Check, Datasets, Experiment
from glassbench.experiments.engine.plan import Plan, grid

Glass = Callable[..., Any]


def plans() -> tuple[Plan, ...]:
    base = {"name": "tiny", "duration": "400ms", "arms": ["udp"], "video": {"source": "lognormal"}}
    network = {"rate": "10Mbit/s", "delay": "5ms"}
    return (grid("delays", scenario.build({**base, "network": network}), axes={"network.delay": ["5ms", "25ms"]}),)


def checks(datasets: Datasets) -> list[Check]:
    p50 = datasets["delays"].medians()["g2g_p50_ms"].tolist()
    return [
        Check("a longer path [20 ms] takes longer", "closed form", "value", "20 ms", f"{p50[1] - p50[0]:.1f} ms", True),
        Check("a|claim", "nobody, 1900", "sign", "below 0", "above 0", False, "it is made up"),
    ]


TINY = Experiment("tiny-v1", "How long?", "As long as it is.", "nobody", plans, checks, lambda datasets: Figure())


@pytest.fixture(autouse=True)
def tiny_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "EXPERIMENTS", {"tiny-v1": TINY})


def test_an_experiment_is_listed_run_drawn_and_checked(glass: Glass) -> None:
    assert "How long?" in glass("experiment", "list").out
    assert json.loads(glass("experiment", "list", "--json").out)["rows"][0]["name"] == "tiny-v1"
    code, out, err = glass("experiment", "run", "tiny-v1", "--workers", "1")
    assert (code, err) == (0, "")
    assert "20.0 ms" in out and "DOES NOT HOLD" in out and "1 of 2 checks hold." in out
    assert "a longer path [20 ms] takes longer" in " ".join(out.split())
    assert Path("results/tiny-v1/figure.png").exists()
    assert Path("results/tiny-v1/delays/summary.parquet").exists()
    record = json.loads(glass("experiment", "run", "tiny-v1", "--json").out)
    assert [check["holds"] for check in record["checks"]] == [True, False]
    assert [point["network.delay"] for point in record["points"]["delays"]] == ["5ms", "25ms"]


def test_the_literature_table_counts_what_holds_and_is_written_as_markdown(glass: Glass) -> None:
    code, out, err = glass("literature", "--workers", "1", "--markdown", "table.md")
    assert (code, err) == (0, "")
    assert "1 of 2 checks hold; docs/literature.md explains the others." in out
    written = Path("table.md").read_text()
    assert "### tiny-v1" in written
    assert "| a&#124;claim (it is made up) | sign | nobody, 1900 | below 0 | above 0 | DOES NOT HOLD |" in written
    assert len(json.loads(glass("literature", "--json").out)["checks"]["tiny-v1"]) == 2


def test_the_tables_of_other_experiments_stay_and_those_of_none_go(
    glass: Glass, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(TINY, name="other-v1")
    monkeypatch.setattr(catalog, "EXPERIMENTS", {"other-v1": other, "tiny-v1": TINY})
    Path("table.md").write_text("### gone-v1\n\nof old\n\n### other-v1\n\nkept\n\n### tiny-v1\n\nof yesterday\n")
    assert glass("literature", "tiny-v1", "--workers", "1", "--markdown", "table.md").code == 0
    written = Path("table.md").read_text()
    assert written.startswith("# All checks of the catalog\n\n### other-v1\n\nkept\n\n### tiny-v1\n\n| claim |")
    assert "of old" not in written and "of yesterday" not in written
    assert glass("literature", "--workers", "1", "--markdown", "table.md").code == 0
    assert "kept" not in Path("table.md").read_text()
    assert "unknown experiment 'tinny-v1' (did you mean 'tiny-v1'?)" in glass("literature", "tinny-v1").err


def test_an_unknown_experiment_is_one_sentence(glass: Glass) -> None:
    code, out, err = glass("experiment", "run", "tinny")
    assert (code, out) == (2, "")
    assert err == "error: unknown experiment 'tinny' (did you mean 'tiny-v1'?); accepted: tiny-v1\n"


def test_an_experiment_is_named_without_its_version_and_only_a_replay_takes_a_trace(glass: Glass) -> None:
    assert glass("experiment", "run", "tiny", "--workers", "1").code == 0
    code, _, err = glass("experiment", "run", "tiny", "--trace", "lte-driving")
    assert (code, err) == (2, "error: tiny-v1 takes no other trace: its network and media are its own\n")


def test_what_is_long_is_left_out_unless_it_is_named(glass: Glass, monkeypatch: pytest.MonkeyPatch) -> None:
    long = replace(TINY, name="long-v1", long=True)
    monkeypatch.setattr(catalog, "EXPERIMENTS", {"long-v1": long, "tiny-v1": TINY})
    assert list(json.loads(glass("literature", "--workers", "1", "--json").out)["checks"]) == ["tiny-v1"]
    assert list(json.loads(glass("literature", "long", "--workers", "1", "--json").out)["checks"]) == ["long-v1"]
