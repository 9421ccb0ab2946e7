"""Flows that share a network in virtual time: what each gets, and what does not change for the others."""

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.scenario import build
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.links import open_links
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import _Session, run_arm
from glassbench.experiments.worlds.world import Watch
from glassbench.netem.elements.loss_episodes import LossEpisodes
from glassbench.netem.packet import Packet
from glassbench.netem.simulator import START_AT
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache

BULK = {"name": "bulk", "transport": "quic-stream:control=cubic", "source": "greedy", "start": "500ms"}
LOSSY = {"rate": "4Mbit/s", "queue": "40kB", "delay": "10ms", "loss": "3%", "loss_duration": "10ms"}


def run(*flows: dict[str, Any], arm: str = "quic-datagram", **fields: Any) -> ArmResult:
    content = {
        "name": "flows",
        "seed": 7,
        "duration": "3s",
        "arms": [arm],
        "video": {"source": "lognormal", "bitrate": "1Mbit/s", "encode_cost": "none", "decode_cost": "none"},
        "network": LOSSY,
    }
    plan = build({**content, **({"flow": list(flows)} if flows else {}), **fields})
    with EncodeCache(None) as cache:
        return run_arm(plan, plan.arms[0], Reuse(cache, QualityMemo()), quality=False)


def by_flow(result: ArmResult) -> dict[str, dict[str, Any]]:
    return {str(record["flow"]): dict(record) for record in result.flow_numbers}


@pytest.fixture(scope="module")
def shared() -> ArmResult:
    """A call and a bulk transfer over one lossy link, and a call the other way."""
    back = {"name": "back", "transport": "rtp", "rate": "300kbit/s", "from": "receiver", "to": "sender", "stop": "2s"}
    return run(BULK, back, chat={})


def test_every_frame_of_every_flow_has_its_fate(shared: ArmResult) -> None:
    assert shared.ledger is not None
    counts = shared.ledger.groupby(["flow", "track"]).size()
    assert counts["media", 0] == 90 and counts["media", 1] == 15
    assert counts["back", 0] == 60 and counts["bulk", 2] > 10
    assert shared.ledger["fate"].notna().all()
    assert shared.ledger.loc[shared.ledger["flow"] == "bulk", "captured_at"].min() >= 0.5
    assert shared.summary["captured"] == 90 and shared.summary["chat"]["sent"] == 15


def test_packets_are_conserved_by_link_and_by_flow(shared: ArmResult) -> None:
    assert shared.links is not None and shared.flows is not None
    keys = ["segment", "direction", "at"]
    sums = shared.flows.groupby(keys)[["sent_bytes", "delivered_bytes"]].sum()
    links = shared.links.set_index(keys)
    assert (sums == links.loc[sums.index, ["sent_bytes", "delivered_bytes"]]).all(axis=None)
    gone = links["dropped_packets"].sum() + links["lost_packets"].sum()
    assert shared.flows["missing_packets"].sum() == gone > 0
    totals = shared.flows.groupby(["flow", "direction"])[["sent_packets", "delivered_packets", "missing_packets"]].sum()
    assert len(totals) == 6 and (totals["sent_packets"] > 0).all()
    left = totals["sent_packets"] - totals["delivered_packets"] - totals["missing_packets"]
    assert (left >= 0).all() and left.sum() <= 5  # on their way at the end


def test_the_numbers_of_a_flow_are_of_its_own_packets(shared: ArmResult) -> None:
    assert shared.flows is not None
    numbers = by_flow(shared)
    assert list(numbers) == ["media", "bulk", "back"]
    for name, way in (("media", "down"), ("bulk", "down"), ("back", "up")):
        rows = shared.flows[
            (shared.flows["flow"] == name) & (shared.flows["direction"] == way) & (shared.flows["at"] >= 0)
        ]
        start, stop = {"media": (0, 3), "bulk": (0.5, 3), "back": (0, 2)}[name]
        sent = rows.loc[rows["at"] >= start, "sent_bytes"].sum() * 8 / (stop - start) / 1e6
        assert numbers[name]["sent_mbps"] == pytest.approx(sent, rel=1e-5)
        assert 0 < numbers[name]["goodput_mbps"] < numbers[name]["sent_mbps"]
    assert shared.summary["sent_mbps"] == pytest.approx(numbers["media"]["sent_mbps"], rel=1e-5)
    assert (numbers["back"]["from"], numbers["back"]["to"]) == ("receiver", "sender")


@pytest.mark.parametrize("start", ["50ms", "990ms", "999ms", "999999us"])
def test_a_flow_that_starts_within_a_window_has_all_its_packets(start: str) -> None:
    call = {"name": "call", "transport": "rtp", "rate": "500kbit/s", "start": start}
    result = run(call, duration="1s", network={"rate": "4Mbit/s", "delay": "10ms"})
    numbers = by_flow(result)["call"]
    assert numbers["captured"] == numbers["displayed"] > 0 and numbers["missing"] == 0
    assert numbers["goodput_mbps"] < numbers["sent_mbps"] < 1.3 * numbers["goodput_mbps"] + 0.05
    late = run({"name": "media", "start": start}, duration="1s", network={"rate": "4Mbit/s", "delay": "10ms"})
    assert late.summary["sent_mbps"] == pytest.approx(by_flow(late)["media"]["sent_mbps"], abs=1e-6)


def test_decoded_pictures_are_kept_of_the_flow_that_is_looked_at_alone() -> None:
    pictures = {"source": "synthetic", "width": 160, "height": 90, "bitrate": "200kbit/s"}
    plan = build(
        {
            **{"name": "kept", "duration": "200ms", "arms": ["udp"], "video": pictures, "network": {"delay": "5ms"}},
            "flow": [{"name": "call", "transport": "udp"}],
        }
    )
    with EncodeCache(None) as cache:
        session = _Session(plan, plan.arms[0], cache, None)
        session.run(Watch())
    kept = {flow.ends.flow.name: len(flow.receiver.decoded) for flow in session._flows}
    assert kept["media"] > 0 and kept["call"] == 0


def test_two_flows_that_share_a_segment_have_jains_index_of_their_rates(shared: ArmResult) -> None:
    assert shared.flows is not None and shared.links is not None
    rows = shared.flows[(shared.flows["direction"] == "down") & shared.flows["at"].between(0.49, 2.99)]
    rates = rows[rows["flow"] != "back"].groupby("flow")["delivered_bytes"].sum().to_numpy(dtype=float)
    assert shared.summary["jain"] == pytest.approx(rates.sum() ** 2 / (2 * (rates**2).sum()), rel=1e-5)
    assert 0.5 < shared.summary["jain"] < 1 and 0.5 < shared.summary["utilisation"] <= 1.001
    assert run().summary["jain"] is None


def test_the_same_scenario_gives_the_same_tables_byte_for_byte(shared: ArmResult) -> None:
    back = {"name": "back", "transport": "rtp", "rate": "300kbit/s", "from": "receiver", "to": "sender", "stop": "2s"}
    again = run(BULK, back, chat={})
    for name in ("ledger", "links", "flows", "estimates"):
        tables = [getattr(result, name) for result in (shared, again)]
        texts = [table.to_csv(index=False) for table in tables]
        assert texts[0] == texts[1] and len(texts[0]) > 1000, name


def test_a_flow_that_starts_later_leaves_the_dice_of_the_network_alone() -> None:
    def bad_moments(*flows: dict[str, Any], **network: Any) -> list[bool]:
        content = {"name": "dice", "seed": 3, "duration": "2s", "arms": ["udp"], "video": {"source": "lognormal"}}
        plan = build({**content, "network": {**LOSSY, **network}, **({"flow": list(flows)} if flows else {})})
        link = open_links(plan, start_at=START_AT, media_start=MEDIA_START)["network", "down"]
        (episodes,) = (element for element in link.path.elements if isinstance(element, LossEpisodes))
        instants = (START_AT + np.arange(4000) * 1e-3).tolist()
        return [episodes.loses(Packet(b"", ("a", 1), ("b", 2), 0, 100, 0, at, at)) for at in instants]

    alone = bad_moments()
    assert any(alone)
    assert bad_moments({**BULK, "start": "1s"}) == alone
    assert bad_moments({**BULK, "over": ["far", "network"]}, far={"delay": "5ms", "loss": "10%"}) == alone


def test_a_flow_that_has_not_begun_changes_nothing_of_the_others() -> None:
    """Until the other one connects, each instant is the same to the last bit."""
    alone, beside = run(), run({**BULK, "start": "2500ms"})
    assert alone.ledger is not None and beside.ledger is not None
    media = beside.ledger[beside.ledger["flow"] == "media"].reset_index(drop=True)
    early = alone.ledger["captured_at"] < 0.4
    pd.testing.assert_frame_equal(media[early], alone.ledger[early], check_exact=True)
    assert not media.equals(alone.ledger)


def test_a_segment_of_its_own_is_a_delay_of_its_own() -> None:
    far = {"name": "far-away", "transport": "quic-datagram", "over": ["far", "network"]}
    result = run(far, network={"delay": "10ms", "far": {"delay": "30ms"}})
    assert result.ledger is not None
    transit = result.ledger["first_arrival_at"] - result.ledger["first_sent_at"]
    assert transit[result.ledger["flow"] == "media"].min() == pytest.approx(0.01, abs=1e-9)
    assert transit[result.ledger["flow"] == "far-away"].min() == pytest.approx(0.04, abs=1e-9)
    assert set(result.impairments) == {"down", "up", "far down", "far up"}


def test_a_bulk_transfer_fills_the_link_and_rests_in_its_pauses() -> None:
    pauses = {"name": "media", "source": "greedy", "pauses": [["1s", "2s"]]}
    result = run(pauses, arm="quic-stream:control=cubic", network={"rate": "4Mbit/s", "queue": "40kB", "delay": "10ms"})
    assert result.ledger is not None and result.flows is not None
    captured = result.ledger["captured_at"]
    assert not captured.between(1.0, 2.0, inclusive="left").any() and (captured >= 2.0).any()
    down = result.flows[result.flows["direction"] == "down"].set_index("at")["delivered_bytes"] * 8 / 0.1 / 1e6
    assert down[0.6:0.85].min() > 3.9 and down[1.55:1.85].max() < 0.1 and down[2.7:2.95].min() > 3.9
    assert (result.ledger["fate"] == "displayed").all()
    assert result.summary["captured"] == 0 and result.summary["g2g_p95_ms"] is None


def test_a_bulk_transfer_waits_where_its_transport_has_no_room() -> None:
    narrow = "quic-stream:control=cubic,queue_bytes=20000"
    result = run({"name": "media", "source": "greedy"}, arm=narrow, duration="1s")
    assert result.ledger is not None
    dropped = result.ledger[result.ledger["fate"] == "dropped"]
    assert 0 < len(dropped) < 1200 and (result.ledger["fate"] == "displayed").any()


def test_estimates_are_of_flows_with_congestion_control_of_ours() -> None:
    result = run(BULK, {"name": "plain", "transport": "udp"})
    assert result.estimates is not None
    assert set(result.estimates["flow"]) == {"media", "bulk"}
    assert (result.estimates.groupby("flow")["at"].diff().dropna() >= 0.1 - 1e-9).all()
    assert (result.estimates[["target_bps", "window_bytes", "in_flight_bytes", "rtt_ms"]] > 0).all(axis=None)
    assert io.StringIO(result.estimates.to_csv(index=False)).readline().startswith("flow,at,target_bps")


@pytest.mark.parametrize("arm", ["rtp", "srt:latency_ms=200", "quic-datagram", "quic-stream", "quic-stream-per-frame"])
def test_a_frame_of_which_bytes_left_again_is_marked_as_repaired(arm: str) -> None:
    result = run(arm=arm, network={**LOSSY, "loss": "8%"})
    assert result.ledger is not None
    marks = result.ledger["repaired"].value_counts()
    assert set(marks.index) == {"", "rtx"} and 0 < marks["rtx"] < len(result.ledger) / 2
    clean = run(arm=arm, network={"rate": "4Mbit/s", "delay": "10ms"})
    assert clean.ledger is not None and (clean.ledger["repaired"] == "").all()
    assert (clean.ledger["target_bps"] == 1e6).all()


def test_notes_name_a_flow_that_never_connected_and_a_segment_that_none_passes() -> None:
    lost = {"element": "random-loss", "probability": "100%"}
    deaf = {"name": "deaf", "transport": "quic-datagram", "over": ["wall"]}
    network = {"delay": "5ms", "wall": {"down": [lost], "up": [lost]}, "spare": {"delay": "5ms"}}
    result = run(deaf, duration="500ms", network=network)
    assert any(note.startswith("flow 'deaf' never connected: ") for note in result.notes)
    assert "no flow passes the segment 'spare'" in result.notes
    assert not any("segment 'wall'" in note or "closed" in note for note in result.notes)


def test_what_a_segment_of_another_flow_does_is_not_said_of_media() -> None:
    small = [{"element": "size-limit", "largest": "300B"}]
    far = {"name": "far-away", "transport": "rtp", "over": ["far", "network"]}
    result = run(far, arm="rtp", network={"delay": "10ms", "far": {"down": small, "up": []}})
    assert result.impairments["far down"]["path"]["dropped"] > 0
    assert not [note for note in result.notes if "larger than the path carries" in note or "far" in note]
    (own,) = [note for note in run(arm="rtp", network={"down": small, "up": []}).notes if "larger than" in note]
    assert own.startswith("packets that were larger than the path carries were lost")
