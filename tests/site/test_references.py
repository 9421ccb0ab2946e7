"""The pages that are generated have all that there is: every command, every name, every metric."""

import inspect

import command_reference
import commands_shown
import made_up
import metric_pictures
import metric_reference
import pytest
import python_reference

import glassbench
import glassbench.testing
from glassbench.experiments.account.metric_table import METRICS
from glassbench.experiments.cli.app import COMMANDS


@pytest.fixture(scope="module")
def commands() -> str:
    return command_reference.reference()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_every_command_is_in_the_reference(name: str, commands: str) -> None:
    def look(command: object, words: str) -> None:
        section = commands.split(f"# `{words}`\n")[1].split("\n#", maxsplit=1)[0]
        for parameter in command.params:  # type: ignore[attr-defined]
            if parameter.param_type_name == "option" and not parameter.hidden:
                assert all(f"{option}" in section for option in parameter.opts), (words, parameter.opts)
        for below, part in getattr(command, "commands", {}).items():
            look(part, f"{words} {below}")

    look(COMMANDS[name].load(name), f"glass {name}")


def test_no_summary_in_the_reference_is_cut(commands: str) -> None:
    assert "**Commands**" not in commands


@pytest.mark.parametrize("module", [glassbench, glassbench.testing], ids=lambda module: module.__name__)
def test_every_name_that_a_module_offers_is_in_the_reference_and_explained(module: object) -> None:
    text = python_reference.reference(module.__name__)  # type: ignore[attr-defined]
    for name in module.__all__:  # type: ignore[attr-defined]
        assert f":: {module.__name__}.{name}\n" in text  # type: ignore[attr-defined]
        assert inspect.getdoc(getattr(module, name)), name


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_a_picture_with_the_number_that_the_table_computes(name: str) -> None:
    (axes,) = metric_pictures.picture(METRICS[name]).axes
    ledger = made_up.late_start() if name == "first_frame" else made_up.frames()
    number = METRICS[name].text(metric_pictures.value(METRICS[name], ledger))
    assert any(number in text.get_text() for text in axes.texts), [text.get_text() for text in axes.texts]


def test_a_page_that_lacks_a_metric_is_refused(tmp_path: object) -> None:
    with pytest.raises(LookupError, match="explains no metric p50"):
        metric_reference.filled("# Metrics\n", tmp_path)  # type: ignore[arg-type]


def test_the_pages_whose_blocks_run_are_those_that_a_reader_types_from() -> None:
    assert commands_shown.RUN.fullmatch("docs/tour") and commands_shown.RUN.fullmatch("docs/how-to/notebook")
    assert not commands_shown.RUN.fullmatch("docs/live")
