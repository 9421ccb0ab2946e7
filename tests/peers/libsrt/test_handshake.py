"""What our srt ends and libsrt agree on, and how each learns why the other one refuses it."""

from typing import Any

import pytest

from glassbench.transport.contract import Closed

PASSPHRASE = "a long secret"
NEWER = 0x010600  # than the version that we say we are
FILES = 1  # SRTT_FILE
BACKLOG = 5

each_calls = pytest.mark.parametrize("caller", ["ours", "theirs"])


@each_calls
@pytest.mark.parametrize("latency_ms", [70, 500])
def test_both_read_back_the_larger_latency_of_each_direction(call: Any, caller: str, latency_ms: int) -> None:
    """Nothing that we have to hold back comes from a receiver, so we ask for no latency on the way back."""
    pair = call("sender", caller=caller, latency_ms=latency_ms, theirs={"RCVLATENCY": 200, "PEERLATENCY": 40})
    pair.connect()
    there, back = max(latency_ms, 200), 40
    assert (pair.theirs.read("RCVLATENCY"), pair.theirs.read("PEERLATENCY")) == (there, back)
    assert (pair.ours.agreed.send_latency, pair.ours.agreed.receive_latency) == (there / 1e3, back / 1e3)

    pair = call("receiver", caller=caller, latency_ms=latency_ms, theirs={"RCVLATENCY": 40, "PEERLATENCY": 200})
    pair.connect()
    assert (pair.theirs.read("PEERLATENCY"), pair.theirs.read("RCVLATENCY")) == (there, back)
    assert (pair.ours.agreed.receive_latency, pair.ours.agreed.send_latency) == (there / 1e3, back / 1e3)


@pytest.mark.parametrize(
    ("theirs", "why"),
    [
        ({"PASSPHRASE": PASSPHRASE}, "it wants encryption, which is not supported (11, UNSECURE)"),
        ({"MINVERSION": NEWER}, "it wants another version of SRT than 1.5.1 (8, VERSION)"),
        ({"TRANSTYPE": FILES}, "it wants stream mode, only live messages are supported (12, MESSAGEAPI)"),
    ],
)
def test_our_caller_says_why_a_listener_of_libsrt_rejected_it(call: Any, theirs: dict[str, Any], why: str) -> None:
    pair = call("sender", theirs=theirs)
    pair.begin()
    pair.run(lambda: pair.ours.closed)
    assert pair.ours.closed.error == f"the listener rejected the connection, since {why}"
    assert not pair.ours.connected


@pytest.mark.parametrize(
    ("theirs", "reason", "why"),
    [
        ({"PASSPHRASE": PASSPHRASE}, 11, "the peer wants encryption, which is not supported"),
        ({"TRANSTYPE": FILES}, 13, "the peer wants another congestion control than live"),
        ({"PACKETFILTER": "fec,cols:5"}, 14, "the peer wants a packet filter, which is not supported"),
    ],
)
def test_a_caller_of_libsrt_gets_our_reason_and_our_listener_tells_it_at_the_end(
    call: Any, theirs: dict[str, Any], reason: int, why: str
) -> None:
    pair = call("receiver", caller="theirs", theirs=theirs)
    pair.begin()
    pair.run(lambda: pair.theirs.rejection)
    assert pair.theirs.rejection == reason
    assert pair.ours.closed is None, "another caller may be a better one"
    pair.ours.close()
    assert pair.ours.closed.error == f"the caller was refused: {why}"


def test_after_a_caller_that_was_refused_our_listener_takes_one_and_refuses_a_second(call: Any) -> None:
    pair = call("receiver", caller="theirs", theirs={"PASSPHRASE": PASSPHRASE})
    pair.begin()
    pair.run(lambda: pair.theirs.rejection)
    good, late = pair.another(), pair.another()
    good.call(pair.ours.port)
    pair.run(lambda: pair.ours.connected and good.is_connected)
    late.call(pair.ours.port)
    pair.run(lambda: late.rejection)
    assert late.rejection == BACKLOG and good.is_connected
    pair.ours.close()
    assert pair.ours.closed.error is None


def test_a_caller_of_libsrt_that_refuses_our_answer_ends_the_connection(call: Any) -> None:
    """It sends a shutdown, which has no reason with it."""
    pair = call("receiver", caller="theirs", theirs={"MINVERSION": NEWER})
    pair.begin()
    pair.run(lambda: pair.theirs.rejection and pair.ours.closed)
    assert isinstance(pair.ours.closed, Closed) and pair.ours.closed.error is None


@each_calls
def test_each_sees_at_once_that_the_other_has_closed(call: Any, caller: str) -> None:
    pair = call("sender", caller=caller)
    pair.connect()
    pair.theirs.close()
    pair.run(lambda: pair.ours.closed, 1.0)
    assert pair.ours.closed.error is None

    pair = call("sender", caller=caller)
    pair.connect()
    pair.ours.end.close(now=pair.ours.clock.now())
    pair.run(lambda: pair.theirs.is_broken, 1.0)
