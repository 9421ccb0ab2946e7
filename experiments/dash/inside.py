"""Files below a folder, and nothing else: no name leads out of it, by `..` or by a link."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath


@contextmanager
def opened(root: Path, name: str) -> Iterator[int]:
    """The descriptor of a regular file by its name below `root`, such as "adaptive-seed20/report.html", for reading.
    Raises OSError, also for names that lead elsewhere, links, folders, pipes and devices."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise FileNotFoundError("no name of a file below the folder")
    folders = [os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)]
    try:
        for part in parts[:-1]:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            folders.append(os.open(part, flags, dir_fd=folders[-1]))
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # else a pipe waits for its writer here
        file = os.open(parts[-1], flags, dir_fd=folders[-1])
    finally:
        for folder in folders:
            os.close(folder)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise FileNotFoundError("no regular file")
        yield file
    finally:
        os.close(file)


def read_inside(root: Path, name: str, *, most_bytes: int) -> bytes:
    """The first `most_bytes` of a file below `root`. Raises OSError as `opened` does."""
    with opened(root, name) as file, os.fdopen(file, "rb", closefd=False) as stream:
        return stream.read(most_bytes)


def below(root: Path, path: Path) -> str:
    """The name of a path below `root`, as addresses have it; empty for `root` itself."""
    name = PurePosixPath(path.relative_to(root)).as_posix()
    return "" if name == "." else name
