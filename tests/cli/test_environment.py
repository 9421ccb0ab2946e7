"""Output never fails because of where the program runs: encodings, settings of matplotlib, full disks, redirected
streams."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.cli.output import write_file
from glassbench.experiments.cli.terminal import speak_plainly
from glassbench.experiments.results.plots import figures

Glass = Callable[..., Any]

ROOT = Path(__file__).parents[2]
GLASS = "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"
SHORT = ("compare", "--source", "lognormal", "--duration", "300ms", "--workers", "1", "--arm", "udp")


def process(
    *arguments: str, folder: Path, stdout: Any = subprocess.PIPE, program: str = GLASS, **environment: str
) -> Any:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "XDG_CACHE_HOME": str(folder / "cache"), **environment},
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("encoding", "spelled"),
    [
        ("ascii", "inf, 1 - 2 x 3 cafe ? ?"),
        ("latin-1", "inf, 1 - 2 \xd7 3 caf\xe9 ? ?"),
        ("utf-8", "\u221e, 1 \u2013 2"),
    ],
)
def test_what_a_terminal_cannot_show_is_spelled_out(
    monkeypatch: pytest.MonkeyPatch, encoding: str, spelled: str
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    speak_plainly()
    print(
        "\u221e, 1 \u2013 2 \xd7 3 caf\xe9 \u6f22 \udce9", flush=True
    )  # the last one is in names of files that are no UTF-8
    assert written.getvalue().decode(encoding).startswith(spelled)


@pytest.mark.long
def test_numbers_and_pictures_come_on_an_ascii_terminal_with_the_backend_of_a_notebook_and_settings_of_the_user(
    tmp_path: Path,
) -> None:
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nsavefig.dpi: 5000\nsavefig.format: pdf\n")
    done = process(*SHORT, folder=tmp_path, PYTHONIOENCODING="ascii", MPLBACKEND="no such backend")
    assert (done.returncode, done.stderr) == (0, "")
    assert "soonest of these: " in done.stdout and done.stdout.isascii()
    pictures = list(tmp_path.glob("results/*/*.png"))
    assert len(pictures) == 4 and all(path.stat().st_size < 400_000 for path in pictures)


@pytest.mark.long
def test_a_picture_that_cannot_be_drawn_is_a_note(glass: Glass, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(run: object) -> None:
        raise RuntimeError("no such\nfont")

    monkeypatch.setitem(figures.PLOTS, "timeline", fail)  # type: ignore[arg-type]
    code, out, err = glass(*SHORT)
    folder = "results/adaptive-udp-seed20"
    assert (code, err) == (0, "")
    assert f"note: {folder}/timeline.png was not drawn: no such font" in out
    assert f"wrote {folder}/latency-cdf.png" in out and f"wrote {folder}/stage-breakdown.png" in out
    code, out, err = glass(*SHORT, "--seed", "21", "--json")
    assert (code, err) == (0, "note: results/adaptive-udp-seed21/timeline.png was not drawn: no such font\n")
    assert out.startswith("{")


def test_output_that_is_not_taken_is_no_bad_input(glass: Glass, monkeypatch: pytest.MonkeyPatch) -> None:
    assert glass("trace", "inspect", "steps", "--plot", "/dev/full")[::2] == (
        1,
        "error: cannot write /dev/full: No space left on device\n",
    )

    def refuse(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    code, _, err = glass(*SHORT)
    assert code == 1 and err.startswith("error: cannot write ") and "No space left on device" in err


@pytest.mark.parametrize("mode", ["w", "a"])
def test_a_file_that_is_stdout_already_is_gone_on_with(tmp_path: Path, mode: str) -> None:
    program = (
        "import sys; from pathlib import Path; from glassbench.experiments.cli.output import write_file\n"
        "print('before'); said = [write_file(Path(name), b'middle\\n') for name in ('/dev/stdout', 'out')]; print(said)"
    )
    (tmp_path / "out").write_text("first\n")
    with (tmp_path / "out").open(mode) as out:
        done = process(folder=tmp_path, stdout=out, program=program)
    assert (done.returncode, done.stderr) == (0, "")
    before = "first\n" if mode == "a" else ""
    assert (tmp_path / "out").read_text() == f"{before}before\nmiddle\nmiddle\n['wrote /dev/stdout', 'wrote out']\n"


def test_the_file_that_a_link_of_the_user_names_is_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert write_file(tmp_path / "link", b"content") == f"wrote {tmp_path / 'link'}"
    assert (tmp_path / "file").read_bytes() == b"content" and (tmp_path / "link").is_symlink()
