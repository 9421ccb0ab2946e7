"""What a shell offers to complete: arms with their options, names of what ships, files, and folders of results.

Each function gets what was typed so far. A mistake in it is no reason to disturb a command line, so what cannot be
listed is not offered.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_MOST_FILES = 500


def arms(incomplete: str) -> list[str]:
    """Transports, and behind a colon their options and the values of these."""
    from glassbench.experiments.scenario.arm_options import arm_options
    from glassbench.experiments.scenario.arm_table import ARMS

    name, colon, typed = incomplete.partition(":")
    if not colon:
        return _beginning(incomplete, ARMS)
    if name not in ARMS:
        return []
    before, comma, last = typed.rpartition(",")
    given = {item.partition("=")[0] for item in before.split(",")}
    offered: list[str] = []
    for option in arm_options(ARMS[name]):
        if option.name not in given:
            offered += [f"{option.name}={value}" for value in option.accepted or (option.default,)]
    ahead = f"{name}:{before}{comma}"
    return [f"{ahead}{text}" for text in _beginning(last, offered)]


def sources(incomplete: str) -> list[str]:
    """Clips that ship, and files."""
    from glassbench.sender.sources import SOURCES

    return [*_beginning(incomplete, SOURCES), *_files(incomplete)]


def traces(incomplete: str) -> list[str]:
    """Traces that ship, and files."""
    return [*shipped_traces(incomplete), *_files(incomplete)]


def shipped_traces(incomplete: str) -> list[str]:
    """Traces that ship."""
    from glassbench.netem.traces import GENERATORS

    return _beginning(incomplete, GENERATORS)


def scenarios(incomplete: str) -> list[str]:
    """Scenarios that ship, and TOML files."""
    from glassbench.experiments.scenario.shipped import SCENARIOS

    return [*_beginning(incomplete, SCENARIOS), *_files(incomplete, ending=".toml")]


def experiments(incomplete: str) -> list[str]:
    """Experiments of the catalog."""
    from glassbench.experiments.catalog import EXPERIMENTS

    return _beginning(incomplete, EXPERIMENTS)


def result_folders(incomplete: str) -> list[str]:
    """Folders of results below `results`, and other folders."""
    below = [
        f"{path.parent.name}/{path.name}" for path in _entries(Path("results")) if (path / "manifest.json").is_file()
    ]
    folders = [text for text in _files(incomplete) if text.endswith(os.sep)]
    return list(dict.fromkeys([*_beginning(incomplete, below), *folders]))


def fields(incomplete: str) -> list[str]:
    """Fields of a scenario by their path, for FIELD=VALUE."""
    from glassbench.experiments.scenario.spec import Scenario

    return _beginning(incomplete, (f"{path}=" for path in _paths(Scenario)))


def _paths(model: type, ahead: str = "") -> Iterator[str]:
    from typing import get_args

    from pydantic import BaseModel

    for name, field in model.model_fields.items():  # type: ignore[attr-defined]
        kinds = (field.annotation, *get_args(field.annotation))
        table = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if table is None:
            yield f"{ahead}{field.alias or name}"
        else:
            yield from _paths(table, f"{ahead}{name}.")


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _files(incomplete: str, *, ending: str = "") -> list[str]:
    """Files and folders whose path begins so, folders with a slash behind them."""
    folder, _, name = incomplete.rpartition("/")
    ahead = f"{folder}/" if folder or incomplete.startswith("/") else ""
    texts = []
    for path in _entries(Path(ahead or ".")):
        hidden = path.name.startswith(".") and not name.startswith(".")
        if path.name.startswith(name) and not hidden:
            if path.is_dir():
                texts.append(f"{ahead}{path.name}/")
            elif path.name.endswith(ending):
                texts.append(f"{ahead}{path.name}")
    return texts


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())[:_MOST_FILES]
    except OSError:
        return []
