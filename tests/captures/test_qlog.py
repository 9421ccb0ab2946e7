"""The qlogs: what qvis needs to load them (QlogLoaderV2, textsequencejsontoqlog), and that they tell the truth."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glassbench import run
from glassbench.experiments.results.run import Run
from glassbench.experiments.scenario import build
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.transport.quic.qlog import Qlog

FolderOf = Callable[[str], Path]
ReadQlog = Callable[[Path], tuple[dict[str, Any], list[dict[str, Any]]]]

# qlog 0.3: draft-ietf-quic-qlog-quic-events-01 and draft-ietf-quic-qlog-h3-events-01, what aioquic has of them.
EVENTS = {
    "transport": {
        "version_information",
        "alpn_information",
        "parameters_set",
        "packet_sent",
        "packet_received",
        "packet_dropped",
        "datagrams_sent",
        "datagrams_received",
    },
    "recovery": {"metrics_updated", "packet_lost"},
    "security": {"key_updated", "key_retired"},
    "connectivity": {"spin_bit_updated"},
    "http": {"frame_created", "frame_parsed", "stream_type_set"},
    "glassbench": {"controller_updated"},  # ours; the main schema allows others, and tools skip what they do not know
}
PACKET_TYPES = {"initial", "handshake", "1RTT"}
METRICS = {
    "congestion_window",
    "bytes_in_flight",
    "ssthresh",
    "latest_rtt",
    "min_rtt",
    "smoothed_rtt",
    "rtt_variance",
    "pacing_rate",
}
ENDS = [("sender", "client"), ("receiver", "server")]


def named(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event["data"] for event in events if event["name"] == name]


@pytest.mark.parametrize(("end", "role"), ENDS)
def test_qvis_can_load_it(folder_of: FolderOf, quic_arm: str, end: str, role: str, read_qlog: ReadQlog) -> None:
    head, events = read_qlog(folder_of(quic_arm) / f"{end}.sqlog")
    assert head["qlog_version"] == "0.3"
    assert head["qlog_format"] == "JSON-SEQ"
    assert "traces" not in head
    assert head["trace"]["vantage_point"]["type"] == role
    common = head["trace"]["common_fields"]
    assert common["time_format"] == "absolute"
    assert common["protocol_type"] == ["QUIC"]
    assert len(bytes.fromhex(common["ODCID"])) == 8
    assert events
    for event in events:
        assert event.keys() == {"time", "name", "data"}
        category, _, name = event["name"].partition(":")
        assert name in EVENTS[category]
        assert isinstance(event["time"], float) and isinstance(event["data"], dict)
        # qvis complains of these: they belong to `raw` and `header`.
        assert "packet_type" not in event["data"]
        assert not {"packet_size", "payload_length"} & event["data"].get("header", {}).keys()
    times = [event["time"] for event in events]
    assert times == sorted(times)


@pytest.mark.parametrize(("end", "role"), ENDS)
def test_packets_have_what_the_diagrams_draw(
    folder_of: FolderOf, quic_arm: str, end: str, role: str, read_qlog: ReadQlog
) -> None:
    _, events = read_qlog(folder_of(quic_arm) / f"{end}.sqlog")
    sent = {}
    for data in named(events, "transport:packet_sent"):
        assert data["header"]["packet_type"] in PACKET_TYPES
        assert data["raw"]["length"] > 0
        sent[data["header"]["packet_type"], data["header"]["packet_number"]] = data
    for data in [*sent.values(), *named(events, "transport:packet_received")]:
        assert data["frames"], "frames are added after aioquic logs the packet"
        assert all(isinstance(frame["frame_type"], str) for frame in data["frames"])
    for data in named(events, "recovery:packet_lost"):
        assert (data["header"]["packet_type"], data["header"]["packet_number"]) in sent
    (remote,) = [data for data in named(events, "transport:parameters_set") if data["owner"] == "remote"]
    assert remote["initial_max_data"] > 0
    metrics: dict[str, Any] = {}
    for data in named(events, "recovery:metrics_updated"):
        assert data and data.keys() <= METRICS | {"cubic-wmax"}
        assert all(metrics.get(name) != value for name, value in data.items()), "only what changed"
        metrics |= data
    assert metrics.keys() >= {"bytes_in_flight", "smoothed_rtt", "min_rtt", "latest_rtt"}
    if end == "sender" or not quic_arm.endswith("adaptive"):  # a receiver of theirs sends reports without a window
        assert "congestion_window" in metrics


def test_qlog_and_pcapng_tell_the_same(
    folder_of: FolderOf, quic_arm: str, read_qlog: ReadQlog, read_capture: Callable[[bytes], Any]
) -> None:
    capture = read_capture((folder_of(quic_arm) / "link.pcapng").read_bytes())
    for end, out, back in (("sender", "down", "up"), ("receiver", "up", "down")):
        _, events = read_qlog(folder_of(quic_arm) / f"{end}.sqlog")
        for name, interface in (("datagrams_sent", f"{out}, sent"), ("datagrams_received", f"{back}, delivered")):
            logged = [
                (round(event["time"] * 1e6), event["data"]["raw"][0]["payload_length"])
                for event in events
                if event["name"] == f"transport:{name}"
            ]
            assert logged == [(packet.nanoseconds, len(packet.payload)) for packet in capture.at(interface)]


def test_datagrams_are_among_the_frames(folder_of: FolderOf, read_qlog: ReadQlog, captured: Run) -> None:
    _, events = read_qlog(folder_of("quic-datagram") / "sender.sqlog")
    frames = [frame["frame_type"] for data in named(events, "transport:packet_sent") for frame in data["frames"]]
    assert frames.count("datagram") > 200


def test_the_window_is_that_of_our_controller(folder_of: FolderOf, read_qlog: ReadQlog) -> None:
    """aioquic's own is a permit for a few packets."""
    _, events = read_qlog(folder_of("quic-datagram") / "sender.sqlog")
    windows = [
        data["congestion_window"] for data in named(events, "recovery:metrics_updated") if "congestion_window" in data
    ]
    in_flight = [
        data["bytes_in_flight"] for data in named(events, "recovery:metrics_updated") if "bytes_in_flight" in data
    ]
    assert len(set(windows)) > 10
    assert max(in_flight) <= max(windows) + 4 * 1452


def test_the_controller_is_logged_with_what_it_told_at_the_instants_of_the_estimates(
    folder_of: FolderOf, read_qlog: ReadQlog, captured: Run
) -> None:
    estimates = captured.estimates[captured.estimates["arm"] == "quic-datagram"]
    assert len(estimates) > 10
    _, events = read_qlog(folder_of("quic-datagram") / "sender.sqlog")
    logged = [event for event in events if event["name"] == "glassbench:controller_updated"]
    assert [event["data"]["controller"] for event in logged] == ["realtime"] * len(estimates)
    assert [event["time"] / 1e3 - MEDIA_START for event in logged] == pytest.approx(estimates["at"].tolist(), abs=1e-6)
    assert [event["data"]["target_bps"] for event in logged] == pytest.approx(estimates["target_bps"].tolist(), abs=1)
    assert [event["data"]["queue_ms"] for event in logged] == pytest.approx(estimates["queue_ms"].tolist(), abs=1e-5)
    assert not any("frame_budget_bytes" in event["data"] for event in logged), "its encoder asks for none"


def test_the_metrics_are_those_of_the_estimates_at_their_instants(
    folder_of: FolderOf, read_qlog: ReadQlog, captured: Run
) -> None:
    """aioquic logs them when an ACK comes, before the controller hears of it."""
    estimates = captured.estimates[captured.estimates["arm"] == "quic-datagram"]
    _, events = read_qlog(folder_of("quic-datagram") / "sender.sqlog")
    metrics: dict[str, Any] = {}
    seen = []
    for event in events:
        if event["name"] == "recovery:metrics_updated":
            metrics |= event["data"]
        elif event["name"] == "glassbench:controller_updated":
            seen.append((metrics["congestion_window"], metrics["pacing_rate"]))
    expected = zip(estimates["window_bytes"], estimates["pacing_bps"].round(), strict=True)
    assert seen == list(expected)


@pytest.mark.usefixtures("no_pictures")
def test_the_frame_budget_is_logged_where_an_encoder_asks_for_it_and_the_threshold_where_there_is_one(
    tmp_path: Path, read_qlog: ReadQlog
) -> None:
    scenario = build(
        {
            "name": "follows",
            "duration": "2s",
            "arms": ["quic-datagram:control=reno,encoder=follow"],
            "video": {"source": "lognormal", "fps": 25, "bitrate": "3Mbit/s"},
            "network": {"rate": "2Mbit/s", "queue": "20kB", "delay": "10ms"},
        }
    )
    done = run(scenario, results=tmp_path, workers=1, capture=True)
    (folder,) = (done.path / "captures").iterdir()
    _, events = read_qlog(folder / "sender.sqlog")
    logged = named(events, "glassbench:controller_updated")
    budgets = [data["frame_budget_bytes"] for data in logged if "frame_budget_bytes" in data]
    assert len(budgets) > 10
    told = set((done.ledger["target_bps"].dropna() / 8 / 25).round())
    assert {budget for budget in budgets if budget} <= told
    thresholds = [data["ssthresh"] for data in named(events, "recovery:metrics_updated") if "ssthresh" in data]
    assert thresholds and all(threshold > 0 for threshold in thresholds)


def test_nothing_is_held_back_after_a_flush() -> None:
    written: list[str] = []
    qlog = Qlog(written.append, lambda: 1002.0005)
    trace = qlog.start_trace(False, bytes(8))
    frames: list[dict[str, Any]] = []
    trace.log_event(category="transport", event="packet_received", data={"frames": frames})
    assert written == []
    frames.append({"frame_type": "ping"})
    qlog.flush()
    assert len(written) == 1
    head, event = map(json.loads, written[0].split("\x1e")[1:])
    assert head["trace"]["vantage_point"]["type"] == "server"
    assert event == {
        "time": 1002000.5,
        "name": "transport:packet_received",
        "data": {"frames": [{"frame_type": "ping"}]},
    }
    qlog.flush()
    assert len(written) == 1


def test_a_connection_that_never_was_is_not_in_the_log() -> None:
    written: list[str] = []
    qlog = Qlog(written.append, lambda: 1000.0)
    qlog.start_trace(False, bytes(8)).log_event(category="transport", event="packet_dropped", data={})
    qlog.discard()
    qlog.flush()
    assert written == []
    qlog.start_trace(False, b"\x01" * 8).log_event(category="transport", event="packet_sent", data={})
    qlog.flush()
    assert '"ODCID":"0101010101010101"' in written[0]
    assert "packet_dropped" not in written[0]
