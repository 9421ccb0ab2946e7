"""In the place of `<!-- every name of MODULE -->`: what a module offers, by the docstrings."""

import re
from importlib import import_module
from inspect import isclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_MARK = re.compile(r"<!-- every name of (\S+) -->")


def reference(module: str) -> str:
    """Markdown with a directive for each name in `__all__`: functions, then classes, then exceptions."""
    offered = import_module(module)
    names = sorted(offered.__all__, key=lambda name: (_kind(getattr(offered, name)), name))
    return "\n".join(_section(module, name, getattr(offered, name)) for name in names)


def _kind(value: object) -> int:
    return 0 if not isclass(value) else 2 if issubclass(value, BaseException) else 1


def _section(module: str, name: str, value: object) -> str:
    directive = ["autofunction", "autoclass", "autoexception"][_kind(value)]
    lines = [f".. {directive}:: {module}.{name}"]
    # The fields of a scenario are those of its file, which has a page.
    if isclass(value) and not issubclass(value, BaseModel):
        lines.append("   :members:")
    return "\n".join(["```{eval-rst}", *lines, "```\n"])


def _as_rst(_: "Sphinx", what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Our docstrings are Markdown of the simplest kind: a block that is indented is code."""
    text = "\n".join(lines)
    lines[:] = re.sub(r"(?<=\n\n)(?=    \S)", "::\n\n", f"{text}\n").split("\n")


def _without_fields(_: "Sphinx", what: str, name: str, value: object, *rest: object) -> tuple[str, str] | None:
    return ("(**fields)", "") if isclass(value) and issubclass(value, BaseModel) else None


def setup(app: "Sphinx") -> dict[str, Any]:
    def fill(_: "Sphinx", page: str, source: list[str]) -> None:
        source[0] = _MARK.sub(lambda mark: reference(mark[1]), source[0])

    app.connect("source-read", fill)
    app.connect("autodoc-process-docstring", _as_rst)
    app.connect("autodoc-process-signature", _without_fields)
    return {"parallel_read_safe": True}
