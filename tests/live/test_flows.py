"""Several flows on real sockets: they share one link, and hosts of their own stand on its two sides."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import pytest

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.scenario.toml_text import to_toml
from glassbench.experiments.worlds.live.arm import run_arm as run_arm_live
from glassbench.experiments.worlds.live.emulators import Emulator
from glassbench.experiments.worlds.live.kernel_commands import NotInKernel
from glassbench.experiments.worlds.live.wiring import check_emulator, kernel_commands
from glassbench.experiments.worlds.remote import Remote
from glassbench.experiments.worlds.table import OtherHost
from glassbench.netem.elements.delay import Delay
from glassbench.netem.link_log import LinkLog
from glassbench.netem.live.clock import LiveClock, monotonic_ns
from glassbench.netem.live.device_port import DevicePort
from glassbench.netem.live.emulator import EmulatedLink, EntryPort, emulate, lead
from glassbench.netem.live.lab import Lab
from glassbench.netem.live.lab_plan import host_address, lan
from glassbench.netem.live.namespaces import NamespacesRefused
from glassbench.netem.path import Path as LinkPath

SHARED = {"rate": "4Mbit/s", "queue": "40kB", "delay": "20ms"}
BULK = {"name": "bulk", "transport": "quic-stream:control=cubic", "source": "greedy", "start": "500ms"}


def scenario(*flows: dict[str, Any], duration: str = "3s", **fields: Any) -> Scenario:
    content = {"name": "flows", "duration": duration, "arms": ["quic-datagram"], "network": SHARED}
    video = {"source": "lognormal", "bitrate": "1Mbit/s"}
    return build({**content, "video": video, "flow": list(flows), **fields})


def live(plan: Scenario, emulator: Emulator) -> ArmResult:
    """Run it however busy the machine is: tests share it with others."""
    try:
        check_emulator(emulator, plan)
    except OSError as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as monkeypatch:
        for limit in ("MOST_LATE_MS", "LONGEST_PAUSE", "MOST_PAUSED"):
            monkeypatch.setattr(f"glassbench.experiments.worlds.live.arm.{limit}", 1e6)
        return run_arm_live(plan, plan.arms[0], None, emulator=emulator)


def conserved(result: ArmResult) -> None:
    """Bytes and packets of the flows are those of their links, and those of a link add up."""
    assert result.links is not None and result.flows is not None
    keys = ["segment", "direction", "at"]
    parts = result.flows.groupby(keys)[["sent_bytes", "delivered_bytes"]].sum()
    links = result.links.set_index(keys)
    assert (parts == links.loc[parts.index, ["sent_bytes", "delivered_bytes"]]).all(axis=None)
    for name, impairments in result.impairments.items():
        path = impairments["path"]
        assert path["pushed"] == path["popped"] + path["dropped"] + path["lost"] + path["inside"], name
        assert impairments["refused"] == 0, name
    gone = sum(each["path"]["dropped"] + each["path"]["lost"] for each in result.impairments.values())
    assert result.flows["missing_packets"].sum() == gone


@pytest.fixture(scope="module", params=["netns", "relay"])
def shared(request: pytest.FixtureRequest) -> ArmResult:
    """A call, and a bulk transfer that comes half a second later, over one link."""
    return live(scenario(BULK), cast(Emulator, request.param))


def test_every_frame_of_both_flows_has_a_fate(shared: ArmResult) -> None:
    assert (shared.outcome, shared.reason) == ("measured", None)
    assert shared.ledger is not None
    counts = shared.ledger.groupby(["flow", "track"]).size()
    assert counts["media", 0] == 90 and counts["bulk", 2] > 10
    assert shared.ledger["fate"].notna().all()
    captured = shared.ledger[shared.ledger["flow"] == "bulk"]["captured_at"]
    assert captured.min() >= 0.5 and captured.max() < 3.0
    displayed = shared.ledger[shared.ledger["fate"] == "displayed"].groupby("flow").size()
    assert displayed["media"] > 45 and displayed["bulk"] > 10  # all of them, on a machine that has time


def test_packets_of_both_flows_are_conserved_on_the_link_that_they_share(shared: ArmResult) -> None:
    conserved(shared)
    assert shared.flows is not None
    totals = shared.flows.groupby(["flow", "direction"])[["sent_packets", "delivered_packets", "missing_packets"]].sum()
    assert set(totals.index) == {(flow, way) for flow in ("media", "bulk") for way in ("down", "up")}
    assert (totals["delivered_packets"] > 0).all()
    assert (totals["sent_packets"] >= totals["delivered_packets"] + totals["missing_packets"]).all()
    before = shared.flows[(shared.flows["flow"] == "bulk") & (shared.flows["at"] < -1.6)]
    assert before["sent_packets"].sum() == 0  # it connects half a second later, too


def test_the_link_delays_both_and_limits_what_they_get_together(shared: ArmResult) -> None:
    assert shared.ledger is not None and shared.flows is not None
    transit = shared.ledger["first_arrival_at"] - shared.ledger["first_sent_at"]
    assert transit.groupby(shared.ledger["flow"]).min().min() >= 0.020
    down = shared.flows[shared.flows["direction"] == "down"]
    for second in (0, 1, 2):
        within = down[down["at"].between(second - 0.01, second + 0.99)]
        assert within["delivered_bytes"].sum() * 8 <= 4e6 * 1.1 + 1500 * 8  # a row more than a second, or less
    assert 0 < shared.summary["jain"] <= 1


def test_each_part_of_each_flow_tells_how_it_ran(shared: ArmResult) -> None:
    assert set(shared.stats["live"]) == {
        *("attempt", "machine", "emulator"),
        *("sender", "receiver", "bulk sender", "bulk receiver"),
    }
    bulk = shared.stats["flows"]["bulk"]
    assert bulk["connection"]["receiver"]["connected_at"] is not None and bulk["sender"]
    lateness = shared.stats["live"]["emulator"]["lateness"]
    assert {way: late["packets"] for way, late in lateness.items()} == {
        way: each["path"]["popped"] for way, each in shared.impairments.items()
    }


@pytest.mark.quiet
def test_a_call_beside_a_bulk_transfer_waits_in_the_queue_that_both_fill() -> None:
    result = live(scenario(BULK, duration="4s"), "netns")
    assert result.ledger is not None
    media = result.ledger[result.ledger["flow"] == "media"]
    transit = (media["first_arrival_at"] - media["first_sent_at"]).to_numpy()
    at = media["captured_at"].to_numpy()
    assert min(transit[at < 0.4]) < 0.030 < max(transit[at > 1.0])
    assert max(transit[at > 1.0]) <= 0.020 + 40_000 * 8 / 4e6 + 0.040
    assert result.summary["utilisation"] > 0.8 and result.summary["queue_p50_ms"] > 10


def test_hosts_of_their_own_and_the_other_direction_have_their_delay() -> None:
    back = {"name": "back", "transport": "rtp", "rate": "300kbit/s", "from": "camera", "to": "sender"}
    third = {"name": "third", "transport": "srt:latency_ms=50", "rate": "300kbit/s", "from": "studio", "to": "camera"}
    network = {"rate": "4Mbit/s", "delay": "10ms", "far": {"delay": "30ms"}}
    plan = scenario({**back, "over": ["far", "network"]}, third, network=network, duration="1s")
    result = live(plan, "netns")
    assert (result.outcome, result.reason) == ("measured", None)
    assert result.ledger is not None and result.flows is not None
    conserved(result)
    counts = result.ledger.groupby("flow").size()
    assert (counts == 30).all() and len(counts) == 3
    transit = result.ledger["first_arrival_at"] - result.ledger["first_sent_at"]
    least = transit.groupby(result.ledger["flow"]).min()
    assert least["media"] >= 0.010 and least["third"] >= 0.010 and least["back"] >= 0.040
    assert set(result.impairments) == {"down", "up", "far down", "far up"}
    bytes_of = result.flows.groupby(["flow", "segment", "direction"])["delivered_bytes"].sum()
    assert bytes_of["back", "network", "up"] > 10 * bytes_of["back", "network", "down"] > 0
    assert bytes_of["third", "network", "down"] > 10 * bytes_of["third", "network", "up"]
    assert bytes_of["back", "far", "up"] == bytes_of["back", "network", "up"] and bytes_of["media", "far"].sum() == 0
    lateness = result.stats["live"]["emulator"]["lateness"]
    for way, each in result.impairments.items():
        assert lateness[way].get("packets", 0) == each["path"]["popped"], way  # also of those that go on to a link


@pytest.fixture
def three() -> Iterator[tuple[Lab, dict[str, DevicePort], EmulatedLink]]:
    """Hosts a, b and c: a sends flow 0 to b and flow 1 to c, over one link; the emulator runs."""
    clock = LiveClock(monotonic_ns())
    with ExitStack() as cleanup:
        try:
            lab = Lab(lan({"a": [5004, 5006], "b": [5004], "c": [5006]}), cleanup)
        except NamespacesRefused as error:
            pytest.skip(str(error))
        ports = {name: DevicePort(port, clock, {5004: 0, 5006: 1}) for name, port in lab.ports.items()}
        path = LinkPath([Delay(0.02)])
        link = EmulatedLink(path, LinkLog(path, start_at=clock.now(), flows=2))
        for flow, host in enumerate("bc"):
            lead([link], ports[host], flow)
        first = {"a": {0: link, 1: link}}
        entries = [EntryPort(port, first.get(name, {})) for name, port in ports.items()]
        over = threading.Event()
        options = {"until": clock.now() + 60, "done": over.is_set}
        thread = threading.Thread(target=emulate, args=(entries, [link], clock), kwargs=options)
        thread.start()
        try:
            time.sleep(0.2)  # until the kernel stamps
            yield lab, ports, link
        finally:
            over.set()
            thread.join()


def heard(plain: socket.socket, count: int) -> list[tuple[bytes, str]]:
    """The datagrams that come, each with the host that it is from; at most `count`."""
    plain.settimeout(10.0)
    return [(data, peer[0]) for data, peer in (plain.recvfrom(2000) for _ in range(count))]


def test_three_hosts_reach_each_other_only_as_their_flows_lead(
    three: tuple[Lab, dict[str, DevicePort], EmulatedLink], wait_for: Callable[..., Any]
) -> None:
    lab, ports, link = three
    a, b, c = (host_address(number) for number in (1, 2, 3))
    begun = time.monotonic()
    to_b, to_c = lab.sockets["a"]
    to_b.sendto(b"to b", (b, 5004))
    to_c.sendto(b"to c", (c, 5006))
    assert heard(lab.sockets["b"][0], 1) == [(b"to b", a)] and heard(lab.sockets["c"][0], 1) == [(b"to c", a)]
    assert time.monotonic() - begun >= 0.02
    to_b.sendto(b"of no flow", (b, 5005))
    wait_for(lambda: ports["a"].foreign >= 1, "the packet of no flow")
    lab.sockets["b"][0].sendto(b"no way leads from here", (a, 5004))
    to_b.sendto(b"the last", (b, 5004))
    assert heard(lab.sockets["b"][0], 1) == [(b"the last", a)]
    to_b.setblocking(False)
    with pytest.raises(BlockingIOError):
        to_b.recv(100)
    assert link.entered_packets == 3


def test_the_kernel_and_other_hosts_refuse_several_flows_in_a_sentence() -> None:
    plan = scenario(BULK)
    with pytest.raises(NotInKernel, match="the kernel's link is for one flow over one segment; accepted is --emulator"):
        kernel_commands(plan)
    with pytest.raises(NotInKernel, match="one flow over one segment"):
        kernel_commands(scenario({"name": "media", "over": ["far", "network"]}, network={**SHARED, "far": SHARED}))
    with pytest.raises(ValueError, match="several flows share a network in virtual time and on this machine"):
        OtherHost(Remote("192.0.2.1", 9, "key")).check(plan, capture=False)
    with pytest.raises(ValueError, match="so that no greedy source sends to it"):
        OtherHost(Remote("192.0.2.1", 9, "key")).check(scenario({"name": "media", "source": "greedy"}), capture=False)


def test_the_command_says_that_the_kernel_is_for_one_flow_and_ends_with_2(glass: Callable[..., Any]) -> None:
    Path("flows.toml").write_text(to_toml(scenario(BULK).dump()))
    ended = glass("run", "flows.toml", "--live", "--emulator", "kernel")
    assert (ended.code, ended.out) == (2, "")
    assert "the kernel's link is for one flow over one segment; accepted is" in " ".join(ended.err.split())
    assert "Traceback" not in ended.err and not Path("results").exists()
