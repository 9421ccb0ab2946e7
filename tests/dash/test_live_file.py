"""The file that an arm writes while it runs: what it says, its bounds, and what is made of what strangers write."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.engine.jobs import Job, execute, reuse_on_disk
from glassbench.experiments.results.live_file import LINE_INTERVAL, LIVE_FILE, MOST_BYTES, LiveWriter, read_live
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.shown_slices import MOST_SLICES, ShownSlice

ABOUT = {"arm": "rtp", "seed": 3, "duration": 2.0}
SLICE = ShownSlice(0.5, 15, 14, 30.25, 41.0)


def lines(place: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (place / LIVE_FILE).read_text().splitlines()]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    writer = LiveWriter(tmp_path, ABOUT, now=10.0)
    writer.shown(SLICE)
    writer.progress(0.25, now=10.5)
    writer.end("measured", None, now=11.0)
    arm = read_live((tmp_path / LIVE_FILE).read_bytes())
    assert (arm.arm, arm.seed, arm.duration, arm.elapsed, arm.share) == ("rtp", 3, 2.0, 1.0, 0.25)
    assert (arm.slices, arm.outcome, arm.reason, arm.damaged) == ([SLICE], "measured", None, False)


def test_there_are_a_few_lines_a_second_and_slices_wait_for_the_next(tmp_path: Path) -> None:
    writer = LiveWriter(tmp_path, ABOUT, now=0.0)
    for number in range(1000):
        if number % 10 == 0:
            writer.shown(SLICE._replace(at=number / 10))
        writer.progress(number / 1000, now=number / 1000)
    writer.end("measured", None, now=1.0)
    told = lines(tmp_path)
    assert len(told) <= 1 / LINE_INTERVAL + 3
    assert len(read_live((tmp_path / LIVE_FILE).read_bytes()).slices) == 100


def test_a_file_that_is_full_takes_how_the_arm_ended_and_counts_what_was_left_out(tmp_path: Path) -> None:
    writer = LiveWriter(tmp_path, ABOUT, now=0.0)
    for number in range(20_000):
        writer.shown(SLICE._replace(at=number / 2))
        writer.progress(0.5, now=float(number))
    writer.end("failed", "x" * 10_000, now=20_000.0)
    assert (tmp_path / LIVE_FILE).stat().st_size <= MOST_BYTES
    last = lines(tmp_path)[-1]
    assert last["outcome"] == "failed" and last["left_out"] > 10_000


def test_slices_that_nobody_fetches_are_bounded_and_counted(tmp_path: Path) -> None:
    writer = LiveWriter(tmp_path, ABOUT, now=0.0)
    for number in range(MOST_SLICES + 7):
        writer.shown(SLICE._replace(at=number / 2))
    writer.end("measured", None, now=1.0)
    assert lines(tmp_path)[-1]["left_out"] == 7


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("kept")
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell" / LIVE_FILE).symlink_to(mine)
    LiveWriter(tmp_path / "cell", ABOUT, now=0.0).end("measured", None, now=1.0)
    assert mine.read_text() == "kept"


def test_a_place_that_takes_nothing_ends_no_arm(tmp_path: Path) -> None:
    (tmp_path / "cells").write_text("a file")
    writer = LiveWriter(tmp_path / "cells" / "000000", ABOUT, now=0.0)
    writer.shown(SLICE)
    writer.progress(0.5, now=1.0)
    writer.end("measured", None, now=2.0)


def test_an_attempt_that_begins_again_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    writer = LiveWriter(tmp_path, ABOUT, now=0.0)
    for at in (0.5, 1.0, 0.5):
        writer.shown(SLICE._replace(at=at))
    writer.end("measured", None, now=1.0)
    arm = read_live((tmp_path / LIVE_FILE).read_bytes())
    assert arm.attempt == 1 and [each.at for each in arm.slices] == [0.5]


def test_half_a_line_is_not_there_yet() -> None:
    arm = read_live(b'{"arm": "rtp", "seed": 3, "duration": 2.0}\n{"elapsed": 1.0, "sha')
    assert (arm.arm, arm.share, arm.damaged) == ("rtp", 0.0, False)


@pytest.mark.parametrize(
    "line",
    [
        '{"elapsed": NaN, "share": 0.5, "slices": [], "left_out": 0}',
        '{"elapsed": 1, "share": 1e999, "slices": [], "left_out": 0}',
        '{"elapsed": 1, "share": 0.5, "slices": [[1]], "left_out": 0}',
        '{"elapsed": 1, "share": 0.5, "slices": [[0.5, 1, 1, "<b>", 2]], "left_out": 0}',
        "[" * 100_000,
        "7",
        "\xff",
    ],
)
def test_a_line_that_is_none_of_ours_is_left_out(line: str) -> None:
    arm = read_live(
        f'{json.dumps(ABOUT)}\n{line}\n{{"elapsed": 2, "share": 2, "slices": [], "left_out": 0}}\n'.encode()
    )
    assert (arm.damaged, arm.elapsed, arm.share, arm.slices) == (True, 2.0, 1.0, [])


@given(st.binary(max_size=300))
def test_any_bytes_are_read(data: bytes) -> None:
    read_live(data)


def test_an_arm_that_tells_how_it_goes_measures_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    video = {"source": "bikes", "bitrate": "1Mbit/s"}
    scenario = build(
        {"name": "t", "duration": "3s", "arms": ["rtp"], "video": video, "network": {"trace": "lte-driving"}}
    )
    quiet = Job("0", "rtp", scenario, "rtp", tmp_path / "quiet", reports=False)
    with reuse_on_disk() as reuse:
        for job in (quiet, dataclasses.replace(quiet, place=tmp_path / "telling", reports=True)):
            assert execute(job, reuse, lambda share: None, lambda: False).kept
    names = {file.name for file in quiet.place.iterdir()}
    assert {file.name for file in (tmp_path / "telling").iterdir()} == names | {LIVE_FILE}
    for name in names:
        assert (tmp_path / "telling" / name).read_bytes() == (quiet.place / name).read_bytes()


def test_slices_say_what_the_ledger_says(tmp_path: Path) -> None:
    import pandas as pd

    video = {"source": "lognormal", "bitrate": "1Mbit/s"}
    scenario = build({"name": "t", "duration": "3s", "arms": ["udp"], "video": video, "network": {"loss": "5%"}})
    with reuse_on_disk() as reuse:
        execute(Job("0", "udp", scenario, "udp", tmp_path), reuse, lambda share: None, lambda: False)
    arm = read_live((tmp_path / LIVE_FILE).read_bytes())
    ledger = pd.read_parquet(tmp_path / "ledger.parquet")
    frames = ledger[ledger["track"] == 0]
    since = 0.0
    assert len(arm.slices) >= 6 and arm.share > 0.9
    for each in arm.slices:
        inside = frames[(frames["displayed_at"] > since) & (frames["displayed_at"] <= each.at)]
        delays = np.sort(1e3 * (inside["displayed_at"] - inside["captured_at"]))
        assert each.shown == (frames["displayed_at"] <= each.at).sum()
        assert each.captured == (frames["captured_at"] < each.at).sum()
        if len(delays):
            assert each.p95_ms == pytest.approx(delays[int(np.ceil(0.95 * len(delays) - 1e-9)) - 1], abs=2e-3)
        else:
            assert each.p95_ms is None
        since = each.at
