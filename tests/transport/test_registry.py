"""The table of transports and the validation of their options."""

import dataclasses

import pytest

from glassbench.transport import registry
from glassbench.transport.congestion import CONTROLLERS

*_FIRST, _LAST = CONTROLLERS
CONTROLS = f"{', '.join(_FIRST)} or {_LAST}"


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown transport 'rtq'; known are .*udp.*rtp"):
        registry.get("rtq")


@pytest.mark.parametrize("name", sorted(registry.TRANSPORTS))
def test_every_entry_has_frozen_options_with_defaults_and_a_summary(name):
    entry = registry.get(name)
    assert entry.name == name
    assert entry.summary
    assert entry.media <= registry.ANY_MEDIA
    assert dataclasses.is_dataclass(entry.options)
    assert entry.options.__dataclass_params__.frozen
    defaults = registry.validate_options(name, {})
    assert defaults == {field.name: getattr(entry.options(), field.name) for field in dataclasses.fields(entry.options)}
    assert registry.validate_options(name, defaults) == defaults


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"nak": True},
            r"transport rtp: unknown option 'nak'; accepted are nack, max_retries, reorder_window, rtx_share, ecn",
        ),
        ({"nack": 1}, r"transport rtp: option 'nack' must be bool, got 1"),
        ({"max_retries": True}, r"transport rtp: option 'max_retries' must be int, got True"),
        ({"max_retries": 2.5}, r"transport rtp: option 'max_retries' must be int, got 2.5"),
        ({"reorder_window": "5ms"}, r"transport rtp: option 'reorder_window' must be float, got '5ms'"),
        ({"reorder_window": -0.1}, r"transport rtp: reorder_window must be 0 to 10 seconds, got -0.1"),
        ({"reorder_window": float("nan")}, r"transport rtp: reorder_window must be 0 to 10 seconds, got nan"),
        ({"rtx_share": 0}, r"transport rtp: rtx_share must be above 0 and at most 100, got 0"),
        ({"max_retries": 0}, r"transport rtp: max_retries must be 1 to 100, got 0"),
    ],
)
def test_a_bad_option_is_named_with_what_is_accepted(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        registry.validate_options("rtp", options)


def test_an_integer_serves_where_a_float_is_asked_for():
    assert registry.validate_options("rtp", {"reorder_window": 1})["reorder_window"] == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"congestion": "reno"},
            "transport quic-stream: option 'congestion' is now 'control'; aioquic's own is stack=stock,control=reno",
        ),
        ({"control": "vegas"}, f"transport quic-stream: control must be {CONTROLS}, got 'vegas'"),
        (
            {"stack": "stock"},
            "transport quic-stream: stack=stock is aioquic as it is, with control=reno or cubic, got 'realtime'",
        ),
        ({"stack": "own"}, "transport quic-stream: option 'stack' must be 'scheduled' or 'stock', got 'own'"),
    ],
)
def test_a_control_that_a_stack_does_not_have_is_refused_in_one_sentence(options, sentence):
    with pytest.raises(ValueError) as refusal:
        registry.validate_options("quic-stream", options)
    assert str(refusal.value) == sentence


def test_where_there_never_was_an_option_congestion_it_is_just_unknown():
    with pytest.raises(ValueError, match="transport udp: unknown option 'congestion'; accepted are reorder_window"):
        registry.validate_options("udp", {"congestion": "reno"})


@pytest.mark.parametrize("name", ["udp", "srt"])
def test_a_transport_without_feedback_of_marks_refuses_ecn_and_says_why(name):
    with pytest.raises(ValueError) as refusal:
        registry.validate_options(name, {"ecn": True})
    reason = "nothing in its feedback tells of marks; quic-*, webtransport-* and rtp have it"
    assert str(refusal.value) == f"transport {name}: there is no option 'ecn': {reason}"


def test_aioquic_as_it_is_has_no_ecn():
    with pytest.raises(
        ValueError, match=r"ecn=true needs our scheduler: aioquic as it is \(stack=stock\) knows no ECN"
    ):
        registry.validate_options("quic-datagram", {"stack": "stock", "control": "reno", "ecn": True})


def test_an_entry_says_how_long_frames_are_held_and_what_a_dissector_must_be_told():
    held = {name: entry.holds(registry.validate_options(name, {})) for name, entry in registry.TRANSPORTS.items()}
    assert {name for name, seconds in held.items() if seconds} == {"srt"}
    assert registry.get("srt").holds(registry.validate_options("srt", {"latency_ms": 250})) == 0.25
    assert {name for name, entry in registry.TRANSPORTS.items() if entry.hint is not None} == {"rtp", "srt"}
