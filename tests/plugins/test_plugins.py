"""A package of a user adds a transport, a controller and an element, without a fork; what is wrong with one is said in
a sentence.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from glassbench.experiments.scenario.elements import ELEMENTS
from glassbench.transport.congestion import CONTROLLERS
from glassbench.transport.registry import TRANSPORTS

CODE = '''
from pathlib import Path
from typing import Literal

from glassbench.experiments.scenario.element_spec import ElementSpec
from glassbench.netem.medium import LossyMedium
from glassbench.transport.congestion import ControllerEntry
from glassbench.transport.congestion.reno import RenoController
from glassbench.transport.registry import TransportEntry
from glassbench.transport.udp import UdpOptions, UdpReceiver, UdpSender

with open(Path(__file__).parent / "loads", "a") as loads:
    loads.write("1")

MEDIA = frozenset({"h264", "data"})
MINE = TransportEntry("mine", "udp by another name", UdpOptions, UdpSender, UdpReceiver, MEDIA)
CONTROL = ControllerEntry("careful", "NewReno by another name", RenoController)
NOTHING = 7


class LoseEach(LossyMedium):
    def __init__(self, count):
        super().__init__()
        self.count = count

    def loses(self, packet):
        return packet.number % self.count == self.count - 1


class LoseEachSpec(ElementSpec):
    """Every so many packets one is lost."""

    loses = True
    said = ("loss", "one of {count} lost")
    element: Literal["lose-each"] = "lose-each"
    count: int

    def build(self, around, rng):
        return [LoseEach(self.count)]
'''
SCENARIO = """
name = "mine"
duration = "2s"
arms = ["mine", "udp"]
[video]
source = "lognormal"
[network]
down = [{ element = "lose-each", count = 20 }, { element = "delay", delay = "20ms" }]
up = [{ element = "delay", delay = "20ms" }]
"""
pytestmark = pytest.mark.usefixtures("no_pictures")

GOOD = {
    "glassbench.transports": {"mine": "mine:MINE"},
    "glassbench.elements": {"lose-each": "mine:LoseEachSpec"},
    "glassbench.controllers": {"careful": "mine:CONTROL"},
}

Glass = Callable[..., Any]
Install = Callable[..., None]


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where packages are installed, and that Python searches, in worker processes too; the tables know none
    of them yet."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("COLUMNS", "200")
    for table in (TRANSPORTS, CONTROLLERS, ELEMENTS):
        monkeypatch.setattr(table, "_points", None)
        monkeypatch.setattr(table, "_loaded", {})
    yield folder
    sys.modules.pop("mine", None)


@pytest.fixture
def install(site: Path) -> Install:
    def add(points: Mapping[str, Mapping[str, str]], *, package: str = "mine", code: str = CODE) -> None:
        (site / f"{package}.py").write_text(code)
        info = site / f"{package}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        lines = [f"[{group}]\n" + "".join(f"{n} = {v}\n" for n, v in names.items()) for group, names in points.items()]
        (info / "entry_points.txt").write_text("\n".join(lines))

    return add


def outcomes(done: Any) -> dict[str, tuple[str, int]]:
    assert done.code == 0, done.err
    return {arm["arm"]: (arm["outcome"], arm["displayed"]) for arm in json.loads(done.out)["arms"]}


def test_a_transport_of_a_package_is_listed_with_its_options(install: Install, glass: Glass) -> None:
    install(GOOD)
    done = glass("list", "transports")
    assert done.code == 0, done.err
    assert "udp by another name" in done.out
    assert done.out.count("reorder_window=") == 3  # rtp, udp, mine


def test_an_arm_and_an_element_of_a_package_are_measured_by_workers_too(
    install: Install, glass: Glass, site: Path
) -> None:
    install(GOOD)
    Path("mine.toml").write_text(SCENARIO)
    done = glass("run", "mine.toml", "--workers", "2", "--json")
    measured = outcomes(done)
    assert measured["mine"] == measured["udp"]
    assert measured["mine"][0] == "measured" and 0 < measured["mine"][1] < 60
    shown = glass("report", "results/mine-seed1")
    assert "one of 20 lost" in shown.out


def test_a_controller_of_a_package_controls_as_ours_do(install: Install, glass: Glass) -> None:
    install(GOOD)
    arms = ["--arm", "quic-datagram:control=careful", "--arm", "quic-datagram:control=reno"]
    measured = outcomes(
        glass("compare", *arms, "--source", "lognormal", "--duration", "2s", "--workers", "1", "--json")
    )
    assert {outcome for outcome, _ in measured.values()} == {"measured"}
    refused = glass("compare", "--arm", "quic-datagram:control=careless", "--duration", "1s")
    assert f"control must be {', '.join(CONTROLLERS.own)} or careful, got 'careless'" in refused.err


def test_an_option_of_such_an_arm_is_checked_as_ours_are(install: Install, glass: Glass) -> None:
    install(GOOD)
    done = glass("compare", "--arm", "mine:reorder_window=-1", "--duration", "1s")
    assert done.code == 2
    assert "transport mine: reorder_window must be" in done.err


def test_a_package_is_loaded_once_and_not_for_what_is_ours(install: Install, glass: Glass, site: Path) -> None:
    install(GOOD)
    ours = ["compare", "--arm", "udp", "--source", "lognormal", "--duration", "1s", "--workers", "1", "--json"]
    outcomes(glass(*ours))
    assert not (site / "loads").exists()
    glass("list", "transports")
    assert (site / "loads").read_text() == "1"


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (
            {"mine": "mine:GONE"},
            "mine = mine:GONE: it cannot be imported, AttributeError: module 'mine' has no attribute",
        ),
        ({"yours": "mine:MINE"}, "the entry is named 'mine'; both names must be the same"),
        ({"udp": "mine:MINE"}, "Glassbench itself has that name; take another one"),
    ],
)
def test_a_broken_transport_is_one_sentence_with_package_and_entry_point(
    install: Install, glass: Glass, points: dict[str, str], sentence: str
) -> None:
    install({"glassbench.transports": points})
    done = glass("list", "transports")
    assert done.code == 2
    assert done.err.startswith("error: package mine 1.2, entry point glassbench.transports: ")
    assert sentence in done.err
    assert done.err.count("\n") == 1
    ours = glass("compare", "--arm", "udp", "--source", "lognormal", "--duration", "1s", "--workers", "1")
    assert ours.code == 0, "what is ours is measured all the same"


def test_a_broken_element_is_one_sentence_at_the_place_where_it_is_named(install: Install, glass: Glass) -> None:
    install({"glassbench.elements": {"lose-each": "mine:LoseEach"}, "glassbench.transports": {"mine": "mine:MINE"}})
    Path("mine.toml").write_text(SCENARIO)
    done = glass("run", "mine.toml")
    assert done.code == 2
    assert "mine.toml:8: network.down[0].element: " in done.err
    assert "package mine 1.2, entry point glassbench.elements: lose-each = mine:LoseEach: found <class" in done.err


def test_two_packages_with_one_name_are_refused(install: Install, glass: Glass) -> None:
    install(GOOD)
    install({"glassbench.transports": {"mine": "yours:MINE"}}, package="yours")
    done = glass("compare", "--arm", "mine", "--duration", "1s")
    assert done.code == 2
    assert done.err == (
        "error: --arm: package yours 1.2, entry point glassbench.transports: mine = yours:MINE: "
        "package mine 1.2 has that name too; one of them needs another one\n"
    )


def test_an_unknown_arm_is_answered_with_the_names_of_packages_among_ours(install: Install, glass: Glass) -> None:
    install(GOOD)
    done = glass("compare", "--arm", "mime", "--duration", "1s")
    assert done.code == 2
    assert "did you mean 'mine'?" in done.err
