"""hls.js and dash.js in Chromium: what their page says is not trusted, and their channel was there before them."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.account.ledger import stages
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.live.arm import run_arm
from glassbench.experiments.worlds.live.wiring import check_emulator
from glassbench.experiments.worlds.peers import browser, ll_dash, ll_hls
from glassbench.experiments.worlds.peers.browser import PlayerPage
from glassbench.experiments.worlds.peers.dash_js import DashJs
from glassbench.experiments.worlds.peers.hls_js import HlsJs
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerError, PeerVideo
from glassbench.experiments.worlds.peers.warm_up import LEAD, WarmUp
from glassbench.receiver.quality import QualityMemo
from glassbench.transport.contract import Unsupported

WIDTH, HEIGHT = 64, 36
PICTURE = bytes(WIDTH * HEIGHT * 3 // 2)
VIDEO = PeerVideo(WIDTH, HEIGHT, Fraction(25), "h264", 1_000_000, None)
MEDIA_START = 1002.0


@pytest.fixture
def context(tmp_path: Path) -> Iterator[PeerContext]:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        options = {"segment_ms": 1000, "chunk_frames": 5, "tcp": "cubic", "tuned": True, "buffer_ms": 200}
        yield PeerContext(
            "receiver", ("127.0.0.1", 1), ("127.0.0.1", 2), options, VIDEO, 1, 1.0, tmp_path, here, MEDIA_START
        )


def said(kind: str, **more: object) -> str:
    return json.dumps({"kind": kind, **more})


def test_a_picture_is_shown_when_the_page_displays_it_and_not_when_its_pixels_are_here(context: PeerContext) -> None:
    page = PlayerPage(context, HlsJs.library)
    for now, message in ((5.0, said("displayed")), (5.03, said("displayed")), (5.04, PICTURE), (5.05, PICTURE)):
        context.outlet.now = lambda now=now: now  # type: ignore[misc]
        page.take(message)
    assert [given.at for given in context.outlet.take()] == [5.0, 5.03]
    assert page.has_shown.is_set()


def test_what_a_player_tells_of_itself_is_kept_and_its_failure_is_one_of_the_arm(context: PeerContext) -> None:
    page = PlayerPage(context, HlsJs.library)
    page.take(said("told", player={"latency_s": 0.3}, counted={"stalls": 2, "dropped": "many", "other": 1}))
    assert (page.told, page.counted) == ({"latency_s": 0.3}, {"stalls": 2})
    with pytest.raises(PeerError, match="the player failed: no more media"):
        page.take(said("failed", reason="no more media"))


@given(
    message=st.one_of(
        st.text(max_size=50),
        st.binary(max_size=50),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(st.sampled_from(["kind", "told", "player", "counted", "displayed"]), inner)
            ),
            max_leaves=5,
        ).map(json.dumps),
        st.just("[" * 60_000),
    )
)
def test_nothing_that_a_page_says_ends_us_or_is_kept_without_bound(message: str | bytes) -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        page = PlayerPage(
            PeerContext("receiver", ("a", 1), ("b", 2), {}, VIDEO, 1, 1.0, Path(), here), library=HlsJs.library
        )
        for _ in range(100):
            page.take(said("displayed"))
        try:
            page.take(message)
        except PeerError as error:
            assert len(str(error)) < 1000
        assert len(page._displayed) <= 64


@pytest.mark.parametrize(("stack", "package"), [(HlsJs, "hls.js@1"), (DashJs, "dashjs@5")])
def test_a_library_that_is_not_here_is_named_with_the_command_that_brings_it(
    stack: type[browser.BrowserStack], package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "PLAYERS", tmp_path)
    with pytest.raises(Unsupported, match=f"npm install --prefix {tmp_path} {package}"):
        stack.version()


def test_a_channel_has_been_on_the_air_and_goes_on_without_a_gap(context: PeerContext) -> None:
    given: list[tuple[float, bool]] = []
    warm_up = WarmUp(context, lambda unit, at, keyframe: given.append((at, keyframe)), lambda at: at % 1.0 < 0.01)
    warm_up.fill(2.0)
    assert len(given) == 51  # two seconds, and the one at the begin of session time
    context.outlet.now = lambda: MEDIA_START + 1.0
    warm_up.start()
    deadline = time.monotonic() + 20.0
    while len(given) < 100 and time.monotonic() < deadline:
        time.sleep(0.01)
    times = [at for at, _ in given]
    assert times == pytest.approx([MEDIA_START - LEAD - 2.0 + index * 0.04 for index in range(100)])
    assert sum(keyframe for _, keyframe in given) == 4


class Direct:
    """In place of an event loop in a thread of its own."""

    def soon(self, function: Callable[..., object], *arguments: object) -> None:
        function(*arguments)


def test_a_player_finds_whole_segments_when_it_comes(context: PeerContext) -> None:
    end = ll_hls.origin(context)
    end._loop = Direct()  # type: ignore[assignment]
    end._warm_up.fill(8.0)
    text, _ = asyncio.run(ll_hls.answer(end._channel, {}))
    assert text.count("#EXTINF:1.000000") == 5
    manifest, _ = asyncio.run(ll_dash.Manifest(context).answer(end._channel, {}))
    assert 'timeShiftBufferDepth="PT5S"' in manifest
    assert 'availabilityTimeComplete="false"' in manifest
    end._channel.chunk_frames = 25
    manifest, _ = asyncio.run(ll_dash.Manifest(context).answer(end._channel, {}))
    assert "availabilityTimeComplete" not in manifest  # a segment comes as a whole


@pytest.fixture
def however_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share their machine with others."""
    for name in ("MOST_LATE_MS", "LONGEST_PAUSE", "MOST_PAUSED"):
        monkeypatch.setattr(f"glassbench.experiments.worlds.live.arm.{name}", 1e6)


def measured(arm: str, *down: dict[str, object], duration: str = "3s") -> ArmResult:
    """The result of an arm; the test is skipped, with the reason, where the player is not here."""
    delay = {"element": "delay", "delay": "10ms"}
    content: dict[str, object] = {
        "name": "players",
        "seed": 20,
        "duration": duration,
        "network": {"down": [delay, *down], "up": [delay]},
        "video": {
            "source": "synthetic",
            "width": 320,
            "height": 180,
            "fps": 30,
            "bitrate": "1Mbit/s",
            "deadline": "9s",
        },
        "arms": [arm],
    }
    plan = build(content)
    try:
        check_emulator("netns", plan)
        return run_arm(plan, plan.arms[0], QualityMemo())
    except (Unsupported, OSError) as error:
        pytest.skip(str(error))


def median_ms(result: ArmResult) -> float:
    """The median delay of what was shown: most, unless the machine has much else to do."""
    assert result.outcome == "measured", (result.reason, result.stats["peer"])
    frames = result.ledger
    assert frames is not None
    shown = frames[frames["fate"] == "displayed"]
    assert len(shown) > len(frames) / 4, frames["fate"].value_counts()
    return float(stages(shown)["g2g_ms"].median())


@pytest.mark.quiet
@pytest.mark.lengthy
@pytest.mark.usefixtures("however_late")
@pytest.mark.parametrize("player", ["hls.js", "dash.js"])
def test_a_player_as_it_comes_is_later_than_a_tuned_one_and_both_tell_their_target(player: str) -> None:
    tuned, stock = measured(player), measured(f"{player}:tuned=false")
    assert median_ms(stock) > median_ms(tuned) + 100.0
    aims = [float(each.stats["peer"]["receiver"]["settings"]["target_latency_s"]) for each in (tuned, stock)]
    assert aims[0] < aims[1]
    assert median_ms(tuned) > aims[0] * 1e3 * 0.7


@pytest.mark.quiet
@pytest.mark.lengthy
@pytest.mark.usefixtures("however_late")
def test_whole_segments_cost_more_the_longer_they_are_and_chunks_do_not() -> None:
    short, long = (median_ms(measured(f"dash.js:chunk_frames=0,segment_ms={each}")) for each in (500, 1500))
    chunks = [median_ms(measured(f"dash.js:segment_ms={each}")) for each in (500, 1500)]
    assert long > short + 500.0
    assert abs(chunks[1] - chunks[0]) < 200.0
    assert max(chunks) < short


@pytest.mark.quiet
@pytest.mark.long
@pytest.mark.usefixtures("however_late")
@pytest.mark.parametrize("player", ["hls.js", "dash.js"])
def test_a_player_goes_on_over_a_link_that_loses_packets(player: str) -> None:
    result = measured(player, {"element": "random-loss", "probability": "2%"}, duration="5s")
    assert median_ms(result) > 0.0
    assert result.stats["sender"]["retransmissions"] > 0
    assert result.ledger is not None
    assert (result.ledger["fate"].iloc[-30:] == "displayed").any()


@pytest.mark.quiet
@pytest.mark.long
@pytest.mark.usefixtures("however_late")
def test_a_player_whose_chromium_is_killed_ends_as_a_failed_arm_with_its_log(
    chromium_killed: Callable[[int, float], AbstractContextManager[None]],
) -> None:
    with chromium_killed(1, 3.0):
        result = measured("dash.js", duration="10s")
    assert result.outcome == "failed"
    assert result.reason is not None
    assert result.reason.startswith("the receiver of dash.js failed: ")
    assert "log" in result.stats["peer"]["receiver"]
