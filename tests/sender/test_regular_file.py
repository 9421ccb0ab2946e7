"""Files that users name are read within bounds: no pipe is waited for, no device is read, no limit is passed."""

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from glassbench.experiments.budgets.baseline import load_baseline
from glassbench.experiments.budgets.spec import BudgetError, load_budgets
from glassbench.experiments.engine.sweep import load_sweep
from glassbench.experiments.results.files import ResultsError, read_json
from glassbench.experiments.results.table_files import read_table
from glassbench.experiments.scenario import ScenarioError, load
from glassbench.netem.traces import load_pair
from glassbench.sender.cost import decode_cost
from glassbench.sender.regular_file import read_regular, read_regular_text
from glassbench.sender.sources import open_source

READERS: dict[str, Callable[[str], object]] = {
    "a scenario": load,
    "a sweep": load_sweep,
    "budgets": load_budgets,
    "a baseline": load_baseline,
    "a manifest": lambda path: read_json(Path(path)),
    "a table": lambda path: read_table(Path(path), {}),
    "a video": open_source,
    "sizes": lambda path: open_source(f"sizes:{path}"),
    "costs": lambda path: decode_cost(f"recorded:{path}", width=640, height=360),
    "a trace": load_pair,
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_pipe_a_device_and_a_folder_are_refused_at_once_in_one_sentence(
    tmp_path: Path, read: Callable[[str], object]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    tracemalloc.start()
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(ValueError) as caught:
            read(str(path))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert tracemalloc.get_traced_memory()[1] < 16 * 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_name_that_no_file_has_is_refused_in_one_sentence(read: Callable[[str], object]) -> None:
    for path in ("a\0b", "n" * 300, "half\ud800"):
        with pytest.raises(ValueError, match=r"^.+$"):
            read(path)


@pytest.mark.parametrize("name", ["a scenario", "a sweep", "budgets", "a baseline", "a manifest", "sizes", "costs"])
def test_a_large_file_is_refused_without_being_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 33)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"larger than [0-9]+ bytes"):
        READERS[name](str(path))
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_file_of_just_the_limit_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"1234")
    assert read_regular(path, most_bytes=4) == b"1234"
    with pytest.raises(OSError, match="larger than 3 bytes"):
        read_regular(path, most_bytes=3)


def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\xef\xbb\xbf17 key\r\n16\n")
    assert read_regular_text(path, most_bytes=100) == "17 key\r\n16\n"
    assert open_source(f"sizes:{path}").notes == (
        "x gives the sizes of 2 frames, repeated: nothing is encoded or decoded",
    )


def test_a_scenario_a_sweep_and_budgets_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    scenario = 'name = "x"\nduration = "1s"\narms = ["udp"]\n[video]\nsource = "lognormal"\n[network]\ndelay = "20ms"\n'
    (tmp_path / "x.toml").write_text(f"\ufeff{scenario}".replace("\n", "\r\n"), encoding="utf-8")
    assert load(tmp_path / "x.toml").name == "x"
    budgets = f'scenario = "{tmp_path}/x.toml"\n[[budget]]\narm = "udp"\np95 = {{ max = "1s" }}\n'
    (tmp_path / "b.toml").write_text(f"\ufeff{budgets}", encoding="utf-8")
    assert len(load_budgets(tmp_path / "b.toml").budgets) == 1


def test_the_errors_are_those_of_the_reader() -> None:
    for name, kind in (("a scenario", ScenarioError), ("budgets", BudgetError), ("a manifest", ResultsError)):
        with pytest.raises(kind):
            READERS[name]("/dev/zero")
