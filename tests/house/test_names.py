"""One word has one meaning: no two classes share a name, and no variable is called `found`, which says nothing."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("transport", "sender", "receiver", "netem", "experiments")
FOLDERS = (*ROOMS, "src", "tests", "benchmarks")


def sources(*folders: str) -> dict[str, str]:
    """The text of all Python files by their path."""
    return {str(path.relative_to(ROOT)): path.read_text() for name in folders for path in (ROOT / name).rglob("*.py")}


@cache
def nodes(text: str) -> list[ast.AST]:
    """All nodes of a program; several tests look at the same files."""
    return list(ast.walk(ast.parse(text)))


def classes_of_one_name(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """Where each class stands whose name is defined more than once, in a function or another class too."""
    places = defaultdict(list)
    for path, text in texts.items():
        for node in nodes(text):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{path}:{node.lineno}")
    return {name: where for name, where in places.items() if len(where) > 1}


def variables(text: str) -> Iterator[tuple[str, int]]:
    """Each name that a program binds to a value, with its line."""
    for node in nodes(text):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name is not None:
            yield node.name, node.lineno


def called_found(texts: Mapping[str, str]) -> list[str]:
    """Where a variable is called so, with a line under it or without."""
    return [
        f"{path}:{line}" for path, text in texts.items() for name, line in variables(text) if name.strip("_") == "found"
    ]


def test_no_two_classes_share_a_name() -> None:
    assert classes_of_one_name(sources(*ROOMS)) == {}


@pytest.mark.parametrize("planted", ["class Packet: ...", "class _Batch: ...", "def one():\n    class Packet: ..."])
def test_a_second_class_of_a_name_is_found(planted: str) -> None:
    [where] = classes_of_one_name({**sources(*ROOMS), "planted.py": planted}).values()
    assert len(where) == 2
    assert where[1].startswith("planted.py:")


def test_no_variable_is_called_found() -> None:
    assert called_found(sources(*FOLDERS)) == []


@pytest.mark.parametrize(
    "planted",
    [
        "found = 1",
        "_found: int = 1",
        "for found in (): ...",
        "if (found := 1): ...",
        "[1 for found in ()]",
        "def one(found): ...",
        "one = lambda found: 1",
        "def one(self):\n    self.found = 1",
        "with one as found: ...",
        "first, *found = one",
        "try: ...\nexcept OSError as found: ...",
        "match one:\n    case [found, *_]: ...",
    ],
)
def test_a_variable_called_found_is_found(planted: str) -> None:
    assert len(called_found({"planted.py": planted})) == 1
