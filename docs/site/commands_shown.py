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
from typing import TYPE_CHECKING, Any

import glassbench

if TYPE_CHECKING:
    from sphinx.application import Sphinx

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


class BlockError(Exception):
    """A block that did not run as it stands, or a mark for which there is nothing: the block, and what came of it."""


def shown(root: Path, page: str, text: str) -> str:
    """The text of a page with what its blocks print and draw. Raises BlockError for the first that fails."""
    folder = _folder(root, page)
    wanted = _digest(text)
    done = folder / "done.json"
    if not done.exists() or json.loads(done.read_text())["digest"] != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "here").mkdir(parents=True)
        (folder / "site").mkdir()
        done.write_text(json.dumps({"digest": wanted, "parts": list(_parts(root, page, text))}))
    parts = iter(json.loads(done.read_text())["parts"])
    return _PART.sub(lambda match: next(parts), text)


def _folder(root: Path, page: str) -> Path:
    """Where the blocks of a page run (`here`), and what is put into the site as it is (`site`)."""
    return root / SHOWN / page.replace("/", "-")


def _digest(text: str) -> str:
    """What decides the outputs of a page: its blocks and marks, and the whole program."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for room in sorted(Path(glassbench.__file__).parent.iterdir()):  # links, which `rglob` would not follow from above
        for path in sorted(room.rglob("*")) if room.is_dir() else [room]:
            if path.is_file() and path.suffix != ".pyc":
                digest.update(path.read_bytes())
    digest.update("".join(match[0] for match in _PART.finditer(text)).encode())
    return digest.hexdigest()


def _parts(root: Path, page: str, text: str) -> Iterator[str]:
    """What stands in the place of each block and each mark, one after the other."""
    folder = _folder(root, page)
    here = folder / "here"
    printed = ""
    names: dict[str, Any] = {}
    for match in _PART.finditer(text):
        code = match["code"] or ""
        try:
            if match["picture"]:
                yield f"![{match['alt']}](/{_newest(here, match['picture']).relative_to(root)})"
            elif match["page"]:
                whole = Path("shown", folder.name, match["page"])
                (folder / "site" / whole.parent).mkdir(parents=True, exist_ok=True)
                shutil.copy(_newest(here, match["page"]), folder / "site" / whole)
                yield f'<p><a href="{"../" * page.count("/")}{whole}">{match["title"]}</a></p>'
            elif match["printed"]:
                yield f"```{{code-block}} text\n:class: screen\n\n{printed.rstrip()}\n```"
            else:
                if file := _FILE.match(code):
                    (here / file[1]).parent.mkdir(exist_ok=True)
                    (here / file[1]).write_text(code[file.end() :])
                elif not match["kept"] and match["language"] == "sh":
                    printed = "".join(_type(line, here) for line in _lines(code))
                elif not match["kept"] and match["language"] == "python":
                    printed = _run_python(code, names, here)
                yield match[0]
        except Exception as error:  # a block of Python may raise anything
            raise BlockError(f"{match[0]}\n{error}") from error


def _lines(code: str) -> list[str]:
    return [line for line in code.replace("\\\n", " ").splitlines() if line.strip() and not line.startswith("#")]


def _type(line: str, here: Path) -> str:
    """What a line prints on a terminal. It has to end with 0, or with N if its comment is "ends with N"."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    with subprocess.Popen(
        ["/bin/sh", "-c", line],
        cwd=here,
        env=_environment(here),
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


def _environment(here: Path) -> dict[str, str]:
    """That of a reader in the folder of the page, for whom `pip install` fetches nothing and installs there."""
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "FORCE_COLOR")}
    installed = here / ".installed"
    paths = {
        "PATH": [Path(sys.executable).parent, installed / "bin"],
        "PYTHONPATH": [installed],
    }
    searched = {name: os.pathsep.join([*map(str, first), kept.get(name, "")]) for name, first in paths.items()}
    pip = {"PIP_TARGET": str(installed), "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0"}
    pip |= {"PIP_QUIET": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    screen = {"NO_COLOR": "1", "TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
    return {**kept, **searched, **pip, **screen, "XDG_CACHE_HOME": str(here / ".cache")}


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
    """The newest file of this name below the folder."""
    paths = sorted(here.rglob(name), key=lambda path: path.stat().st_mtime_ns)
    if not paths:
        raise LookupError(f"no command made a file {name}; there are {sorted(path.name for path in here.rglob('*'))}")
    return paths[-1]


def setup(app: "Sphinx") -> dict[str, Any]:
    from sphinx.util.logging import getLogger

    def fill(_: "Sphinx", page: str, source: list[str]) -> None:
        if not RUN.fullmatch(page):
            return
        try:
            source[0] = shown(Path(app.srcdir), page, source[0])
        except BlockError as error:
            getLogger(__name__).warning("%s", error, location=page)
        app.config.html_extra_path.append(str(_folder(Path(app.srcdir), page) / "site"))

    app.connect("source-read", fill)
    return {"parallel_read_safe": True}
