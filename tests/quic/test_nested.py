"""A media controller inside the window of QUIC: alone on a link it is as it is without, and where packets are lost the
window is the limit."""

from functools import cache

import numpy as np
import pytest

from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache
from glassbench.transport import registry


def run(arm, *, rate="3Mbit/s", loss=None):
    delay = {"element": "delay", "delay": "20ms"}
    lossy = [] if loss is None else [{"element": "random-loss", "probability": loss}]
    scenario = build(
        {
            "name": "nested",
            "duration": "6s",
            "arms": [arm],
            "video": {"source": "lognormal", "fps": 60, "encode_cost": "fixed:8ms", "max_bitrate": "80Mbit/s"},
            "network": {"down": [*lossy, {"element": "rate", "rate": rate, "queue": "60kB"}, delay], "up": [delay]},
        }
    )
    result = run_arm(scenario, scenario.arms[0], Reuse(EncodeCache(None), QualityMemo()), quality=False)
    assert result.outcome == "measured", result.reason
    return result


@cache
def rate_of(arm, **network):
    """Mbit/s of frames after three seconds."""
    ledger = run(arm, **network).ledger
    return float(ledger[ledger["captured_at"] >= 3]["size_bytes"].sum()) * 8 / 3e6


def arm_of(control, window=None):
    nested = "" if window is None else f",window={window}"
    return f"quic-datagram:control={control}{nested},encoder=follow"


@pytest.mark.sampled(5)
@pytest.mark.parametrize(("control", "window"), [("gcc", "cubic"), ("gcc", "bbr"), ("adaptive", "reno")])
def test_alone_on_a_link_a_controller_sends_in_a_window_about_what_it_sends_without(control, window):
    assert rate_of(arm_of(control, window)) == pytest.approx(rate_of(arm_of(control)), rel=0.1)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("control", ["gcc", "adaptive"])
def test_with_loss_the_window_is_what_limits(control):
    lossy = {"rate": "20Mbit/s", "loss": "2%"}
    nested, alone, window = (
        rate_of(arm, **lossy) for arm in (arm_of(control, "cubic"), arm_of(control), arm_of("cubic"))
    )
    assert nested < 0.8 * alone
    assert nested < 1.2 * window


def test_the_same_seed_gives_the_same_frames():
    one, two = (run(arm_of("gcc", "cubic"), loss="2%").ledger for _ in range(2))
    assert one.equals(two)
    assert not np.isnan(one["displayed_at"]).all()


def test_over_webtransport_and_streams_too():
    for transport in ("webtransport-datagram", "quic-stream-per-frame"):
        assert rate_of(f"{transport}:control=scream,window=cubic,encoder=follow") > 1


@pytest.mark.parametrize(
    ("transport", "options", "sentence"),
    [
        ("quic-datagram", {"window": "gcc"}, "window must be none, reno, cubic or bbr, got 'gcc'"),
        ("quic-datagram", {"window": "vegas"}, "window must be none, reno, cubic or bbr, got 'vegas'"),
        (
            "quic-stream",
            {"control": "cubic", "window": "cubic"},
            "window=cubic goes around a media controller, control=realtime, gcc, adaptive or scream, got 'cubic'",
        ),
        (
            "quic-datagram",
            {"stack": "stock", "control": "reno", "window": "cubic"},
            "window needs our scheduler: aioquic as it is (stack=stock) has its own window alone",
        ),
        (
            "rtp",
            {"control": "gcc", "window": "cubic"},
            "there is no option 'window': no window of a transport is around its media; quic-* and webtransport-* have "
            "one",
        ),
    ],
)
def test_a_window_that_cannot_be_is_refused_in_one_sentence(transport, options, sentence):
    with pytest.raises(ValueError) as refusal:
        registry.validate_options(transport, options)
    assert str(refusal.value) == f"transport {transport}: {sentence}"


def test_receive_times_are_reported_if_the_media_controller_needs_them():
    options = registry.get("quic-datagram").options
    assert options(control="gcc", window="cubic").timed
    assert not options(control="realtime", window="cubic").timed
