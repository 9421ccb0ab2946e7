"""docs/literature-checks.md is what `glass literature` prints, and docs/literature.md explains what fails in it."""

import re
from pathlib import Path

import pytest

from glassbench.experiments.catalog import EXPERIMENTS
from glassbench.experiments.catalog.carry_out import carry_out
from glassbench.experiments.cli.check_table import markdown

DOCS = Path(__file__).parents[2] / "docs"
USUAL = [name for name, experiment in EXPERIMENTS.items() if experiment.usual]


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """The tables by the name of their experiment."""
    parts = re.split(r"^### (\S+)$", (DOCS / "literature-checks.md").read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def rows(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_document_has_all_experiments_in_their_order(sections: dict[str, str]) -> None:
    assert list(sections) == USUAL
    assert sum(len(rows(table)) for table in sections.values()) >= 40


@pytest.mark.parametrize("name", USUAL)
def test_an_experiment_has_its_checks_each_with_a_source_and_a_verdict(sections: dict[str, str], name: str) -> None:
    assert rows(sections[name])
    for claim, kind, source, expected, measured, verdict in rows(sections[name]):
        assert all((claim, source, expected, measured))
        assert kind in ("value", "order", "sign")
        assert verdict in ("holds", "DOES NOT HOLD")


def test_every_check_that_does_not_hold_is_explained(sections: dict[str, str]) -> None:
    explained = re.findall(r"`(?:glass experiment run )?([a-z-]+-v[0-9]+)`\)\.", (DOCS / "literature.md").read_text())
    failed = [name for name, table in sections.items() for row in rows(table) if row[-1] != "holds"]
    assert sorted(explained) == sorted(failed)


@pytest.mark.lengthy
def test_the_table_is_what_comes_out_today(
    sections: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    name = "start-up-v1"
    outcome = carry_out(EXPERIMENTS[name], tmp_path, workers=1)
    assert rows(markdown({name: outcome.checks})) == rows(sections[name])
