"""WebRTC from Chromium to Chromium: what its pages say is not trusted, and what it repairs and delays is seen."""

import asyncio
import json
import math
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.account.ledger import stages
from glassbench.experiments.account.reports import Role
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.live.arm import run_arm
from glassbench.experiments.worlds.live.wiring import check_emulator
from glassbench.experiments.worlds.peers.browser_webrtc import BrowserSender
from glassbench.experiments.worlds.peers.descriptions import agreed_in, only_of, starting_at
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerError, PeerVideo
from glassbench.experiments.worlds.peers.webrtc_page import WebrtcPage
from glassbench.receiver.quality import QualityMemo
from glassbench.transport.contract import Unsupported

VIDEO = PeerVideo(64, 36, Fraction(30), "h264", 1_000_000, None)
PICTURE = bytes(64 * 36 * 3 // 2)
SDP = "\r\n".join(
    (
        "v=0",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack pli",
        "a=extmap:4 urn:transport-wide-cc",
        "a=candidate:1 1 udp 2122 10.0.0.1 4000 typ host",
        "a=candidate:2 1 udp 2122 10.0.0.11 4000 typ host",
        "a=candidate:3 1 udp 2122 2001:2::1 4000 typ host",
        "a=candidate:4 1 tcp 1518 10.0.0.1 9 typ host tcptype active",
        "",
    )
)


def make_context(role: Role, folder: Path, side: socket.socket) -> PeerContext:
    options = {"codec": "h264", "playout": "zero"}
    return PeerContext(role, ("10.0.0.1", 1), ("10.0.0.2", 2), options, VIDEO, 1, 1.0, folder, side, 1002.0)


@pytest.fixture
def context(tmp_path: Path) -> Iterator[PeerContext]:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        yield make_context("sender", tmp_path, here)


def said(kind: str, **more: object) -> str:
    return json.dumps({"kind": kind, **more})


def test_media_can_take_no_way_but_the_one_that_is_measured() -> None:
    candidates = [line for line in only_of("10.0.0.1", SDP).split("\r\n") if "candidate" in line]
    assert candidates == ["a=candidate:1 1 udp 2122 10.0.0.1 4000 typ host"]
    assert "a=fmtp:96 x-google-start-bitrate=750\r\n" in starting_at(SDP, 750_000.0)
    assert agreed_in(SDP) == {"feedback": ["nack pli"], "extensions": ["urn:transport-wide-cc"]}


def test_what_a_page_believes_of_its_path_is_kept_at_the_sender_alone(context: PeerContext, tmp_path: Path) -> None:
    stats = {
        "candidate-pair": {"availableOutgoingBitrate": 2e6, "currentRoundTripTime": 0.02, "nested": {"more": 1}},
        "outbound-rtp": {"framesEncoded": 7, "nackCount": "many", "pliCount": 10**400},
        "codec": "none",
    }
    message = said("stats", stats=stats, counted={"displayed": 3, "other": 4})
    for role, count in (("sender", 1), ("receiver", 0)):
        page = WebrtcPage(make_context(role, tmp_path, context.side))  # type: ignore[arg-type]
        page.take(message)
        assert [(each.target_bps, each.rtt) for each in page.estimates] == [(2e6, 0.02)] * count
        assert page.counters() == {"framesEncoded": 7, "displayed": 3}
        assert page.stats["candidate-pair"] == {"availableOutgoingBitrate": 2e6, "currentRoundTripTime": 0.02}


def test_a_picture_is_shown_when_the_page_had_it_by_its_own_clock(context: PeerContext) -> None:
    page = WebrtcPage(context)
    now = 1000.0

    class Answering:
        """The socket to a page whose clock began 900 s after session time; the way back takes three times as long."""

        async def send_json(self, message: object) -> None:
            nonlocal now
            now += 0.001
            page.take(said("clock", at=(now - 900.0) * 1e3))
            now += 0.003

    context.outlet.now = lambda: now
    page._socket = Answering()
    asyncio.run(page.align())
    assert page.clock_error == pytest.approx(0.002)
    for at in (99_000.0, (now - 899.0) * 1e3, "soon", None):
        page.take(said("displayed", at=at))
        page.take(PICTURE)
    first, *others = [given.at for given in context.outlet.take()]
    assert first == pytest.approx(999.0, abs=page.clock_error)
    assert others == [now] * 3  # what is not known, or was not yet, is now


@given(
    message=st.one_of(
        st.text(max_size=50),
        st.binary(max_size=50),
        st.dictionaries(
            st.sampled_from(["type", "sdp", "state", "stats", "counted", "at", "reason"]),
            st.recursive(
                st.none() | st.booleans() | st.floats() | st.integers() | st.just(10**400) | st.text(max_size=5),
                lambda inner: (
                    st.lists(inner) | st.dictionaries(st.sampled_from(["candidate-pair", "page", "x"]), inner)
                ),
                max_leaves=5,
            ),
        ).flatmap(
            lambda more: st.sampled_from(
                ["open", "ready", "refused", "description", "state", "stats", "clock", "displayed", "failed", "x"]
            ).map(lambda kind: json.dumps({"kind": kind, **more}))
        ),
    )
)
def test_nothing_that_a_page_says_ends_us_but_in_one_sentence(message: str | bytes) -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        page = WebrtcPage(make_context("sender", Path(), here))
        try:
            page.take(message)
        except PeerError as error:
            assert len(str(error)) < 1000
        assert not [each for each in page.estimates if math.isnan(each.target_bps)]
        assert all(isinstance(value, int) for value in page.counters().values())


def test_a_codec_that_this_chromium_does_not_have_is_unsupported(
    context: PeerContext, page_says: Callable[[list[str]], None]
) -> None:
    page_says([said("refused")])
    end = BrowserSender(context)
    try:
        with pytest.raises(Unsupported, match="this Chromium cannot encode h264 for WebRTC"):
            end.start()
    finally:
        end.close()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("?" * 5000, "the page of the peer connection said '[?]{200}', accepted is what its scripts say"),
        (said("stats", stats=[1], counted={}), r"the page of the peer connection said stats '\[1\]', accepted is an"),
        (said("failed", reason="no\x00 encoder"), "the peer connection failed: no  encoder"),
    ],
)
def test_garbage_of_a_page_is_a_failure_of_one_sentence(
    line: str, sentence: str, context: PeerContext, page_says: Callable[[list[str]], None]
) -> None:
    page_says([line, said("ready")])
    end = BrowserSender(context)
    try:
        end.start()
        assert context.outlet.failed is not None
        assert re.match(sentence, context.outlet.failed)
    finally:
        end.close()


def test_a_chromium_that_does_not_run_is_named_with_what_it_said(
    context: PeerContext, chromium_is: Callable[[str], None]
) -> None:
    chromium_is("#!/bin/sh\necho no shared memory >&2\nexit 3\n")
    end = BrowserSender(context)
    try:
        with pytest.raises(PeerError, match="chromium ended with code 3: no shared memory"):
            end.start()
    finally:
        end.close()


def measured(arm: str, *down: dict[str, object], duration: str = "3s") -> ArmResult:
    """The result of an arm; the test is skipped, with the reason, where there is no Chromium."""
    delay = {"element": "delay", "delay": "10ms"}
    plan = build(
        {
            "name": "browsers",
            "seed": 20,
            "duration": duration,
            "network": {"down": [delay, *down], "up": [delay]},
            "video": {"source": "bikes", "width": 320, "height": 180, "fps": 30, "bitrate": "1Mbit/s"},
            "arms": [arm],
        }
    )
    try:
        check_emulator("netns", plan)
        return run_arm(plan, plan.arms[0], QualityMemo())
    except (Unsupported, OSError) as error:
        pytest.skip(str(error))


def shown(result: ArmResult) -> list[float]:
    """The delays of frames that were shown, in ms: most of them, unless the machine has much else to do."""
    assert result.outcome == "measured", (result.reason, result.stats["peer"])
    frames = result.ledger
    assert frames is not None
    displayed = frames[frames["fate"] == "displayed"]
    assert len(displayed) > len(frames) / 2, frames["fate"].value_counts()
    return sorted(stages(displayed)["g2g_ms"])


@pytest.mark.quiet
@pytest.mark.lengthy
@pytest.mark.usefixtures("however_busy")
def test_what_a_link_loses_is_asked_for_and_sent_again() -> None:
    result = measured("browser-webrtc", {"element": "random-loss", "probability": "3%"}, duration="5s")
    delays = shown(result)
    sender, receiver = (result.stats[end] for end in ("sender", "receiver"))
    assert sender["retransmittedPacketsSent"] > 0
    assert receiver["nackCount"] > 0
    assert delays[-1] > delays[0] + 20.0  # a round trip
    assert result.estimates is not None
    assert (result.estimates["target_bps"] > 0).all()
    assert len(result.estimates) > 20
    assert result.stats["peer"]["receiver"]["settings"]["clock_error_s"] < 0.01


@pytest.mark.quiet
@pytest.mark.lengthy
@pytest.mark.usefixtures("however_busy")
def test_chromium_as_it_comes_shows_pictures_later_than_without_a_playout_delay() -> None:
    zero, stock = (measured(f"browser-webrtc:playout={playout}") for playout in ("zero", "stock"))
    medians = [delays[len(delays) // 2] for delays in map(shown, (zero, stock))]
    assert medians[1] > medians[0] + 5.0
    settings = zero.stats["peer"]["sender"]["settings"]
    assert any("playout-delay" in extension for extension in settings["extensions"])
    assert settings["codec"] == "video/VP8"


@pytest.mark.quiet
@pytest.mark.lengthy
@pytest.mark.usefixtures("however_busy")
def test_an_arm_whose_chromium_is_killed_has_failed_and_nothing_of_it_is_left(
    chromium_killed: Callable[[int, float], AbstractContextManager[None]],
) -> None:
    with chromium_killed(2, 6.0):
        result = measured("browser-webrtc", duration="15s")
    assert result.outcome == "failed"
    assert result.reason is not None
    assert " of browser-webrtc failed: " in result.reason
    assert "log" in result.stats["peer"]["receiver"]
