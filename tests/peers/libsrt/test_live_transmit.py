"""srt-live-transmit of libsrt between a file and our srt ends. A file is its stdin, or its stdout."""

import os
import shutil
from typing import Any

import pytest

from glassbench.transport.contract import Frame, FrameReceived
from glassbench.transport.framing import FRAGMENT_HEADER_BYTES, split_frame

CHUNK_BYTES = 1316  # that srt-live-transmit reads of a file for a message; it hands on ten of them at once
LATENCY = 0.12  # seconds
ACCEPTED = 0.3  # seconds after which it knows that somebody has connected; what it reads before is lost
FRAMES = [
    Frame(1, 0, number, 1000 + number / 32, number == 0, 0, 0, None, number.to_bytes(4, "big") * (each // 4))
    for number in range(16)
    for each in [(CHUNK_BYTES - FRAGMENT_HEADER_BYTES) * (1 + number % 4)]
]
MESSAGES = [message for frame in FRAMES for message in split_frame(frame, CHUNK_BYTES)]

pytestmark = pytest.mark.skipif(
    shutil.which("srt-live-transmit") is None, reason="needs srt-live-transmit: apt-get install -y srt-tools"
)
each_calls = pytest.mark.parametrize("caller", ["ours", "theirs"])


@each_calls
def test_it_sends_us_a_file(ours: Any, bench: Any, caller: str) -> None:
    assert {len(message) for message in MESSAGES} == {CHUNK_BYTES} and len(MESSAGES) % 10 == 0
    pipe = bench.folder / "pipe"  # that stays open: at the end of a file it closes, and nobody waits for what is due
    os.mkfifo(pipe)
    port = bench.free_port()
    end = ours("receiver", port, caller="receiver" if caller == "ours" else "sender")
    transmit = f"srt-live-transmit -c:{CHUNK_BYTES} file://con '{address(end, port, caller)}'"
    peer = bench.start("sh", "-c", f"exec {transmit} < {pipe}")
    with pipe.open("r+b", buffering=0) as file:
        if caller == "ours":
            peer.wait_for_port(port)
        end.end.connect(now=end.clock.now())
        end.run(lambda: end.connected)
        end.rest(ACCEPTED)
        assert file.write(b"".join(MESSAGES)) == CHUNK_BYTES * len(MESSAGES), "more than a pipe holds"
        end.run(lambda: len(end.payloads) == len(FRAMES) or peer.ended)
    assert [event.frame for event in end.of(FrameReceived)] == FRAMES, peer.said


@each_calls
def test_it_writes_what_we_send_to_a_file(ours: Any, bench: Any, caller: str) -> None:
    file = bench.folder / "received"
    port = bench.free_port()
    end = ours("sender", port, caller="sender" if caller == "ours" else "receiver")
    peer = bench.start("sh", "-c", f"exec srt-live-transmit '{address(end, port, caller)}' file://con > {file}")
    if caller == "ours":
        peer.wait_for_port(port)
    end.end.connect(now=end.clock.now())
    end.run(lambda: end.connected)
    for frame in FRAMES:
        end.end.send_frame(frame, now=end.clock.now())
        end.step()
    messages = [message for frame in FRAMES for message in split_frame(frame, end.agreed.max_payload_bytes)]
    end.run(lambda: end.end.stats()["packets_sent"] == len(messages))
    end.rest(2 * LATENCY)
    end.end.close(now=end.clock.now())
    end.step()
    peer.interrupt()  # that it writes what it has not written yet
    assert peer.wait() == 0, peer.said
    assert file.read_bytes() == b"".join(messages), peer.said


def address(end: Any, port: int, caller: str) -> str:
    if caller == "ours":
        return f"srt://127.0.0.1:{port}?mode=listener"
    return f"srt://127.0.0.1:{end.port}?mode=caller&port={port}"
