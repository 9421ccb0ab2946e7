"""What tests of commands share."""

import shutil
import sys
from collections.abc import Callable

import pytest


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """terminal(columns): stdout is a terminal of so many columns, without colours."""

    def set_columns(columns: int) -> None:
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        assert shutil.get_terminal_size().columns == columns

    return set_columns
