"""Flows and segments in a scenario: what is accepted, what is refused, and how flows cross the network."""

from typing import Any

import pytest

from glassbench.experiments.scenario import Scenario, ScenarioError, build
from glassbench.experiments.scenario.spec import parse
from glassbench.experiments.scenario.title import title
from glassbench.experiments.scenario.toml_text import to_toml

BULK = {"name": "bulk", "transport": "quic-stream:control=cubic", "source": "greedy"}


def scenario(*flows: dict[str, Any], **fields: Any) -> Scenario:
    content = {
        "name": "flows",
        "duration": "10s",
        "arms": ["quic-datagram"],
        "video": {"source": "lognormal"},
        "network": {"rate": "5Mbit/s", "delay": "10ms", "far": {"delay": "30ms"}},
    }
    return build({**content, **({"flow": list(flows)} if flows else {}), **fields})


def test_without_flows_there_is_one_from_sender_to_receiver_over_the_network() -> None:
    plain = scenario()
    (flow,) = plain.flows(plain.arms[0])
    (route,) = plain.routes()
    assert (flow.name, flow.arm, flow.start, flow.stop) == ("media", plain.arms[0], 0.0, 10.0)
    assert (route.source_host, route.destination_host, route.over) == ("sender", "receiver", ("network",))
    assert "flow" not in plain.dump()


def test_a_flow_has_its_own_transport_source_rate_times_and_route() -> None:
    call = {
        "name": "call",
        "transport": "rtp",
        "rate": "500kbit/s",
        "start": "2s",
        "stop": "9s",
        "from": "b",
        "to": "sender",
    }
    plan = scenario({**call, "over": ["far", "network"]}, {**BULK, "pauses": [["3s", "4s"]]}, chat={})
    media, own, bulk = plan.flows(plan.arms[0])
    assert (own.arm.transport, own.video.bitrate, own.start, own.stop, own.chat) == ("rtp", 5e5, 2.0, 9.0, None)
    assert media.video == plan.video and media.chat == plan.chat
    assert bulk.greedy and bulk.pauses == ((3.0, 4.0),) and not bulk.has_pictures
    _, there, _ = plan.routes()
    assert (there.over, there.direction, there.back) == (("far", "network"), "up", "down")


def test_what_is_written_as_toml_is_the_same_scenario() -> None:
    plan = scenario(
        {**BULK, "start": "1500ms", "pauses": [["3s", "4s"]], "over": ["far", "network"]}, {"name": "media"}
    )
    assert parse(to_toml(plan.dump()), "x.toml") == plan


def test_the_flow_media_can_be_a_bulk_transfer_and_has_no_floor_then() -> None:
    plan = scenario({"name": "media", "source": "greedy"})
    assert not plan.has_floor and not plan.has_pictures
    assert title(plan) == "a bulk transfer, 10 s over 5 Mbit/s, 10 ms each way, 150 kB"


def test_the_floor_is_alone_in_its_network() -> None:
    floor = scenario(BULK, {"name": "media", "over": ["far", "network"]}).floor()
    (route,) = floor.routes()
    assert route.over == ("far", "network")
    assert title(scenario(BULK)).endswith("beside 1 other flow, 10 ms each way, 150 kB")


def test_hosts_are_on_the_side_that_their_flows_need() -> None:
    plan = scenario(
        {"name": "x", "transport": "udp", "from": "a", "to": "receiver"},
        {"name": "y", "transport": "udp", "from": "b", "to": "a"},
        {"name": "z", "transport": "udp", "from": "c", "to": "d"},
    )
    assert [route.direction for route in plan.routes()] == ["down", "down", "up", "down"]


def test_a_network_of_named_segments_needs_a_route_unless_there_is_one() -> None:
    network = {"cell": {"rate": "5Mbit/s"}}
    assert scenario(network=network).routes()[0].over == ("cell",)
    with pytest.raises(ScenarioError, match="flow 'media' needs 'over': which of the segments cell, dsl it passes"):
        scenario(network={**network, "dsl": {"delay": "5ms"}})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"over": ["near"]}, r"flow\[0\]\.over: unknown segment 'near'; accepted: network, far"),
        ({"over": ["far", "far"]}, r"flow\[0\]\.over: a flow passes each segment once"),
        ({"start": "11s"}, r"flow\[0\]\.start: the media of the scenario last 10 s, found 11 s"),
        ({"stop": "11s"}, r"flow\[0\]\.stop: the media of the scenario last 10 s, found 11 s"),
        ({"start": "5s", "stop": "4s"}, r"flow\[0\]\.stop: must be after its start and its last pause, at 5 s"),
        ({"pauses": [["4s", "3s"]]}, r"flow\[0\]\.pauses: pauses are pairs of instants"),
        ({"pauses": [["3s"]]}, r"flow\[0\]\.pauses\[0\]"),
        ({"transport": "udp"}, r"flow\[0\]\.source: a greedy source needs a transport whose congestion control"),
        ({"transport": "quik"}, r"flow\[0\]\.transport: unknown transport 'quik'"),
        ({"transport": None}, "the flow 'bulk' needs a transport"),
        ({"name": "media"}, r"flow\[0\]\.transport: the transports of the flow 'media' are the arms"),
        ({"rate": "1Mbit/s"}, r"flow\[0\]\.rate: a greedy source sends as much as its transport lets it"),
        ({"source": "no.mp4"}, r"flow\[0\]\.source: unknown source 'no.mp4'"),
        ({"source": None, "rate": "1bit/s"}, r"flow\[0\]\.rate: bitrate must be"),
        ({"to": "sender"}, r"flow\[0\]\.to: the flow 'bulk' runs from 'sender' to itself"),
        ({"over": "far"}, r"flow\[0\]\.over: must be a list, found 'far'"),
        ({"over": ["far"]}, r"flow\[0\]\.source: a greedy source needs a limit on its way.*segments far has one down"),
        (
            {"source": "synthetic", "rate": "900Mbit/s"},
            r"flow\[0\]: at this bitrate a run with pictures has at most 8.88889 s, found 10 s",
        ),
        ({"form": "sender"}, r"flow\[0\]\.form: unknown field 'form' \(did you mean 'from'\?\)"),
    ],
)
def test_a_flow_that_cannot_run_is_one_sentence(changes: dict[str, Any], sentence: str) -> None:
    flow = {key: value for key, value in {**BULK, **changes}.items() if value is not None}
    with pytest.raises(ScenarioError, match=sentence):
        scenario(flow)


def test_two_flows_of_one_name_and_hosts_on_one_side_are_refused() -> None:
    with pytest.raises(ScenarioError, match=r"flow\[1\]\.name: two flows are named 'bulk'"):
        scenario(BULK, BULK)
    near = {"name": "x", "transport": "udp", "from": "a", "to": "sender"}
    with pytest.raises(ScenarioError, match=r"flow\[1\]\.to: 'a' and 'receiver' are both on the side of the receiver"):
        scenario(near, {**near, "name": "y", "to": "receiver"})
    with pytest.raises(ScenarioError, match=r"a greedy source needs a transport.*found 'rtp'"):
        scenario({"name": "media", "source": "greedy"}, arms=["quic-stream", "rtp"])
    with pytest.raises(ScenarioError, match="chat: messages go beside video, and the flow 'media' is a bulk transfer"):
        scenario({"name": "media", "source": "greedy"}, chat={})


def test_a_limit_counts_in_the_direction_of_the_media() -> None:
    rate, delay = {"element": "rate", "rate": "5Mbit/s"}, {"element": "delay", "delay": "5ms"}
    network = {"down": [delay], "up": [rate]}
    assert scenario({**BULK, "from": "receiver", "to": "sender"}, network=network)
    with pytest.raises(ScenarioError, match=r"none of the segments network has one down \(trace, rate, policer\)"):
        scenario(BULK, network=network)
    policer = {"element": "policer", "rate": "5Mbit/s", "burst": "20kB"}
    assert scenario(BULK, network={"down": [policer], "up": []})


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        ({"far": {"delai": "5ms"}}, r"network\.far\.delai: unknown field 'delai' \(did you mean 'delay'\?\)"),
        ({"far": {"delay": "5"}}, r"network\.far\.delay: no unit in '5'"),
        ({"network": {"delay": "5ms"}}, r"network\.network: its own fields describe the segment 'network'"),
        ({"far": {"trace_start": "1s"}}, r"network\.far\.trace_start: it is the same for all segments"),
        ({"a b": {}}, r"network\.a b: "),
        ({"far": {"name": "x"}}, r"network\.far: unknown field 'name'"),
        ({f"s{n}": {} for n in range(21)}, "a network has at most 20 segments, found 21"),
    ],
)
def test_a_segment_that_cannot_be_is_one_sentence(network: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ScenarioError, match=sentence):
        scenario(network=network)
