"""The kernel as the emulator: what it is told, what it cannot do, and, as far as this kernel goes, what it does."""

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from glassbench import run
from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.worlds.live.kernel_commands import NotInKernel
from glassbench.experiments.worlds.live.wiring import kernel_commands
from glassbench.netem.live.lab import Lab
from glassbench.netem.live.lab_plan import lan
from glassbench.netem.live.namespaces import NamespacesRefused

ROOT = Path(__file__).parents[2]
GLASS = "import sys; from glassbench.experiments.cli.main import main; sys.exit(main())"
NETEM = "tc qdisc add dev to-sender root netem"


def scenario(network: dict[str, Any], duration: str = "2s") -> Scenario:
    video = {"source": "lognormal", "bitrate": "1Mbit/s"}
    return build({"name": "kernel", "duration": duration, "arms": ["udp"], "video": video, "network": network})


def both_ways(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"down": list(elements), "up": list(elements)}


def refuses(*commands: str) -> str:
    """What this kernel says against these commands; empty if nothing."""
    try:
        with ExitStack() as cleanup:
            Lab(lan({"sender": [], "receiver": []}), cleanup, kernel=commands)
    except NamespacesRefused as error:
        return str(error)
    return ""


@pytest.fixture
def bucket() -> None:
    """A kernel with namespaces and TBF."""
    if said := refuses(*kernel_commands(scenario({"rate": "8Mbit/s"}))["down"]):
        pytest.skip(said)


def test_a_short_form_is_netem_before_a_token_bucket_in_both_directions() -> None:
    commands = kernel_commands(scenario({"rate": "12Mbit/s", "queue": "300kB", "delay": "20ms"}))
    assert commands["down"] == [
        "tc qdisc add dev to-receiver root handle 1: netem limit 100000 delay 20000us",
        "tc qdisc add dev to-receiver parent 1:1 handle 2: stab overhead -14 "
        "tbf rate 12000000bit burst 1514 limit 300000",
    ]
    assert commands["up"] == [line.replace("to-receiver", "to-sender") for line in commands["down"]]


@pytest.mark.parametrize(
    ("element", "words"),
    [
        ({"element": "random-loss", "probability": "1%"}, "loss random 1%"),
        ({"element": "gilbert-elliott", "mean_loss": "10%", "mean_burst": 4.0}, "loss gemodel 2.77778% 25%"),
        ({"element": "duplication", "probability": "0.5%"}, "duplicate 0.5%"),
        (
            {"element": "random-delay", "mean": "10ms", "deviation": "2ms", "reorder": True},
            "delay 10000us 2000us distribution normal",
        ),
    ],
)
def test_elements_of_netem_are_said_in_its_words(element: dict[str, Any], words: str) -> None:
    (line,) = kernel_commands(scenario(both_ways(element)))["down"]
    assert line == f"tc qdisc add dev to-receiver root handle 1: netem limit 100000 {words}"


def test_a_bottleneck_alone_is_the_root() -> None:
    (line,) = kernel_commands(scenario({"rate": "8Mbit/s", "queue": "100kB"}))["up"]
    assert line.startswith("tc qdisc add dev to-sender root handle 2: stab overhead -14 tbf ")


@pytest.mark.parametrize(
    ("network", "named"),
    [
        ({"trace": "lte-driving"}, "'trace'"),
        ({"delay": "1ms", "jitter": "1ms"}, "'jitter'"),
        ({"rate": "8Mbit/s", "queue": {"discipline": "codel"}}, "codel"),
        ({"rate": "8Mbit/s", "queue": {"packets": 100}}, "packets"),
        (both_ways({"element": "delay", "delay": "1ms"}, {"element": "delay", "delay": "2ms"}), "one delay"),
        (both_ways({"element": "rate", "rate": "1Mbit/s"}, {"element": "rate", "rate": "2Mbit/s"}), "one bottleneck"),
        (both_ways(), "no element"),
    ],
)
def test_what_the_kernel_cannot_emulate_is_named(network: dict[str, Any], named: str) -> None:
    with pytest.raises(NotInKernel, match=named):
        kernel_commands(scenario(network))


def test_a_kernel_without_netem_is_refused_with_the_command_and_the_way_out(tmp_path: Path) -> None:
    if not (said := refuses(NETEM)):
        pytest.skip("this kernel has netem")
    (tmp_path / "plain.toml").write_text(
        'name = "plain"\narms = ["udp"]\nduration = "1s"\n[video]\nsource = "lognormal"\n[network]\ndelay = "5ms"\n'
    )
    command = ["run", "plain.toml", "--live", "--emulator", "kernel"]
    done = subprocess.run(
        [sys.executable, "-c", GLASS, *command],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    heard = " ".join(done.stderr.split())
    if "refuses network namespaces" not in said:
        assert "root handle 1: netem limit 100000 delay 5000us" in heard
        assert "--emulator netns" in heard
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.usefixtures("bucket")
def test_tc_is_found_where_ordinary_users_do_not_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert refuses(*kernel_commands(scenario({"rate": "8Mbit/s"}))["down"]) == ""


def test_a_missing_program_is_said_with_what_to_install() -> None:
    said = refuses("no-such-tc qdisc")
    assert said == "there is no no-such-tc here: apt install iproute2" or "refuses network namespaces" in said


@pytest.mark.quiet
@pytest.mark.usefixtures("bucket")
def test_a_bottleneck_of_the_kernel_limits_the_rate_and_its_counters_are_conserved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("glassbench.experiments.worlds.live.arm.LONGEST_PAUSE", 1e6)  # others use this machine
    monkeypatch.setattr("glassbench.experiments.worlds.live.arm.MOST_PAUSED", 1e6)
    plan = scenario({"rate": "600kbit/s", "queue": "20kB"})  # of 1 Mbit/s
    measured = run(plan, results=tmp_path, world="kernel").run()
    assert [(arm["outcome"], arm["reason"]) for arm in measured.records] == [("measured", None)]
    assert measured.manifest["world"] == "real time, between network namespaces, emulated by the kernel"
    down = measured.records[0]["impairments"]["down"]
    assert down["commands"] == kernel_commands(plan)["down"]
    path = down["path"]
    assert path["pushed"] == path["popped"] + path["dropped"] > 0
    assert path["dropped"] > 0
    assert down["unaccounted"] == path["lost"] == path["duplicated"] == path["inside"] == 0
    rows = measured.links[(measured.links["direction"] == "down") & measured.links["at"].between(0.5, 1.4)]
    assert rows["delivered_bytes"].sum() == pytest.approx(rows["capacity_bytes"].sum(), rel=0.1)
    assert 0 < measured.records[0]["summary"]["displayed"] < 60


@pytest.mark.usefixtures("bucket")
def test_captures_are_refused_since_the_kernel_keeps_no_packets(tmp_path: Path) -> None:
    with pytest.raises(NotInKernel, match="keeps no packets"):
        run(scenario({"rate": "8Mbit/s"}), results=tmp_path, world="kernel", capture=True)
    assert list(tmp_path.iterdir()) == []
