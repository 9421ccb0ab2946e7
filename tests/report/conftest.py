"""What the tests of reports share: a run and a dataset, measured once."""

import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.engine.plan import grid
from glassbench.experiments.engine.plan_run import run_plan
from glassbench.experiments.engine.repeat import repeat
from glassbench.experiments.engine.runner import run
from glassbench.experiments.results.dataset import Dataset, load
from glassbench.experiments.results.report.page import page
from glassbench.experiments.results.report.report import report_of
from glassbench.experiments.results.run import Run
from glassbench.experiments.scenario import Scenario, build

SCENARIO: dict[str, Any] = {
    "name": "test",
    "seed": 3,
    "duration": "2s",
    "arms": ["udp", "rtp", "quic-datagram"],
    "video": {"source": "lognormal", "bitrate": "1500kbit/s", "keyframe_interval": 30},
    "network": {"trace": "lte-driving", "queue": "60kB", "loss": "4%", "loss_duration": "10ms"},
}

_VOID = {"meta", "link", "img", "br", "hr", "input", "wbr"}


@pytest.fixture(scope="session")
def measure() -> Callable[..., Run]:
    """Measure a run; keywords replace fields of the scenario."""

    def measured(results: Path, **changes: Any) -> Run:
        return run(build({**SCENARIO, **changes}), results=results, workers=1)

    return measured


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    return build(SCENARIO)


@pytest.fixture(scope="session")
def one_run(made_once: Callable[..., Path], measure: Callable[..., Run]) -> Run:
    """One seed. Not to be written to: `copied` makes a copy."""
    return load(made_once("one run", measure) / "test-seed3").run()


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory, measure: Callable[..., Run]) -> Run:
    """One arm, half a second: for what has nothing to do with what is in it."""
    return measure(tmp_path_factory.mktemp("small"), arms=["rtp"], duration="500ms")


@pytest.fixture(scope="session")
def many_runs(made_once: Callable[..., Path], scenario: Scenario) -> Dataset:
    """Eight seeds of two of its arms, one second each: as many as tell two arms apart."""
    small = scenario.model_copy(update={"arms": scenario.arms[:2], "duration": 1.0})
    folder = made_once("many runs", lambda results: repeat(small, 8, results=results, workers=1))
    return load(folder / "test-seeds3-10")


def swept(made_once: Callable[..., Path], scenario: Scenario, name: str, axes: dict[str, list[str]]) -> Dataset:
    base = scenario.model_copy(update={"arms": scenario.arms[:2], "duration": 1.0})
    plan = grid(name, base, axes=axes, seeds=[1, 2], floor=True)
    return load(made_once(name, lambda folder: run_plan(plan, folder, workers=1)))


@pytest.fixture(scope="session")
def sweep(made_once: Callable[..., Path], scenario: Scenario) -> Dataset:
    """Two arms along one axis, two seeds of a second each."""
    return swept(made_once, scenario, "sweep of one axis", {"network.loss": ["0%", "2%"]})


@pytest.fixture(scope="session")
def sweep_of_two_axes(made_once: Callable[..., Path], scenario: Scenario) -> Dataset:
    """The same along two axes."""
    axes = {"network.delay": ["5ms", "50ms"], "network.loss": ["0%", "2%"]}
    return swept(made_once, scenario, "sweep of two axes", axes)


@pytest.fixture(scope="session")
def sweep_page(sweep_of_two_axes: Dataset) -> str:
    return page(report_of(sweep_of_two_axes))


@pytest.fixture(scope="session")
def run_page(one_run: Run) -> str:
    return page(report_of(one_run.dataset))


@pytest.fixture(scope="session")
def dataset_page(many_runs: Dataset) -> str:
    return page(report_of(many_runs))


class Page(HTMLParser):
    """A page taken apart: `elements` are (tag, attributes), `texts` what a reader sees, `ids` in their order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.goes_on = False  # after a place where a line may break
        self.feed(html)
        self.close()
        assert self.open == [], "an element is not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "wbr":
            self.goes_on = True
            return
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        if {"style", "script"} & set(self.open) or not data.strip():
            return
        if self.goes_on:
            self.texts[-1] += " ".join(data.split())
        else:
            self.texts.append(" ".join(data.split()))
        self.goes_on = False

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of each element of this kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def skeleton(self) -> list[str]:
        """The elements without what they say."""
        return [tag for tag, _ in self.elements]


@pytest.fixture(scope="session")
def take_apart() -> type[Page]:
    return Page


@pytest.fixture(scope="session")
def rewrite() -> Callable[[Path, Callable[[dict[str, Any]], None]], None]:
    """Change a JSON file in place."""

    def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return rewritten
