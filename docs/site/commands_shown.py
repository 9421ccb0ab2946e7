"""Runs what a page tells its reader to type, in the order of the page, and shows what comes of it.

On the pages of RUN each block `sh` is typed into a terminal of 80 columns, each block `python` is run, and a block that
begins with `# file: NAME` is written to that file; all of a page in one empty folder. A block that fails ends the
build. `<!-- not run: WHY -->` before a block keeps it from being run. What the last block printed stands in the place
of `<!-- it prints -->`, and the newest picture of a name in that of `<!-- picture NAME: WHAT IT SHOWS -->`. Where these
files are read by themselves, nobody sees the marks.
"""

import ast
import contextlib
import hashlib
import io
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

import glassbench

RUN = re.compile(r"docs/(tour|gallery|how-to/.*)")
SHOWN = Path("build/shown")
COLUMNS = 80

_FENCE = r"^```(?P<language>sh|python|toml|yaml|json)\n(?P<code>.*?)^```$"
_PART = re.compile(
    rf"(?P<kept><!-- not run: [^>]*-->\n)?{_FENCE}"
    r"|<!-- (?P<printed>it prints) -->"
    r"|<!-- picture (?P<picture>\S+): (?P<alt>[^>]*) -->"
    r"|<!-- page (?P<page>\S+): (?P<title>[^>]*) -->",
    re.MULTILINE | re.DOTALL,
)
_FILE = re.compile(r"# file: (\S+)\n")
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def shown(root: Path, page: str, text: str) -> str:
    """The text of a page with what its blocks print and draw. Raises ExtensionError if one of them fails."""
    folder = root / SHOWN / page.replace("/", "-")
    wanted = _digest(text)
    done = folder / "done.json"
    if not done.exists() or json.loads(done.read_text())["digest"] != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "here").mkdir(parents=True)
        done.write_text(json.dumps({"digest": wanted, "parts": list(_parts(page, folder / "here", text))}))
    parts = iter(json.loads(done.read_text())["parts"])
    return _PART.sub(lambda match: next(parts), text)


def _digest(text: str) -> str:
    """What decides the outputs of a page: its blocks and marks, and the whole program."""
    code = sorted(path for path in Path(glassbench.__file__).parent.rglob("*.py"))
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in [*code, *(path for path in Path(glassbench.__file__).parent.rglob("*.toml"))]:
        digest.update(path.read_bytes())
    digest.update("".join(match[0] for match in _PART.finditer(text)).encode())
    return digest.hexdigest()


def _parts(page: str, here: Path, text: str) -> Iterator[str]:
    """What stands in the place of each block and each mark, one after the other."""
    printed, names = "", {}
    for match in _PART.finditer(text):
        code = match["code"] or ""
        try:
            if match["picture"]:
                yield f"![{match['alt']}](/{_newest(here, match['picture'])})"
            elif match["page"]:
                yield f'<p><a href="{_newest(here, match["page"])}">{match["title"]}</a></p>'
            elif match["printed"]:
                yield f"```{{code-block}} text\n:class: screen\n\n{printed.rstrip()}\n```"
            else:
                if file := _FILE.match(code):
                    (here / file[1]).write_text(code[file.end() :])
                elif not match["kept"] and match["language"] == "sh":
                    printed = "".join(_type(line, here) for line in _lines(code))
                elif not match["kept"] and match["language"] == "python":
                    printed = _run_python(code, names, here)
                yield match[0]
        except (OSError, ValueError, LookupError, subprocess.SubprocessError) as error:
            raise ExtensionError(f"{page}: {match[0]}\n{error}") from error


def _lines(code: str) -> list[str]:
    return [line for line in code.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


def _type(line: str, here: Path) -> str:
    """What a line prints on a terminal. It has to end with 0, or with N if its comment is "ends with N"."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "FORCE_COLOR")}
    environment |= {
        "NO_COLOR": "1",
        "TERM": "xterm",
        "PYTHONIOENCODING": "utf-8",
        "XDG_CACHE_HOME": str(here / ".cache"),
    }
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    with subprocess.Popen(
        ["/bin/sh", "-c", line],
        cwd=here,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.PIPE,
    ) as process:
        os.close(theirs)
        output = _until_closed(ours)
        assert process.stderr is not None
        error = process.stderr.read().decode()
    wanted = re.search(r"# .*ends with (\d+)", line)
    if process.returncode != (int(wanted[1]) if wanted else 0):
        raise ValueError(f"{line}: ended with {process.returncode}\n{output}{error}")
    return output


def _until_closed(terminal: int) -> str:
    """All that comes from a terminal. Linux says by an error that nobody has its other end any more."""
    chunks = []
    with contextlib.suppress(OSError):
        while chunk := os.read(terminal, 65536):
            chunks.append(chunk)
    os.close(terminal)
    text = _ESCAPE.sub("", b"".join(chunks).decode().replace("\r\n", "\n"))
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _run_python(code: str, names: dict[str, Any], here: Path) -> str:
    """What a block prints, and the value of its last line if that is an expression, as in a notebook."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.chdir(here), contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(tree, "<page>", "exec"), names)
        if (
            last is not None
            and (value := eval(compile(ast.Expression(last.value), "<page>", "eval"), names)) is not None
        ):
            print(value)
    return printed.getvalue()


def _newest(here: Path, name: str) -> Path:
    """The newest file of this name below the folder, from the root of the project."""
    paths = sorted(here.rglob(name), key=lambda path: path.stat().st_mtime_ns)
    if not paths:
        raise LookupError(f"no command made a file {name}; there are {sorted(path.name for path in here.rglob('*'))}")
    return paths[-1].relative_to(here.parents[3])


def setup(app: Sphinx) -> dict[str, Any]:
    def fill(_: Sphinx, page: str, source: list[str]) -> None:
        if RUN.fullmatch(page):
            source[0] = shown(Path(app.srcdir), page, source[0])

    app.connect("source-read", fill)
    return {"parallel_read_safe": True}
