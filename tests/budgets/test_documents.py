"""What docs/budgets.md shows works as it stands."""

import re
import shlex
from pathlib import Path

import pytest

from glassbench.experiments.budgets.spec import load_budgets
from glassbench.experiments.budgets.value import HELD
from glassbench.experiments.cli.app import app
from glassbench.experiments.cli.errors import run_app

DOCUMENT = (Path(__file__).parents[2] / "docs/budgets.md").read_text()

pytest_plugins = ["pytester"]


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return [text for name, text in fenced if name == language]


@pytest.mark.lengthy
@pytest.mark.usefixtures("in_this_process")
def test_the_files_the_commands_and_the_test_of_the_document_work(pytester, monkeypatch):
    """With five seconds of media in place of ten."""
    monkeypatch.chdir(pytester.path)
    scenario, budgets, product, product_budgets = blocks("toml")
    assert scenario.count('"10s"') == 1
    scenario = scenario.replace('"10s"', '"5s"')
    Path("call.toml").write_text(scenario)
    Path("budgets.toml").write_text(budgets)
    commands = [line.split("#")[0] for line in blocks("")[0].splitlines()]
    workflow = blocks("yaml")[0].replace("\\\n", " ").replace("$GITHUB_STEP_SUMMARY", "summary.md")
    commands += [line.strip() for line in workflow.splitlines() if "glass budget" in line]
    assert len(commands) == 3
    for command in commands:
        assert run_app(app, shlex.split(command)[1:]) == 0
    assert Path("budgets.xml").exists() and Path("summary.md").exists()
    Path("product.toml").write_text(product)
    Path("product-budgets.toml").write_text(product_budgets)
    assert [str(budget) for budget in load_budgets("product-budgets.toml").budgets] == [
        "product.toml, ours, video: p95 max 250ms",
        "product.toml, ours, video: shown min 98%",
    ]
    pytester.makepyfile(blocks("python")[0])
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize("name", HELD)
def test_the_document_names_every_metric(name):
    assert f"`{name}`" in DOCUMENT
