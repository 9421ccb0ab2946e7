"""WebTransport between us and a page in Chromium: what the page says is not trusted, and what it tells of frames agrees
with what our own receiver sees."""

import contextlib
import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassbench.experiments.account.arm_result import ArmResult
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.browser.page_ledger import PageLedger
from glassbench.experiments.worlds.live.arm import run_arm
from glassbench.experiments.worlds.live.wiring import check_emulator
from glassbench.experiments.worlds.peers.browser_webtransport import BrowserWebTransport
from glassbench.experiments.worlds.peers.descriptions import say
from glassbench.experiments.worlds.peers.page_receiver import PageReceiver
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd, PeerError, PeerVideo
from glassbench.experiments.worlds.peers.peer_transport import PeerTransport
from glassbench.experiments.worlds.peers.webtransport_page import WebTransportPage
from glassbench.netem.live.alignment_messages import ANSWER, QUESTION, TOKEN_BYTES, Message, decode, encode
from glassbench.receiver.quality import QualityMemo
from glassbench.transport.contract import Track, Unsupported

VIDEO = PeerVideo(320, 180, Fraction(30), "h264", 1_000_000, None)
OPTIONS: dict[str, object] = {"send": "server", "mapping": "datagram", "control": "realtime"}


@pytest.fixture
def context(tmp_path: Path) -> Iterator[PeerContext]:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        yield PeerContext("receiver", ("10.0.0.2", 2), ("10.0.0.1", 1), OPTIONS, VIDEO, 1, 1.0, tmp_path, here, 1002.0)


@pytest.mark.parametrize(
    "message", ["", "[]", "{", "NaN", '{"kind": 3}', '{"kind": "ledger", "rows": 7}', "[" * 100_000, '"kind"']
)
def test_what_a_page_may_not_say_is_one_sentence(message: str, context: PeerContext) -> None:
    page = WebTransportPage(context, lambda said: PageLedger().take(said) if said.get("kind") == "ledger" else refuse())
    with pytest.raises(PeerError) as raised:
        page.take(message)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 1000


def refuse() -> None:
    raise ValueError("accepted is what the page says")


@given(st.recursive(st.none() | st.integers() | st.text(max_size=9), lambda each: st.lists(each, max_size=4)))
def test_any_rows_of_a_page_are_taken_or_refused(rows: Any) -> None:
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        made = PeerContext("receiver", ("10.0.0.2", 2), ("10.0.0.1", 1), OPTIONS, VIDEO, 1, 1.0, Path(), here, 1002.0)
        with contextlib.suppress(PeerError):
            WebTransportPage(made, PageLedger().take).take(json.dumps({"kind": "ledger", "rows": rows}))


def test_a_question_for_the_time_is_answered_to_who_has_the_token_alone(context: PeerContext) -> None:
    page = WebTransportPage(context, PageLedger().take)
    context.outlet.now = lambda: 1003.5
    answer = page.take(encode(Message(QUESTION, page.token, 7)))
    assert isinstance(answer, bytes)
    assert decode(answer, ANSWER) == Message(ANSWER, page.token, 7, 1003.5, 1003.5)
    for other in (encode(Message(QUESTION, bytes(TOKEN_BYTES), 7)), answer, b"", bytes(1000)):
        assert page.take(other) is None


def test_that_a_session_ends_is_a_failure_until_the_arm_is_over(context: PeerContext) -> None:
    page = WebTransportPage(context, PageLedger().take)
    ended = json.dumps({"kind": "ended", "reason": "the encoder\nfailed"})
    with pytest.raises(PeerError, match=r"^the session failed: the encoder failed$"):
        page.take(ended)
    page.is_over = True
    page.take(ended)


def test_rows_of_frames_that_nobody_captured_are_dropped_and_counted_once(context: PeerContext) -> None:
    ledger, track = PageLedger(), Track(0, "video", "h264", 1, deadline=1.0)
    transport = PeerTransport(PeerEnd(context), "receiver", (track,), framed=False)
    end = PageReceiver(transport, track, ledger, threading.Lock(), {0: 3})
    exchanges = [[at, at + 1000.0, at + 1000.0, at] for at in (2.0, 3.0)]
    for sequences in ((0, 2, 3), (1, 2**40)):
        rows = [[sequence, 2.1, 2.1, 2.1, 2.2, 2.2, sequence, 1002.0e6] for sequence in sequences]
        ledger.take({"rows": rows, "exchanges": exchanges})
        end.handle_timer(now=1002.3)
    assert (sorted(end.records), end.unannounced) == ([(0, 0), (0, 1), (0, 2)], 2)
    end.finish(now=1003.0)
    assert (sorted(end.records), end.unannounced, end.stamp_errors) == ([(0, 0), (0, 1), (0, 2)], 2, 0)


def test_a_codec_that_browsers_do_not_have_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BrowserWebTransport, "version", classmethod(lambda cls: "Chromium"))
    with pytest.raises(Unsupported, match="accepted are h264, vp8, vp9 and av1"):
        BrowserWebTransport.check(OPTIONS, PeerVideo(320, 180, Fraction(30), "hevc", 1_000_000, None))


def test_a_codec_that_the_browser_does_not_encode_is_unsupported_with_its_reason(
    context: PeerContext, page_says: Callable[[list[str]], None]
) -> None:
    reason = "this browser does not encode h264 (avc1.640028, 320x180)"
    said = [{"kind": "refused", "reason": reason}, {"kind": "ended", "reason": "the session ended"}]
    page_says([json.dumps(each) for each in said])
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with here, there:
        say(replace(context, side=there), "certificate", "")
        end = BrowserWebTransport.end(replace(context, role="sender", options={**OPTIONS, "send": "page"}, side=here))
        try:
            end.start()
            PeerTransport(end, "sender", (Track(0, "video", "h264", 1),), framed=False).connect(now=0.0)
            assert select.select([context.outlet], [], [], 20.0)[0]
        finally:
            end.close()
    assert context.outlet.unsupported == reason


def measured(arm: str, network: dict[str, Any], *, codec: str = "h264", duration: str = "3s") -> ArmResult:
    """The result of an arm; the test is skipped, with the reason, where Chromium is not."""
    video = {"source": "synthetic", "width": 320, "height": 180, "fps": 30, "bitrate": "1Mbit/s", "codec": codec}
    plan = build(
        {
            "name": "page",
            "seed": 20,
            "duration": duration,
            "network": network,
            "video": {**video, "deadline": "2s"},
            "arms": [arm],
        }
    )
    try:
        check_emulator("netns", plan)
        return run_arm(plan, plan.arms[0], QualityMemo())
    except (Unsupported, OSError) as error:
        pytest.skip(str(error))


@pytest.mark.long
@pytest.mark.quiet
@pytest.mark.usefixtures("however_busy")
@pytest.mark.parametrize(("codec", "mapping"), [("vp8", "datagram"), ("vp9", "stream-per-frame"), ("vp8", "stream")])
def test_a_page_sends_and_our_receiver_sees_what_it_filmed(codec: str, mapping: str) -> None:
    result = measured(f"browser-webtransport:send=page,mapping={mapping}", {"delay": "10ms"}, codec=codec)
    assert result.outcome == "measured", (result.reason, result.stats["peer"])
    assert result.ledger is not None
    shown = result.ledger[result.ledger["fate"] == "displayed"]
    assert len(shown) > 0.8 * len(result.ledger), result.ledger["fate"].value_counts()
    assert (shown["stamp_sequence"] == shown["sequence"]).mean() >= 0.99
    assert shown["complete_at"].notna().all() and shown["first_sent_at"].isna().all()
    assert shown["own_ssim"].median() > 0.6
    assert result.stats["peer"]["sender"]["settings"]["encoder"]["bitrate"] == 1_000_000


@pytest.mark.long
@pytest.mark.quiet
@pytest.mark.usefixtures("however_busy")
def test_a_page_sees_frames_when_our_receiver_does_on_the_same_drive() -> None:
    network = {"trace": "lte-driving", "delay": "20ms"}
    ours, page = (measured(arm, network, duration="6s") for arm in ("webtransport-datagram", "browser-webtransport"))
    took = []
    for result in (ours, page):
        assert result.outcome == "measured", result.reason
        assert result.ledger is not None
        frames = result.ledger[result.ledger["track"] == 0]
        assert (frames["fate"] == "displayed").mean() > 0.97, frames["fate"].value_counts()
        took.append(((frames["complete_at"] - frames["captured_at"]) * 1e3).quantile([0.5, 0.95]).tolist())
    assert abs(took[1][0] - took[0][0]) < 5.0  # 3 ms on a machine that has nothing else to do
    assert abs(took[1][1] - took[0][1]) < 0.1 * took[0][1] + 5.0
