"""The steps of CONTRIBUTING.md, done in a copy of the project: each touches the files that it names and no others, what
it adds works, and a file that was forgotten is found.

`steps.toml` has what is written where, `new/` the files that are new. What is run, and which files are touched, is read
from CONTRIBUTING.md.
"""

import filecmp
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
COPIED = (
    *("transport", "sender", "receiver", "netem", "experiments", "src", "tests", "benchmarks", "docs"),
    *("results/README.md", "README.md", "pyproject.toml"),
)
DIGESTS = "tests/measurements/digests.json"
NO_SOURCE = (".hypothesis", "__pycache__")


@dataclass(frozen=True)
class Step:
    """One step. `text` is its section of CONTRIBUTING.md, with the name in its place; the rest is of `steps.toml`."""

    name: str
    text: str
    new: str | None
    lines: tuple[Mapping[str, str], ...]
    options: str
    shows: str

    @property
    def promised(self) -> dict[str, str]:
        """Each file that is touched, and what is said of it."""
        return dict(re.findall(r"^\d+\. `([^`]+)`(.*(?:\n   .*)*)", self.text, re.MULTILINE))

    @property
    def written(self) -> dict[str, list[str]]:
        """The files that a command writes, with the command."""
        by = {file: re.search(r"written by `([^`]+)`", said) for file, said in self.promised.items()}
        return {file: shlex.split(command[1]) for file, command in by.items() if command}

    @property
    def forgettable(self) -> list[str]:
        """The files whose absence only a test can find: Python itself misses what a table imports."""
        *_, table = (file for file in self.promised if file.endswith(".py") and not file.startswith("tests/"))
        return [
            file for file in self.promised if not file.endswith(".py") or file.startswith("tests/") or file == table
        ]

    @property
    def selection(self) -> str:
        """Which tests are named: an expression, as `pytest -k` takes it."""
        return self._pytest[2]

    @property
    def tests(self) -> list[str]:
        """In which files and folders they are."""
        return self._pytest[3:]

    @property
    def command(self) -> list[str] | None:
        """The arguments of `glass` by which a user has what was added."""
        typed = re.search(r"`glass ([^`]+)`", self.text.rpartition("`pytest")[2])
        return shlex.split(f"{typed[1]} {self.options}") if typed else None

    @property
    def _pytest(self) -> list[str]:
        (command,) = re.findall(r"`(pytest -k [^`]+)`", self.text)
        return shlex.split(command)


def read_steps() -> dict[str, Step]:
    sections = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", CONTRIBUTING, re.MULTILINE))
    table = tomllib.loads((HERE / "steps.toml").read_text(encoding="utf-8"))["step"]
    return {row["name"]: make_step(sections[row["section"]], row) for row in table}


def make_step(section: str, row: Mapping[str, Any]) -> Step:
    name, new = row["name"], row.get("new")
    text = section if new is None else section.replace("/NAME.", f"/{Path(new).stem}.")
    lines = tuple(row.get("line", ()))
    return Step(name, text.replace("NAME", name), new, lines, row.get("options", ""), row.get("shows", ""))


STEPS = read_steps()
each_step = pytest.mark.parametrize("name", STEPS)


def copy_project(folder: Path) -> None:
    for name in COPIED:
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(".hypothesis"))
        else:
            shutil.copy(source, target)


def do(folder: Path, step: Step, wanted: Callable[[str], bool] = lambda file: True) -> None:
    """Write all that a step writes by hand, of the files that are wanted."""
    if step.new is not None and wanted(step.new):
        shutil.copy(HERE / "new" / step.new, folder / step.new)
    for line in step.lines:
        if wanted(line["file"]):
            insert(folder / line["file"], line.get("place"), line["text"])


def insert(path: Path, place: str | None, text: str) -> None:
    content = path.read_text(encoding="utf-8")
    start = len(content)
    if place is not None:
        before, _, after = place.partition("@")
        times = content.count(before + after)
        assert times == 1, f"{path}: the place {place!r} stands there {times} times; set another one in steps.toml"
        start = content.index(before + after) + len(before)
    path.write_text(content[:start] + text + content[start:], encoding="utf-8")


def run_in(
    folder: Path,
    chosen: Iterable[Step],
    *,
    forgotten: Iterable[str] = (),
    recorded: Iterable[Step] = (),
    only: str = "",
    used: bool = True,
) -> dict[str, Any]:
    """Run what CONTRIBUTING.md says of these steps: commands that write files, but for those that are `forgotten`;
    tests; and what users do, if it is `used`.

    The tests that ask for digests are run for those that are `recorded`, which takes its time. Of the others, `only`
    those with this in the name of their file.
    """
    chosen, recorded = list(chosen), list(recorded)
    selection = " or ".join(f"({step.selection if step in recorded else step.name})" for step in chosen)
    named = dict.fromkeys(path for step in chosen for path in step.tests)
    tests = [path for path in named if only in path and (recorded or "measurements" not in path)]
    writing = [words for step in chosen for file, words in step.written.items() if file not in {DIGESTS, *forgotten}]
    job = {
        "before": [[*words[1:], "--workers", "1"] for words in writing],
        "tests": [*tests, "-k", selection, "-m", "not long"],
        "after": {step.name: step.command for step in chosen if used and step.command},
        "worlds": [step.name for step in chosen if used and "world=" in step.text],
    }
    ran: dict[str, Any] = json.loads(python(folder, "tests/contributing/in_the_copy.py", json.dumps(job)))
    return ran


def python(folder: Path, *arguments: str) -> str:
    """Run Python in the copy, so that it imports from there."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=folder,
        env={**ours, "PYTHONPATH": str(folder / "src"), "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def outcomes(ran: Mapping[str, Any], step: Step) -> dict[str, str]:
    """How the tests ended that CONTRIBUTING.md names for a step."""
    named = step.selection.split(" or ")
    return {
        test: outcome
        for test, outcome in ran["tests"].items()
        if test.startswith(tuple(step.tests)) and any(name in test for name in named)
    }


def missed(ran: Mapping[str, Any], step: Step) -> bool:
    """Whether the tests of a step say that something is missing."""
    return any(outcome.startswith("failed") for outcome in outcomes(ran, step).values()) or not outcomes(ran, step)


def is_document(file: str) -> bool:
    return file.endswith(".md")


MadeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="module")
def done(made_once: MadeOnce) -> Path:
    """The copy in which all steps are done, and `ran.json`, what came of it."""

    def fill(folder: Path) -> None:
        copy_project(folder)
        for step in STEPS.values():
            do(folder, step)
        (folder / "ran.json").write_text(json.dumps(run_in(folder, STEPS.values())))

    return made_once("steps-done", fill)


@pytest.fixture(scope="module")
def undocumented(made_once: MadeOnce) -> Path:
    """The copy in which all is done but the documents, and `ran.json`, what the tests of documents say."""

    def fill(folder: Path) -> None:
        copy_project(folder)
        for step in STEPS.values():
            do(folder, step, lambda file: not is_document(file))
        documents = [file for step in STEPS.values() for file in step.promised if is_document(file)]
        ran = run_in(folder, STEPS.values(), forgotten=documents, only="test_documents", used=False)
        (folder / "ran.json").write_text(json.dumps(ran))

    return made_once("steps-undocumented", fill)


@each_step
def test_a_step_touches_the_files_that_are_promised_and_no_others(name: str) -> None:
    step = STEPS[name]
    by_hand = {*([step.new] if step.new else []), *(line["file"] for line in step.lines)}
    assert not by_hand & step.written.keys()
    assert by_hand | step.written.keys() == step.promised.keys()


@each_step
def test_where_a_line_is_promised_it_is_one_beside_its_import(name: str) -> None:
    for file, said in STEPS[name].promised.items():
        texts = [line["text"].strip() for line in STEPS[name].lines if line["file"] == file]
        lines = [text for text in texts if not re.fullmatch(r"from .+ import .+|\w+,", text)]
        if re.match(r": (a line|a row\b(?! per))", said):
            assert "\n" not in "".join(lines) and len(lines) <= 1, file


@pytest.mark.long
def test_nothing_else_in_the_copy_has_changed(done: Path) -> None:
    files = [path for name in COPIED for path in [done / name, *(done / name).rglob("*")] if path.is_file()]
    names = [path.relative_to(done) for path in files if not set(path.parts) & set(NO_SOURCE)]
    changed = {
        str(name)
        for name in names
        if not (ROOT / name).exists() or not filecmp.cmp(done / name, ROOT / name, shallow=False)
    }
    assert changed == {file for step in STEPS.values() for file in step.promised} - {DIGESTS}


@pytest.mark.long
def test_what_is_written_has_the_form_of_the_project(done: Path) -> None:
    files = {file for step in STEPS.values() for file in step.promised if file.endswith(".py")}
    for check in (["format", "--check"], ["check"]):
        python(done, "-m", "ruff", *check, "--no-cache", *sorted(files))


@pytest.mark.long
@each_step
def test_what_a_step_adds_passes_its_tests_and_serves_users(name: str, done: Path) -> None:
    step, ran = STEPS[name], json.loads((done / "ran.json").read_text())
    ended = outcomes(ran, step)
    assert not {test: outcome for test, outcome in ended.items() if outcome != "passed"}
    for path in step.tests:
        assert "measurements" in path or any(test.startswith(path) for test in ended), f"{path} has no test of {name}"
    assert all(code == 0 for code, _ in ran["before"]), ran["before"]
    if step.command is not None:
        code, printed = ran["after"][name]
        assert code == 0 and step.shows in printed, printed
    assert ran["worlds"] == {"rerun": "virtual time, run twice"}


@pytest.mark.long
@each_step
def test_a_forgotten_document_is_found(name: str, undocumented: Path) -> None:
    if any(map(is_document, STEPS[name].promised)):
        assert missed(json.loads((undocumented / "ran.json").read_text()), STEPS[name])


@pytest.mark.lengthy
@pytest.mark.parametrize("place", range(max(len(step.forgettable) for step in STEPS.values())))
def test_whatever_of_a_step_is_forgotten_is_found(place: int, tmp_path: Path) -> None:
    """Of each step one file is left out, of one a document and of the next a table."""
    forgotten = {
        name: step.forgettable[(place + count) % len(step.forgettable)]
        for count, (name, step) in enumerate(STEPS.items())
    }
    copy_project(tmp_path)
    for name, step in STEPS.items():
        do(tmp_path, step, lambda file, name=name: file != forgotten[name])
    unrecorded = [STEPS[name] for name, file in forgotten.items() if file == DIGESTS]
    ran = run_in(tmp_path, STEPS.values(), forgotten=forgotten.values(), recorded=unrecorded, used=False)
    assert {name: file for name, file in forgotten.items() if not missed(ran, STEPS[name])} == {}
    assert "passed" in ran["tests"].values()


@pytest.mark.lengthy
def test_what_is_new_can_be_recorded(tmp_path: Path) -> None:
    """The digests of what the steps add, which takes too long beside the others."""
    steps = [step for step in STEPS.values() if DIGESTS in step.written]
    copy_project(tmp_path)
    for step in steps:
        do(tmp_path, step)
    python(tmp_path, *steps[0].written[DIGESTS][1:])
    ran = run_in(tmp_path, steps, recorded=steps, only="measurements", used=False)
    assert ran["tests"] and set(ran["tests"].values()) <= {"passed", "skipped"}, ran["tests"]
