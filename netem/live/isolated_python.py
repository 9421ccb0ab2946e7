"""Python that imports nothing from the folder that the user happens to be in.

`python -m` looks into that folder first: it would run a `queue.py` of the user in place of the standard library's. This
module imports only what Python has loaded at its start, since it would look there for anything else.
"""

import os
import sys
from collections.abc import Sequence

_HOME = os.path.abspath(__file__)  # of `glassbench/netem/live/isolated_python.py`: the folder that we are imported from
for _ in __name__.split("."):
    _HOME = os.path.dirname(_HOME)

_START = (
    "import json, sys; from importlib import import_module; "
    "sys.path[:] = json.loads(sys.argv[1]); del sys.argv[:2]; import_module(sys.argv[0]).main()"
)


def python_command(module: str, *arguments: str) -> list[str]:
    """The command of a process that calls `main()` of a module of ours, with `arguments` in `sys.argv[1:]`.

    It imports from where this process does, without the user's folders. The environment stays what it is, PYTHONPATH
    too: that process ignores it (-E), and a command of the user that it starts gets all of it.
    """
    import json

    folders = without_current_folder(sys.path)
    folders = folders if _HOME in folders else [_HOME, *folders]
    return [sys.executable, "-E", "-P", "-c", _START, json.dumps(folders), module, *arguments]


def without_current_folder(folders: Sequence[str]) -> list[str]:
    """Import folders without the current one and that of the script that runs, unless this program is there."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    left_out = {_identity("."), _identity(os.path.dirname(script or "") or "."), None} - {_identity(_HOME)}
    return [folder for folder in folders if os.path.isabs(folder) and _identity(folder) not in left_out]


def _identity(folder: str) -> tuple[int, int] | None:
    """A value that is the same for all names of a folder; None if there is no such folder."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino
