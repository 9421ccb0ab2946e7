"""Writing result files: whole or not at all, and never over another file in silence."""

import contextlib
import errno
import os
from pathlib import Path


def write_file(path: Path, data: bytes) -> str:
    """Write a file atomically and return what was done, in a few words. Raises OSError.

    A link, a device or a pipe stays what it is, and is written to as it is: /dev/stdout is all of them.
    """
    replaced = path.exists()
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if path.is_symlink() or (replaced and not path.is_file()):
        path.write_bytes(data)
        return f"wrote {path}"
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # name the file that was asked for
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
    return f"wrote {path}" + (" (it replaced a file of that name)" if replaced else "")
