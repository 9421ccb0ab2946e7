"""The version of results on disk.

It is raised whenever a column, a number or a fate changes its meaning, so that results are only read with the meaning
with which they were written.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glassbench.experiments.account.session_numbers import SESSION_NUMBERS
from glassbench.experiments.results.files import ResultsError

SCHEMA = 4

LATER = frozenset({"vmaf", "own_vmaf", *SESSION_NUMBERS})
"""Columns that results of this schema may lack: an earlier version did not measure them, so they are empty."""


def check_schema(file: Path, manifest: Mapping[str, Any]) -> None:
    """Raises ResultsError for the manifest of another version of the format."""
    if manifest.get("schema") != SCHEMA:
        raise ResultsError(
            f"{file} has schema {manifest.get('schema')!r}; this version of Glassbench reads {SCHEMA}: measure again, "
            "or read it with the version that made it"
        )
