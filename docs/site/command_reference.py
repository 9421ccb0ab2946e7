"""In the place of `<!-- every command -->`: each command of `glass` with all its options, as the program has them."""

import re
from typing import TYPE_CHECKING, Any

import typer
from typer.cli import get_docs_for_click

from glassbench.experiments.cli.app import COMMANDS

if TYPE_CHECKING:
    from sphinx.application import Sphinx

MARK = "<!-- every command -->"

# Typer cuts the summaries in its lists of commands; each command has a section of its own here.
_CUT_LIST = re.compile(r"^\*\*Commands\*\*:\n\n(?:\* .*\n)+\n", re.MULTILINE)


def reference() -> str:
    """Markdown with a section for each command."""
    return "\n".join(_section(name) for name in COMMANDS)


def _section(name: str) -> str:
    command = COMMANDS[name].load(name)
    context = typer.Context(command, info_name=name)
    text = get_docs_for_click(obj=command, ctx=context, indent=1, name=name, call_prefix="glass")
    return _CUT_LIST.sub("", text).replace("```console\n$ ", "```\n")


def setup(app: "Sphinx") -> dict[str, Any]:
    def fill(_: "Sphinx", page: str, source: list[str]) -> None:
        if MARK in source[0]:
            source[0] = source[0].replace(MARK, reference())

    app.connect("source-read", fill)
    return {"parallel_read_safe": True}
