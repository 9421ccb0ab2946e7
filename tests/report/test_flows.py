"""Several flows, and bulk transfers: what the page and the terminal say of them."""

import json
import math

import pandas as pd
import pytest

from glassbench.experiments.cli.show import show
from glassbench.experiments.engine.repeat import repeat
from glassbench.experiments.results.dataset import load
from glassbench.experiments.results.evidence import evidence
from glassbench.experiments.results.files import ResultsError
from glassbench.experiments.results.flow_rows import COLUMNS, flow_rows, sharing_lines, typical_arms
from glassbench.experiments.results.report.page import page
from glassbench.experiments.results.report.report import report_of
from glassbench.experiments.results.table_files import write_table
from glassbench.experiments.scenario import build

BULK = {"name": "bulk", "transport": "quic-stream:control=cubic", "source": "greedy", "start": "500ms"}
CALL = {"name": "call", "transport": "rtp", "from": "x", "to": "sender", "over": ["far", "network"]}
NETWORK = {"rate": "4Mbit/s", "queue": "40kB", "delay": "10ms", "far": {"rate": "3Mbit/s", "delay": "15ms"}}


@pytest.fixture(scope="session")
def shared_run(made_once, measure):
    """A call beside a bulk transfer, and another one the other way over a narrower segment."""
    folder = made_once(
        "run of flows", lambda path: measure(path, arms=["rtp", "quic-datagram"], network=NETWORK, flow=[BULK, CALL])
    )
    return load(folder / "test-seed3").run()


@pytest.fixture(scope="session")
def bulk_runs(made_once, scenario):
    """Two seeds of a bulk transfer, beside a call."""
    arms = ["quic-stream:control=reno", "quic-stream:control=cubic"]
    network = {"rate": "4Mbit/s", "queue": "40kB", "delay": "10ms"}
    call = {"name": "call", "transport": "rtp"}
    flows = [{"name": "media", "source": "greedy"}, call]
    plan = build({**scenario.dump(), "arms": arms, "duration": "1s", "network": network, "flow": flows})
    folder = made_once("bulk runs", lambda results: repeat(plan, 2, results=results, workers=1))
    return load(folder / "test-seeds3-4")


@pytest.mark.usefixtures("no_pictures")
def test_the_flows_of_each_arm_have_a_chapter_with_their_numbers(shared_run, take_apart):
    texts = take_apart(page(report_of(shared_run.dataset))).texts
    start = texts.index("arm and flow")
    for arm in shared_run.records:
        for flow in arm["flow_numbers"]:
            place = texts.index(f"{arm['arm']}: {flow['flow']}", start)
            told = [column.text(flow[column.name]) for column in COLUMNS]
            assert texts[place + 1 : place + 7] == [flow["transport"], *told]
    lines = list(sharing_lines(shared_run.records))
    assert len(lines) == 2 and all(f"{line}." in texts for line in lines)
    assert lines[0].startswith(
        f"rtp: Jain's index of its flows is {shared_run.records[0]['summary']['jain']:.3f}; they"
    )


@pytest.mark.usefixtures("no_pictures")
def test_links_of_all_segments_are_on_the_page(shared_run, take_apart):
    texts = take_apart(page(report_of(shared_run.dataset))).texts
    for link in ("down", "up", "far down", "far up"):
        place = texts.index(f"Packets of the whole path, {link}.")
        path = shared_run.records[0]["impairments"][link]["path"]
        assert texts[texts.index("rtp", place) + 1] == str(path["pushed"])
    elements = [texts.index(f"{link} 1") for link in ("down", "up", "far down", "far up")]
    assert elements == sorted(elements)


def test_the_downlink_is_of_a_segment_that_media_pass(shared_run):
    assert set(shared_run.downlink["segment"]) == {"network"}  # and not the narrower one of the call


def test_one_flow_has_no_chapter_of_its_own_unless_it_is_a_bulk_transfer(one_run, run_page, take_apart):
    assert flow_rows(one_run.records) == [] and "Flows" not in take_apart(run_page).texts
    greedy = {**one_run.records[0], "flow_numbers": [{**one_run.records[0]["flow_numbers"][0], "source": "greedy"}]}
    assert len(flow_rows([greedy])) == 1


def test_a_page_about_bulk_transfers_speaks_of_no_frames(bulk_runs, take_apart):
    assert bulk_runs.is_bulk
    for dataset in (bulk_runs, bulk_runs.run(3).dataset):
        texts = take_apart(page(report_of(dataset))).texts
        assert "A bulk transfer has no frames to be shown; compare what its flows get of the network." in texts
        assert "Flows" in texts and not {"Latency", "Fates of the frames", "nan%"} & set(texts)
    with pytest.raises(ResultsError, match="has no frames to be shown, so there are no latencies to compare"):
        evidence(bulk_runs)


def test_a_terminal_shows_medians_of_bulk_transfers_and_of_their_flows(bulk_runs, capsys):
    show(bulk_runs, as_json=False, form=None)
    out = capsys.readouterr().out
    assert "medians over seeds" in out and "flows: medians over seeds" in out and "nan" not in out
    for arm in typical_arms(bulk_runs):
        values = bulk_runs.flow_numbers()
        own = values[(values["arm"] == arm["arm"]) & (values["flow"] == "call")]["goodput_mbps"]
        record = next(record for record in arm["flow_numbers"] if record["flow"] == "call")
        assert record["goodput_mbps"] == pytest.approx(own.median())
        assert f"{own.median():.2f}" in out
    show(bulk_runs, as_json=True, form=None)
    assert len(json.loads(capsys.readouterr().out)["points"]) == 2


def test_a_flow_of_which_nothing_is_shown_has_an_infinite_latency(shared_run, tmp_path):
    copy = _copied(shared_run, tmp_path / "copy", [{"flow": "a", "g2g_p95_ms": "Infinity"}, {"flow": "b"}])
    (first, second, *_) = flow_rows(copy.records)
    assert first.numbers[-1] == "∞" and second.numbers[-1] == "-"
    assert copy.records[0]["flow_numbers"][0]["g2g_p95_ms"] == math.inf


@pytest.mark.sampled(3)
@pytest.mark.parametrize("records", [[5, None, "x"], [[], {}], [{"flow": {}}, {"missing": "1"}, {"transport": []}]])
def test_records_of_flows_that_are_none_of_ours_are_text_or_nothing(shared_run, tmp_path, records):
    copy = _copied(shared_run, tmp_path / "copy", records)
    assert "Glassbench" in page(report_of(copy.dataset))
    assert len(typical_arms(copy.dataset)) == 2


def _copied(run, folder, records):
    """The results of a run with other numbers of flows."""
    folder.mkdir()
    for path in run.path.glob("*.parquet"):
        table = pd.read_parquet(path)
        write_table(folder / path.name, table.assign(flow_numbers=json.dumps(records)) if "notes" in table else table)
    (folder / "manifest.json").write_text((run.path / "manifest.json").read_text())
    return load(folder).run()
