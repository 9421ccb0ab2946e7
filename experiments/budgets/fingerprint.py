"""What decides the numbers of a target, as one short text: two targets of equal fingerprint are the same experiment."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.budgets.spec import BudgetError, Target


def fingerprint(target: Target) -> str:
    """A digest of the scenario with this one arm, of its seeds, and of the files that it names. Raises BudgetError.

    The name of the scenario and its other arms decide nothing, so they are not in it.
    """
    scenario = target.scenario
    content = scenario.model_copy(update={"arms": (scenario.arm(target.arm),), "seed": 0, "name": "any"}).dump()
    digest = hashlib.sha256(json.dumps([content, target.seeds], sort_keys=True).encode())
    for file in named_files(content):
        try:
            digest.update(file.name.encode() + file.read_bytes())
        except OSError as error:
            raise BudgetError(f"cannot read {file} of scenario {target.name}: {error.strerror}") from None
    return digest.hexdigest()[:16]


def named_files(content: Any) -> list[Path]:
    """The files that a scenario names: videos, traces with both their directions, recorded sizes and costs."""
    found: dict[Path, None] = {}
    for text in _texts(content):
        for path in (Path(text), Path(text.partition(":")[2])):
            if path.name and path.is_file():
                found[path] = None
                for direction, other in ((".down", ".up"), (".up", ".down")):
                    sibling = path.with_name(path.name.replace(direction, other))
                    if sibling.is_file():
                        found[sibling] = None
            elif path.name and path.parent.is_dir():  # X stands for X.down and X.up
                for sibling in sorted(path.parent.iterdir()):
                    if sibling.name.startswith((f"{path.name}.down", f"{path.name}.up")) and sibling.is_file():
                        found[sibling] = None
    return list(found)


def _texts(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for value in content.values():
            yield from _texts(value)
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value)
