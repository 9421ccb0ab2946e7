"""Completion in a real bash, as a user types it."""

import os
import pty
import shutil
import sys
from pathlib import Path

import pytest

from glassbench.experiments.cli.bash_words import joined

SETUP = r"""
PS1=
bind 'set enable-bracketed-paste off' 2> /dev/null
source <(_GLASS_COMPLETE=source_bash glass)
glass() { printf 'typed:%s\n' "$@"; }
"""


@pytest.mark.long
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_the_options_of_an_arm_and_the_value_of_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/glass"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nfrom glassbench.experiments.cli.main import main\nraise SystemExit(main())\n"
    )
    program.chmod(0o755)
    (tmp_path / "rc").write_text(SETUP)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    process, terminal = pty.fork()
    if process == 0:
        os.execvp("bash", ["bash", "--rcfile", str(tmp_path / "rc"), "-i"])
    os.write(terminal, b"glass compare --trace=lte-d\t --arm srt:lat\t\nexit\n")
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # the terminal is closed: bash has ended
        pass
    os.waitpid(process, 0)
    typed = [line.removeprefix("typed:") for line in shown.decode().splitlines() if line.startswith("typed:")]
    assert typed == ["compare", "--trace=lte-driving", "--arm", "srt:latency_ms=120"], shown.decode()


@pytest.mark.parametrize(
    ("words", "whole", "has_already"),
    [
        (["glass", "compare", ""], ["glass", "compare", ""], 0),
        (["glass", "--arm", "rtp", ":", "con"], ["glass", "--arm", "rtp:con"], 4),
        (["glass", "--arm", "rtp", ":"], ["glass", "--arm", "rtp:"], 4),
        (["glass", "--arm", "rtp", ":", "control", "=", "g"], ["glass", "--arm", "rtp:control=g"], 12),
        (["glass", "--arm", "=", "rtp", ":", "x"], ["glass", "--arm=rtp:x"], 4),
        (["glass", "--arm", "=", "rt"], ["glass", "--arm=rt"], 0),
        (["glass", "--arm=rt"], ["glass", "--arm=rt"], 0),
        (["glass", "--arm", "rtp:con"], ["glass", "--arm", "rtp:con"], 0),
    ],
)
def test_words_that_bash_splits_are_whole_again(words: list[str], whole: list[str], has_already: int) -> None:
    assert joined(words) == (whole, has_already)
