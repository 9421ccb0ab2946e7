"""`glass --help` and completion know the commands by name, and import none of them."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import typer

from glassbench.experiments.cli.app import COMMANDS, app

HEAVY = ("aioquic", "av", "matplotlib", "numpy", "pandas", "pyarrow")
HELP = f"""
import sys
sys.argv = ["glass", "--help"]
from glassbench.experiments.cli.main import main
main()
print(*sorted({{*{HEAVY!r}}} & {{*sys.modules}}), file=sys.stderr)
"""


def test_help_imports_nothing_that_takes_long() -> None:
    ended = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True)
    assert "compare" in ended.stdout
    assert ended.stderr.split() == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_glass_says_what_the_help_of_a_command_says_first(name: str) -> None:
    group: Any = typer.main.get_command(app)
    _, command, rest = group.resolve_command(group.make_context("glass", [name], resilient_parsing=True), [name])
    assert (command.name, rest) == (name, [])
    first = command.help.split("\n\n")[0]
    assert " ".join(first.split()) == COMMANDS[name].summary


def test_a_command_that_is_misspelled_is_told_which_is_meant(glass: Callable[..., Any]) -> None:
    ended = glass("comapre")
    assert (ended.code, ended.out) == (2, "")
    assert "Did you mean 'compare'?" in ended.err
