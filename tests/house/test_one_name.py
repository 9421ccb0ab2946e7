"""Glassbench is installed as one name, `glassbench`, beside whatever else a user has."""

import json
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("transport", "sender", "receiver", "netem", "experiments")
COMPARE = ["--arm", "udp", "--arm", "quic-datagram", "--source", "lognormal", "--duration", "1s"]


@dataclass(frozen=True)
class Installed:
    """An environment of its own, as `pip install glassbench` makes it. The packages that we depend on come from our
    environment."""

    home: Path

    @property
    def site_packages(self) -> Path:
        return next((self.home / "lib").glob("python3*/site-packages"))

    def run(self, command: Sequence[str], *, cwd: Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """A command of this environment, with no way back to the checkout."""
        environment = {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(self.home),
            "XDG_CACHE_HOME": str(self.home / "cache"),
        }
        program = str(self.home / "bin" / command[0])
        done = subprocess.run(
            [program, *command[1:]],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done


def build(source: Path, target: Path, kind: str) -> Path:
    """The wheel or the sdist of a source tree."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=60)
    [built] = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"), "wheel")


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    home = tmp_path_factory.mktemp("fresh") / "environment"
    venv.create(home, with_pip=False, symlinks=True)
    environment = Installed(home)
    # A folder that is named in a .pth file is searched, but its own .pth files, our editable install, are not read.
    (environment.site_packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--quiet"]
    options = ["--no-deps", "--no-index", "--ignore-installed", "--disable-pip-version-check"]
    subprocess.run([*pip, *options, str(wheel)], check=True, capture_output=True, timeout=120)
    return environment


def names_in(wheel: Path) -> list[str]:
    return sorted(zipfile.ZipFile(wheel).namelist())


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A user's project, with folders that are named as ours are."""
    for name in OURS:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("MINE = True\n")
    (tmp_path / "queue.py").write_text("raise SystemExit('a module of the user ran in a process of ours')\n")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_mine.py").write_text(
        "".join(f"import {name}\n" for name in OURS)
        + "import glassbench\n\n\ndef test_mine():\n    assert experiments.MINE and transport.MINE\n"
        + "    assert 'site-packages' in glassbench.__file__\n"
    )
    return tmp_path


def test_a_wheel_has_one_package_with_all_rooms_and_their_data(wheel: Path) -> None:
    names = names_in(wheel)
    assert {name.split("/")[0] for name in names} == {"glassbench", "glassbench-0.1.0.dist-info"}
    assert {name.split("/")[1] for name in names if name.count("/") > 1 and "dist-info" not in name} == {*OURS}
    shipped = subprocess.run(["git", "ls-files", *OURS], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    if not shipped:
        pytest.skip("this is no checkout of git, so what belongs into a wheel is not known")
    assert {f"glassbench/{name}" for name in shipped.split()} <= set(names)


def test_a_wheel_of_the_sdist_is_the_wheel_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(build(ROOT, tmp_path, "sdist")) as sdist:
        sdist.extractall(tmp_path / "unpacked", filter="data")
    [source] = (tmp_path / "unpacked").iterdir()
    assert not [path for path in source.rglob("*") if path.is_symlink()]
    assert names_in(build(source, tmp_path / "again", "wheel")) == names_in(wheel)


def test_nothing_but_glassbench_is_installed(installed: Installed) -> None:
    own = {path.name for path in installed.site_packages.iterdir()}
    assert own == {"dependencies.pth", "glassbench", "glassbench-0.1.0.dist-info"}


def test_a_project_with_folders_of_our_names_runs_its_own_tests(installed: Installed, project: Path) -> None:
    (project / "queue.py").unlink()  # `python -m` puts the folder first, for pytest itself too
    assert "1 passed" in installed.run(["python", "-m", "pytest", "-q"], cwd=project).stdout


@pytest.mark.long
def test_a_comparison_runs_in_a_project_with_folders_of_our_names(installed: Installed, project: Path) -> None:
    done = installed.run(["glass", "compare", *COMPARE, "--runs", "2", "--workers", "2", "--json"], cwd=project)
    assert [arm["shown"] for arm in json.loads(done.stdout)["arms"]] == [1, 1]


@pytest.mark.lengthy  # a command and its workers do the same above
def test_a_notebook_finds_one_name_beside_folders_of_our_names(installed: Installed, project: Path) -> None:
    (project / "queue.py").unlink()
    script = project / "mine.py"
    script.write_text(
        "import experiments\nimport glassbench\n\nassert experiments.MINE\n"
        "run = glassbench.compare(source='lognormal', arms=['udp', 'srt'], duration='1s', workers=2)\n"
        "print(list(run.summary['outcome']), list(run.figures()))\n"
    )
    expected = "['measured', 'measured'] ['latency-cdf', 'timeline', 'stage-breakdown', 'rates']\n"
    notebook = (
        "import nbformat, nbclient, sys\n"
        "book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(open('mine.py').read())])\n"
        "nbclient.NotebookClient(book, timeout=60, kernel_name='python3').execute()\n"
        "print(book.cells[0].outputs[0].text, end='')\n"
    )
    assert installed.run(["python", "-c", notebook], cwd=project).stdout == expected


def test_no_module_is_loaded_under_two_names() -> None:
    program = (
        "import collections, json, os, pkgutil, sys, glassbench\n"
        "from importlib import import_module\n"
        "for found in pkgutil.walk_packages(glassbench.__path__, 'glassbench.'):\n"
        "    import_module(found.name)\n"
        "files = collections.defaultdict(list)\n"
        "for name, module in list(sys.modules.items()):\n"
        "    if getattr(module, '__file__', None) and name != '__main__':\n"
        "        files[os.path.realpath(module.__file__)].append(name)\n"
        f"ours = [names for file, names in files.items() if set(names[0].split('.')) & {set(OURS)}]\n"
        "print(json.dumps([len(ours), [names for names in ours if len(names) > 1]]))\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    count, twice = json.loads(done.stdout.splitlines()[-1])
    assert count > 300
    assert twice == []
