"""Files that users name: only regular ones are read, and never more of them than a limit. A pipe would make us wait,
and a device has no end."""

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_regular(path: Path) -> BufferedReader:
    """Open a file for reading. Raises OSError, also for a folder, a pipe, a device, and a name that no file has."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # else a pipe waits for its writer here
    except ValueError as error:  # a zero byte, or half of a character
        raise OSError(errno.EINVAL, f"not a file name ({error})", ascii(str(path))) from None
    file = open(descriptor, "rb")  # noqa: PTH123, SIM115  a descriptor has no path, and the caller closes it
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "a pipe or a device, not a regular file", str(path))
    return file


def read_regular(path: Path, *, most_bytes: int) -> bytes:
    """The content of a file. Raises OSError as `open_regular` does, and for one of more than `most_bytes`."""
    with open_regular(path) as file:
        content = file.read(most_bytes + 1) if os.fstat(file.fileno()).st_size <= most_bytes else None
    if content is None or len(content) > most_bytes:
        raise OSError(errno.EFBIG, f"larger than {most_bytes} bytes", str(path))
    return content


def read_regular_text(path: Path, *, most_bytes: int) -> str:
    """The text of a file in UTF-8, with or without a byte order mark. Raises OSError and UnicodeDecodeError."""
    return read_regular(path, most_bytes=most_bytes).decode("utf-8-sig")
