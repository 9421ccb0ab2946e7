"""The same seed gives the same events in another process with another hash seed, and another seed does not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import hashlib, sys
sys.path[:0] = [{root!r}, {here!r}]
import numpy as np
from conftest import CHAT, MEDIA_AT, Call, make_video
from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.transport.contract import Track
seed = {seed}
for arm in {arms!r}:
    for options in ({{}}, {{"stack": "stock", "control": "cubic"}}, {{"control": "cubic"}}):
        dice = [np.random.default_rng(each) for each in np.random.SeedSequence(seed).spawn(2)]
        forward = [RandomLoss(0.03, dice[0]), FixedRate(3e6, DropTail(limit_bytes=60_000)), Delay(0.02)]
        backward = [RandomLoss(0.03, dice[1]), Delay(0.02)]
        tracks = (Track(1, "video", "h264", 2, 0.3), CHAT)
        session = Call(arm, options=options, tracks=tracks, forward=forward, backward=backward)
        frames = make_video(45, 14_000, deadline=0.3) + make_video(20, 300, interval=0.1, track=CHAT)
        session.run(frames, until=MEDIA_AT + 4, requests=[(1002.7, 1)])
        story = repr((session.sender.events, session.receiver.events)).encode()
        print(arm, options, hashlib.sha256(b"".join([story, *session.sender.sent])).hexdigest())
"""
ARMS = ["quic-stream", "quic-stream-per-gop", "quic-stream-per-frame", "quic-datagram", "webtransport-stream-per-frame"]


def events(seed: int, hash_seed: int) -> list[str]:
    program = PROGRAM.format(root=str(ROOT / "src"), here=str(Path(__file__).parent), seed=seed, arms=ARMS)
    environment = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    run = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


@pytest.mark.long
def test_two_processes_see_the_same_and_another_seed_something_else():
    first = events(seed=7, hash_seed=1)
    assert len(first) == 3 * len(ARMS)
    assert events(seed=7, hash_seed=2) == first
    other = events(seed=8, hash_seed=1)
    assert all(a != b for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("arm", ARMS)
def test_a_run_may_be_cut_in_pieces(call, video, arm):
    whole = call(arm).run(video(20), until=1004.0)
    pieces = call(arm)
    pieces.make(video(20))
    for step in range(1, 401):
        pieces.simulator.run(until=1000.0 + step / 100)
    assert (pieces.sender.events, pieces.receiver.events) == (whole.sender.events, whole.receiver.events)
