"""Who owns a folder of results: the mark that this program made it, and the lock of the process that writes into it."""

import fcntl
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from glassbench.experiments.results.files import ResultsError, unwritable

MARK = {"program": "glassbench"}
"""In every manifest. Other programs have files of that name, too."""

LOCK = ".lock"

_KERNEL_LOCKS = Path("/proc/locks")


def is_ours(manifest: Mapping[str, Any]) -> bool:
    """Whether this program made the folder that the manifest describes."""
    return MARK.items() <= manifest.items()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep every other process from writing into a folder, or removing it. The lock ends with this process, however it
    ends. Raises ResultsError."""
    file = folder / LOCK
    try:
        lock = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise unwritable(f"results to {folder}", error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it until now has removed the file, and somebody else may have made and locked the next one.
        held = file.exists() and os.path.samestat(os.fstat(lock), file.stat())
    except OSError:
        held = False
    if not held:
        os.close(lock)
        raise ResultsError(f"{folder} is being written by another process; wait for it or name another folder")
    try:
        yield
    finally:
        with suppress(OSError):
            if os.path.samestat(os.fstat(lock), file.stat()):
                file.unlink()
        os.close(lock)


def is_written(folder: Path) -> bool:
    """Whether a process holds the lock of a folder. It reads the kernel's list of locks and takes none, so that nobody
    is kept from writing because somebody looks."""
    try:
        number = (folder / LOCK).lstat().st_ino
        held = _KERNEL_LOCKS.read_text(encoding="ascii")
    except OSError:
        return False
    return re.search(rf":{number} ", held) is not None
