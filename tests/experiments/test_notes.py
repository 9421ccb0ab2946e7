"""What is said of an arm beside its numbers: why it shows nothing or little, and what became of its connection."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.account.ledger import join
from glassbench.experiments.account.metrics import PERCENTILES, too_few
from glassbench.experiments.account.notes import with_notes
from glassbench.experiments.cli.show_run import json_object
from glassbench.experiments.engine.repeat import repeat
from glassbench.experiments.engine.runner import run
from glassbench.experiments.results.answer import answer
from glassbench.experiments.results.dataset import load
from glassbench.experiments.results.notes import headlines, told
from glassbench.experiments.results.report.page import page
from glassbench.experiments.results.report.report import report_of
from glassbench.experiments.results.statistics import compare_arms
from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.record import SentRecord

DELAY = {"element": "delay", "delay": "10ms"}


def scenario(*arms: str, duration: str = "1s", network: dict[str, Any] | None = None, **video: Any) -> Scenario:
    return build(
        {
            "name": "notes",
            "duration": duration,
            "arms": list(arms),
            "video": {"source": "lognormal", "bitrate": "1Mbit/s", **video},
            "network": network or {"delay": "10ms"},
        }
    )


def both_ways(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"down": [*elements, DELAY], "up": [*elements, DELAY]}


@pytest.fixture
def notes(reuse: Reuse) -> Callable[..., list[str]]:
    """What is said of the first arm, without what its source says, and the number of its frames."""

    def measured(plan: Scenario) -> list[str]:
        result = run_arm(plan, plan.arms[0], reuse)
        assert result.outcome == "measured"
        return [
            note
            for note in result.notes
            if "sizes are drawn from a model" not in note and not re.search("says? little", note)
        ]

    return measured


POLICED = both_ways({"element": "policer", "rate": "600kbit/s", "burst": "10kB"})


@pytest.mark.parametrize(
    ("arm", "repairs_much"),
    [
        ("srt:latency_ms=500", True),
        ("srt:maxbw=0,inputbw=125000,oheadbw=25", False),
        ("rtp", True),
        ("rtp:rtx_share=0.4", False),
        ("rtp:nack=false", False),
        ("udp", False),
    ],
)
def test_an_arm_that_sends_much_again_says_how_often_it_sent_its_media(
    notes: Callable[..., list[str]], reuse: Reuse, arm: str, repairs_much: bool
) -> None:
    """1 Mbit/s over a policer of 0.6."""
    said = [note for note in notes(scenario(arm, network=POLICED, duration="3s")) if "repair" in note]
    assert bool(said) is repairs_much
    if repairs_much:
        plan = scenario(arm, network=POLICED, duration="3s")
        sent = run_arm(plan, plan.arms[0], reuse).stats["sender"]
        assert said == [f"its repair was {sent['repair_bytes'] / sent['media_bytes']:.1f} times its media"]
        assert sent["repair_bytes"] > 0.5 * sent["media_bytes"]


@pytest.mark.parametrize(
    "arm", ["quic-datagram", "quic-stream", "quic-stream-per-frame", "quic-stream:stack=stock,control=reno"]
)
def test_quic_counts_what_it_sends_again(reuse: Reuse, arm: str) -> None:
    """A quarter is lost each time, so that a third of the media is sent again, where none is given up."""
    plan = scenario(
        arm, network=both_ways({"element": "random-loss", "probability": "25%"}), duration="2s", bitrate="300kbit/s"
    )
    sent = run_arm(plan, plan.arms[0], reuse).stats["sender"]
    assert 0.15 < sent["repair_bytes"] / sent["media_bytes"] < 1.0
    plan = scenario(arm)
    sent = run_arm(plan, plan.arms[0], reuse).stats["sender"]
    assert sent["repair_bytes"] <= 0.001 * sent["media_bytes"]


@pytest.mark.parametrize("arm", ["udp", "rtp", "srt"])
def test_packets_that_are_larger_than_the_path_takes_are_named_with_its_size(
    notes: Callable[..., list[str]], arm: str
) -> None:
    small = {"down": [{"element": "size-limit", "largest": "700B"}, DELAY], "up": [DELAY]}
    note, why = notes(scenario(arm, network=small))
    assert why.startswith("packets that were larger than the path carries were lost: this arm does not find out ")
    assert note.startswith("none of 30 frames was shown: ")
    assert " never arrived whole" in note
    assert "; size-limit (largest 700B) took " in note


@pytest.mark.parametrize(
    "arm", ["srt", "quic-datagram", "quic-stream:stack=stock,control=cubic", "webtransport-datagram"]
)
def test_an_arm_without_an_answer_never_connected(notes: Callable[..., list[str]], arm: str) -> None:
    (note,) = notes(scenario(arm, network={"delay": "20s"}))
    assert note.startswith("never connected: ")
    assert "; 0 of " in note and " datagrams arrived; " in note
    assert note.endswith(" packets down were on the way at the end")


def test_an_arm_whose_answers_are_lost_never_connected_and_says_on_which_way(notes: Callable[..., list[str]]) -> None:
    deaf = {"down": [DELAY], "up": [{"element": "random-loss", "probability": "100%"}, DELAY]}
    (note,) = notes(scenario("srt", network=deaf))
    assert note.startswith(
        "never connected: no answer from 192.0.2.2:5004 within 3 s; 0 of 12 datagrams back arrived; "
    )
    assert note.endswith("random-loss (probability 100%) took 12 of 12 packets up")


def test_packets_that_are_still_on_their_way_at_the_end_are_no_loss(notes: Callable[..., list[str]]) -> None:
    (note,) = notes(scenario("udp", network={"delay": "20s"}))
    assert note.startswith("none of 30 frames was shown: 30 never arrived whole; 0 of ")
    assert "took" not in note and note.endswith(" packets down were on the way at the end")


def test_a_connection_that_stood_late_says_how_many_frames_that_cost(notes: Callable[..., list[str]]) -> None:
    (note,) = notes(scenario("srt", duration="3s", network={"delay": "700ms"}))
    assert note == "connected 800 ms after the first capture: 24 frames before that were dropped"


def test_the_end_of_a_connection_by_silence_is_told_with_who_when_and_why(notes: Callable[..., list[str]]) -> None:
    outage = {"element": "outage", "windows": [{"start": "1s", "duration": "9s"}]}
    closed, little = notes(scenario("srt", duration="7s", network=both_ways(outage)))
    said = r"closed by the sender at 6\.\d s and by the receiver at 6\.\d s: nothing heard from the peer for 5[.\d]* s"
    assert re.fullmatch(said, closed)
    assert re.match(r"only \d+ of 210 frames were shown: 1\d\d never arrived whole; \d+ came after the conn", little)


def test_an_arm_that_holds_frames_until_their_deadline_has_passed_says_so(notes: Callable[..., list[str]]) -> None:
    (note,) = notes(scenario("srt:latency_ms=900", deadline="500ms"))
    assert note == "none of 30 frames was shown: 30 arrived after the deadline of 0.5 s"


def test_a_busy_encoder_is_named(notes: Callable[..., list[str]]) -> None:
    (note,) = notes(scenario("rtp", encode_cost="fixed:30s"))
    assert note == "none of 30 frames was shown: 29 found the encoder busy; 1 still waited at the sender at the end"


def test_frames_that_expire_at_the_sender_are_named_with_the_deadline(notes: Callable[..., list[str]]) -> None:
    (note,) = notes(scenario("rtp", deadline="100ms", encode_cost="fixed:300ms"))
    assert "passed the deadline of 0.1 s unsent" in note


def test_a_time_base_that_srt_took_from_a_queue_is_told_with_what_it_costs(
    notes: Callable[..., list[str]], reuse: Reuse, tmp_path: Path
) -> None:
    """Nothing passes from 30 to 630 ms of the trace, when the conclusion of the handshake is under way."""
    file = tmp_path / "gone.csv"
    file.write_text("time_s,rate_mbps\n0,12\n0.03,0\n0.63,12\n20,12\n", encoding="utf-8")
    network = {"trace": str(file), "trace_start": "0s", "delay": "20ms"}
    [said] = notes(scenario("srt", network=network))
    late = re.fullmatch(r"the handshake, .* time base of SRT, was (\d+) ms longer under way than .*", said)
    assert late is not None and 500 < int(late[1]) < 600
    plan = scenario("srt", duration="3s", network=network)
    frames = run_arm(plan, plan.arms[0], reuse).ledger
    assert frames is not None
    held = (frames["displayed_at"] - frames["captured_at"]).iloc[-20:] * 1e3
    assert held.to_numpy() == pytest.approx(20 + 120 + int(late[1]), abs=3)
    assert notes(scenario("srt", network={"delay": "20ms"})) == notes(scenario("rtp", network=network)) == []


def test_marks_that_no_packet_can_take_are_told(notes: Callable[..., list[str]]) -> None:
    def network(**queue: Any) -> dict[str, Any]:
        return both_ways({"element": "rate", "rate": "5Mbit/s", "queue": {"discipline": "codel", **queue}})

    assert notes(scenario("quic-stream", network=network(ecn=True))) == [
        "CoDel's ecn = true marks nothing: packets support ECN with an arm's option ecn=true, others are dropped"
    ]
    short = {"rate": "5Mbit/s", "delay": "10ms", "queue": {"discipline": "codel", "ecn": True}}
    assert notes(scenario("udp", network=short)) == notes(scenario("rtp", network=network(ecn=True)))
    assert notes(scenario("udp", network=network())) == []


def test_an_arm_that_shows_most_of_its_frames_is_not_explained(notes: Callable[..., list[str]]) -> None:
    assert notes(scenario("quic-datagram", network={"delay": "10ms", "loss": "1%"})) == []


CONNECTED = {"sender": {"connected_at": -1.9}}


def result(stats: dict[str, Any], received: Sequence[ReceivedRecord] = (), **video: Any) -> ArmResult:
    """Three frames that were sent as they were captured."""
    instants = [MEDIA_START + number / 8 for number in range(3)]
    steps = ("encode_start_at", "encode_end_at", "queued_at", "first_sent_at", "last_sent_at")
    sent = [SentRecord(0, number, at, **dict.fromkeys(steps, at)) for number, at in enumerate(instants)]
    frames = join(sent, received, media_start=MEDIA_START)
    return with_notes(ArmResult("arm", "measured", ledger=frames, stats=stats), scenario("udp", **video))


def arrived(sequence: int, delay: float, outcome: str) -> ReceivedRecord:
    at = MEDIA_START + sequence / 8 + delay
    steps = ["first_arrival_at", "complete_at", "delivered_at"]
    steps += ["released_at", "decoded_at", "displayed_at"] if outcome == "displayed" else []
    return ReceivedRecord(0, sequence, outcome=outcome, **dict.fromkeys(steps, at))


def test_frames_that_arrive_after_their_deadline_say_so() -> None:
    received = [arrived(0, 0.7, "late"), arrived(1, 0.6, "late"), arrived(2, 0.1, "late")]
    note, _ = result({"connection": CONNECTED}, received, deadline="500ms").notes
    assert note == (
        "none of 3 frames was shown: 2 arrived after the deadline of 0.5 s; 1 arrived too late to be shown in order"
    )


@pytest.mark.parametrize(
    ("connected_at", "said"),
    [
        (0.00004, "0.04 ms after the first capture: 1 frame before that was dropped"),
        (0.0417, "42 ms after the first capture: 1 frame before that was dropped"),
        (0.1251, "125 ms after the first capture: 2 frames before that were dropped"),
        (0.9997, "1.0 s after the first capture: 3 frames before that were dropped"),
    ],
)
def test_a_connection_that_stood_a_moment_late_says_so_in_milliseconds(connected_at: float, said: str) -> None:
    late = {"sender": {"connected_at": connected_at}}
    assert result({"connection": late}).notes[0] == f"connected {said}"


def test_an_element_that_took_packets_is_named_without_its_defaults_and_its_name(
    notes: Callable[..., list[str]],
) -> None:
    lossy = {"element": "loss-episodes", "mean_loss": "90%", "mean_duration": "20ms", "name": "tunnel"}
    limited = {"element": "rate", "rate": "5Mbit/s", "queue": {"discipline": "drop-tail", "bytes": "2kB"}}
    said = notes(scenario("udp", network={"down": [lossy, limited, DELAY], "up": [DELAY]}))[0]
    assert "; loss-episodes (mean_loss 90%, mean_duration 20ms) took " in said
    assert "; rate (rate 5Mbit/s) took " in said


def test_one_frame_or_packet_has_its_verb_in_the_singular() -> None:
    path = {"pushed": 8, "popped": 7, "lost": 0, "dropped": 0, "duplicated": 0, "inside": 1}
    measured = result({"connection": CONNECTED}, [arrived(0, 0.1, "displayed")])
    facts = replace(measured, notes=(), impairments={"down": {"path": path, "elements": []}})
    assert with_notes(facts, scenario("udp")).notes[0] == (
        "only 1 of 3 frames was shown: 2 never arrived whole; 1 of 8 packets down was on the way at the end"
    )


def test_a_refused_handshake_is_told_in_its_own_words() -> None:
    refused = {"connected_at": None, "closed_at": -1.9, "error": "the certificate is not the pinned one"}
    assert result({"connection": {"sender": refused}}).notes[0] == (
        "never connected: the certificate is not the pinned one"
    )


def test_an_orderly_end_is_a_note_only_while_there_is_media_to_come() -> None:
    def said(closed_at: float) -> list[str]:
        known = {"connected_at": -1.9, "closed_at": closed_at, "error": None}
        return [note for note in result({"connection": {"sender": known}}).notes if note.startswith("closed")]

    assert said(0.5) == ["closed by the sender at 0.5 s: in an orderly way, while there was media to come"]
    assert said(1.0) == []


def test_clocks_that_are_no_better_than_the_latency_are_told_only_of_frames_that_were_shown() -> None:
    stats = {"connection": CONNECTED, "between": {"clock_bound_ms": 40.0}}
    assert not [note for note in result(stats).notes if "INVALID" in note or "nan" in note]
    first, *_ = result(stats, [arrived(0, 0.03, "displayed")]).notes
    assert first.startswith("INVALID: its clocks are aligned to 40.0 ms, which is no better than the latency that it ")


def test_a_note_of_all_is_told_once_and_others_with_their_arm_and_runs() -> None:
    cells = [("rtp", ["of all", "at 1 s"]), ("srt", ["of all"]), ("rtp", ["of all", "at 2 s"]), ("srt", ["of all"])]
    assert told(cells) == ["of all", "rtp: at 1 s (in 2 of 2 runs, with other numbers)"]
    assert told([("rtp", ["one"]), ("rtp", [])]) == ["one (in 1 of 2 runs)"]
    assert told([("rtp", ["same"]), ("srt", ["same"]), ("udp", [])]) == ["rtp, srt: same"]


def test_notes_are_kept_and_shown_wherever_the_numbers_are(tmp_path: Path, no_pictures: None) -> None:
    plan = scenario("udp", "srt", duration="500ms", network={"delay": "20s"})
    sentence = "never connected: its handshake was not over at the end"
    done = load(run(plan, results=tmp_path, workers=1).path).run()
    assert any(note.startswith(sentence) for note in json_object(done)["arms"][1]["notes"])
    assert f"srt: {sentence}" in page(report_of(done.dataset))
    data = repeat(plan, 2, results=tmp_path, workers=1)
    (note,) = (note for note in data.notes if sentence in note)
    assert note.startswith(f"srt: {sentence}")
    assert f"srt: {sentence}" in page(report_of(data))
    assert isinstance(data.summary, pd.DataFrame) and "notes" not in data.summary
    assert json.loads(json.dumps(data.notes_by_cell)) and len(data.notes_by_cell) == 6


def test_percentiles_of_few_frames_are_named_with_what_they_take() -> None:
    assert result({"connection": CONNECTED}).notes[-1] == (
        "p50, p95, p99 of 3 frames say little: it takes 5, 59, 299 until the slowest bounds them with 95 % confidence"
    )
    assert too_few(30, PERCENTILES).startswith("p95, p99 of 30 frames say little: it takes 59, 299 until ")
    assert too_few(1, [0.95], "message").startswith("p95 of 1 message says little: it takes 59 until ")
    assert too_few(299, PERCENTILES) == ""


def test_the_headline_of_a_note_is_its_commonest_reason_and_runs_share_it() -> None:
    notes = [
        f"only {shown} of 90 frames were shown: {late} arrived after the deadline; 7 {rest}; {rest}"
        for shown, late, rest in ((24, 34, "lacked a reference"), (20, 37, "never arrived whole"))
    ]
    cells = [("udp", notes[:1]), ("udp", notes[1:]), ("rtp", None)]
    assert headlines(cells) == [
        "udp: only 24 of 90 frames were shown: 34 arrived after the deadline (in 2 of 2 runs, with other numbers)"
    ]
    assert [note[:60] for note in told(cells)] == [f"udp: {note}"[:60] for note in notes]


def test_a_verdict_of_few_frames_says_so() -> None:
    numbers = {"g2g_p50_ms": 20.0, "g2g_p95_ms": 30.0}
    arm = {"arm": "rtp", "outcome": "measured"}
    assert answer([{**arm, "summary": {**numbers, "captured": 1}}]) == (
        "Too few frames for a verdict (1; it takes 59); soonest of these: rtp (30 ms)."
    )
    assert (
        answer([{**arm, "summary": {**numbers, "captured": 59}}])
        == "Soonest for 95 % of all captured frames, in this one run: rtp (30 ms)."
    )
    compared = compare_arms({"rtp": [np.full(20, 0.1)] * 9}, rng=np.random.default_rng(1))
    assert compared.answer == (
        "rtp has a p95 of 100 ms in a typical run of 9 runs. In each run, p95 of 20 frames says little: it takes 59 "
        "until the slowest bounds it with 95 % confidence."
    )


def limited(largest: str) -> dict[str, Any]:
    return {"down": [{"element": "size-limit", "largest": largest}, DELAY], "up": [DELAY]}


@pytest.mark.parametrize("arm", ["udp", "rtp", "srt"])
def test_an_arm_that_does_not_find_out_what_passes_says_so_in_the_words_of_the_others(
    notes: Callable[..., list[str]], arm: str
) -> None:
    *_, note = notes(scenario(arm, network=limited("1400B")))
    assert note == (
        "packets that were larger than the path carries were lost: this arm does not find out what passes, it sends "
        "what mtu says (1500 bytes)"
    )
    assert notes(scenario(arm, network=limited("1500B"))) == []


@pytest.mark.parametrize("arm", ["quic-datagram", "webtransport-stream-per-frame"])
def test_an_arm_that_finds_out_what_passes_says_what_it_found(notes: Callable[..., list[str]], arm: str) -> None:
    (note,) = notes(scenario(arm, duration="3s", network=limited("1400B")))
    assert re.fullmatch(
        r"found that the path carries datagrams of 13\d\d bytes, not of 1452, after larger ones had stopped to pass "
        r"\(1 time\)",
        note,
    )
    assert notes(scenario(arm, network=limited("1500B"))) == []
    assert notes(scenario(f"{arm}:stack=stock,control=reno", network=limited("1400B"))) == []


def test_pauses_of_the_machine_are_said_of_each_process_between_hosts_too(reuse: Reuse) -> None:
    plan = scenario("udp")
    measured = replace(run_arm(plan, plan.arms[0], reuse), notes=())
    one = {"pauses": {"count": 1, "total_ms": 30.0, "longest_ms": 30.0}}
    other = {"pauses": {"count": 2, "total_ms": 2010.4, "longest_ms": 2000.0}}
    none = {"pauses": {"count": 0, "total_ms": 0.0, "longest_ms": 0.0}}
    for stats, said in (
        ({"between": {"clock_bound_ms": 0.1, "sender": one, "receiver": other}}, ["sender", "receiver"]),
        ({"live": {"sender": none, "emulator": other, "receiver": none}}, ["link"]),
        ({"live": {"sender": none, "emulator": {"pauses": {}}, "receiver": none}}, []),
        ({"between": {"clock_bound_ms": 0.1, "sender": none, "receiver": {"pauses": None}}}, []),
    ):
        notes = with_notes(replace(measured, stats={**measured.stats, **stats}), plan).notes
        wanted = {"sender": "the sender 1 time for 30 ms in all, the longest 30 ms"}
        parts = [wanted.get(name, f"the {name} 2 times for 2010 ms in all, the longest 2000 ms") for name in said]
        assert [note for note in notes if "still" in note] == (
            [f"the machine stood still: {'; '.join(parts)}"] if said else []
        )
