"""The budgets that this project holds itself to, as the workflow of its CI does."""

import shlex
from pathlib import Path

import pytest

from glassbench.experiments.cli.app import app
from glassbench.experiments.cli.errors import run_app

ROOT = Path(__file__).parents[2]


@pytest.mark.long
@pytest.mark.usefixtures("in_this_process")
def test_this_project_keeps_its_own_budgets_by_the_command_of_its_workflow(monkeypatch, tmp_path, capsys):
    """The command is read out of the workflow; the files that it writes land elsewhere."""
    monkeypatch.chdir(ROOT)
    lines = (ROOT / ".github/workflows/budgets.yml").read_text().replace("\\\n", " ").splitlines()
    (command,) = (line.split("glass ", 1)[1] for line in lines if "glass budget check" in line)
    arguments = shlex.split(command.replace("$GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md")))
    elsewhere = {"results": str(tmp_path / "results"), "budgets.xml": str(tmp_path / "budgets.xml")}
    code = run_app(app, [elsewhere.get(argument, argument) for argument in arguments])
    captured = capsys.readouterr()
    assert code == 0, captured.out + captured.err
    assert "budgets are kept" in (tmp_path / "summary.md").read_text()
    assert (tmp_path / "budgets.xml").exists()
