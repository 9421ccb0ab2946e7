"""Imports run one way, and the import check finds one that runs another way."""

import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("transport", "sender", "receiver", "netem", "experiments")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The source of this checkout, to plant something in it."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "src", tmp_path / "src", symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def check_imports(source: Path) -> str:
    """What import-linter says of a source tree."""
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(source / 'src')!r}); {program}"],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("file", "planted", "rule"),
    [
        ("transport/udp.py", "netem.packet", "endpoints do not know the network"),
        ("netem/packet.py", "transport.contract", "netem knows bytes and time"),
        ("sender/cost.py", "receiver.stamp", "experiments -> sender | receiver -> transport"),
        ("experiments/account/metrics.py", "experiments.worlds.capture", "the tower"),
        ("experiments/scenario/units.py", "experiments.engine.plan", "the tower"),
        ("transport/rtp/h264.py", "transport.rtp.sender", "no circle of imports"),
        ("src/glassbench/demands.py", "netem.packet", "what the checkers share"),
    ],
)
def test_a_forbidden_import_is_found(copy: Path, file: str, planted: str, rule: str) -> None:
    path = copy / file
    path.write_text(f"{path.read_text()}\n\ndef planted() -> None:\n    import glassbench.{planted}\n")
    said = check_imports(copy)
    broken = [line for line in said.splitlines() if line.endswith("BROKEN")]
    assert any(line.startswith(rule) for line in broken), said


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Packages whose `__init__` imports something are among them; the check of siblings does not see these."""
    graph = grimp.build_graph("glassbench")
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            chain = graph.find_shortest_chain(importer=imported, imported=module)
            assert chain is None, " imports ".join((module, *chain))
