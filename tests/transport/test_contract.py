"""What every transport of the table must do. A new one gets these tests by its line in `transport/registry.py`, and an
option that changes much of a connection by an arm in `VARIANTS`.
"""

from collections import Counter

import numpy as np
import pytest

from glassbench.netem.elements.delay import Delay
from glassbench.netem.elements.duplication import Duplication
from glassbench.netem.elements.fixed_rate import FixedRate
from glassbench.netem.elements.outage import Outage
from glassbench.netem.elements.random_loss import RandomLoss
from glassbench.netem.elements.reordering import Reordering
from glassbench.netem.queues.drop_tail import DropTail
from glassbench.transport import registry
from glassbench.transport.contract import (
    Closed,
    Connected,
    Frame,
    FrameDropped,
    FrameLost,
    FrameReceived,
    FrameSent,
    FrameStarted,
    KeyframeRequested,
    Track,
    TransportConfig,
    Unsupported,
)

TIMER_RESOLUTIONS = (0.0, 0.001)
SETTLE = 1.0  # seconds after the last frame in which all that will arrive has arrived, SRT's latency included

VARIANTS = (
    "quic-datagram:zero_rtt=true",
    "quic-stream-per-frame:zero_rtt=true",
    "quic-datagram:control=cubic",
    "quic-stream:control=reno",
    "quic-datagram:ecn=true",
    "rtp:ecn=true",
)

every_transport = pytest.mark.parametrize("name", (*sorted(registry.TRANSPORTS), *VARIANTS))
both_timer_modes = pytest.mark.parametrize("timer_resolution", TIMER_RESOLUTIONS, ids=("exact", "epoll"))


@every_transport
@both_timer_modes
def test_both_ends_connect_before_media_starts(make_session, name, timer_resolution):
    session = make_session(name, timer_resolution=timer_resolution).run(until=1002.0)
    for end in (session.sender, session.receiver):
        assert len(end.of(Connected)) == 1
        assert not end.of(Closed)


@every_transport
@both_timer_modes
def test_a_clean_path_delivers_every_frame_of_both_tracks_once_and_unchanged(make_session, name, timer_resolution):
    session = make_session(name, timer_resolution=timer_resolution)
    session.offer_chat()
    session.run(until=session.offer_video() + SETTLE)
    assert session.received().keys() == session.offered.keys()
    assert not session.receiver.of(FrameLost)
    assert not session.sender.of(FrameDropped)


@every_transport
@both_timer_modes
def test_events_tell_a_consistent_story(make_session, name, timer_resolution):
    session = make_session(name, timer_resolution=timer_resolution)
    session.offer_chat()
    session.run(until=session.offer_video() + SETTLE)
    started = {(event.track, event.sequence): event.at for event in session.sender.of(FrameStarted)}
    sent = {(event.track, event.sequence): event.at for event in session.sender.of(FrameSent)}
    assert started.keys() == sent.keys() == session.offered.keys()
    assert len(session.sender.of(FrameStarted)) == len(session.sender.of(FrameSent)) == len(session.offered)
    for key, frame in session.offered.items():
        assert frame.captured_at <= started[key] <= sent[key]
    for event in session.receiver.of(FrameReceived):
        key = event.frame.track, event.frame.sequence
        assert started[key] + 0.02 - 1e-9 <= event.first_arrival_at <= event.complete_at <= event.at
    for end in (session.sender, session.receiver):
        instants = [event.at for event in end.events]
        assert instants == sorted(instants)


@every_transport
@both_timer_modes
def test_a_frame_of_half_a_megabyte_arrives_whole(make_session, name, timer_resolution):
    session = make_session(name, timer_resolution=timer_resolution)
    session.run(until=session.offer_video(3, delta_bytes=120_000, interval=0.4) + 2 * SETTLE)
    assert session.received().keys() == session.offered.keys()


@every_transport
@both_timer_modes
def test_loss_reordering_and_duplication_break_nothing(make_session, name, timer_resolution):
    dice = [np.random.default_rng(stream) for stream in np.random.SeedSequence(3).spawn(4)]
    session = make_session(
        name,
        timer_resolution=timer_resolution,
        forward=[
            RandomLoss(0.02, dice[0]),
            Duplication(0.02, dice[1]),
            Reordering(0.05, dice[2], lateness=0.008),
            Delay(0.02),
        ],
        backward=[RandomLoss(0.02, dice[3]), Delay(0.02)],
    )
    session.offer_chat()
    session.run(until=session.offer_video(90) + 2 * SETTLE)
    received = session.received()
    lost = Counter((event.track, event.sequence) for event in session.receiver.of(FrameLost))
    assert len(received) >= 0.6 * len(session.offered)
    assert all(count == 1 for count in lost.values())
    assert not received.keys() & lost.keys()
    for end in (session.sender, session.receiver):
        assert not end.of(Closed)
    fates = Counter((e.track, e.sequence) for e in (*session.sender.of(FrameSent), *session.sender.of(FrameDropped)))
    assert all(count <= 2 for count in fates.values())
    for kind in (FrameStarted, FrameSent, FrameDropped):
        told = [(event.track, event.sequence) for event in session.sender.of(kind)]
        assert len(told) == len(set(told))


@every_transport
@both_timer_modes
def test_frames_flow_again_after_an_outage(make_session, name, timer_resolution):
    def outage():
        return Outage([(3.0, 1.0)], epoch=1000.0)

    session = make_session(
        name,
        timer_resolution=timer_resolution,
        forward=[outage(), Delay(0.02)],
        backward=[outage(), Delay(0.02)],
    )
    last_at = session.offer_video(180, delta_bytes=2000)
    session.run(until=last_at + 2 * SETTLE)
    received = session.received()
    recovered = [key for key, frame in session.offered.items() if frame.captured_at > last_at - 1.0]
    assert all(key in received for key in recovered)


@every_transport
@both_timer_modes
def test_a_keyframe_request_reaches_the_sender(make_session, name, timer_resolution):
    session = make_session(name, timer_resolution=timer_resolution)
    session.receiver.at(1002.5, lambda now: session.receiver.transport.request_keyframe(1, now=now))
    session.run(until=session.offer_video() + SETTLE)
    (request,) = session.sender.of(KeyframeRequested)
    assert request.track == 1
    assert 1002.52 <= request.at <= 1002.6


@every_transport
def test_a_keyframe_request_for_an_unknown_track_or_before_media_is_harmless(make_session, name):
    session = make_session(name)
    session.receiver.at(1000.0, lambda now: session.receiver.transport.request_keyframe(1, now=now))
    session.receiver.at(1002.5, lambda now: session.receiver.transport.request_keyframe(77, now=now))
    session.run(until=session.offer_video() + SETTLE)
    assert all(request.track == 1 for request in session.sender.of(KeyframeRequested))
    assert session.received().keys() == session.offered.keys()


@every_transport
@both_timer_modes
def test_random_datagrams_between_good_ones_change_nothing(make_session, name, timer_resolution):
    def run(garbage_seed):
        session = make_session(name, timer_resolution=timer_resolution)
        session.offer_chat()
        if garbage_seed is not None:
            dice = np.random.default_rng(garbage_seed)
            for index in range(300):
                for end in (session.sender, session.receiver):
                    data = dice.bytes(int(dice.integers(0, 1400)))
                    feed = end.transport.receive_datagram
                    end.at(1000.5 + index * 0.01, lambda now, d=data, f=feed: f(d, ("10.0.0.9", 9), now=now))
        session.run(until=session.offer_video() + SETTLE)
        if timer_resolution:  # each call arms the timers anew, so these move
            return session.received()
        return session.sender.events, session.receiver.events

    clean = run(None)
    for seed in (1, 2):
        assert run(seed) == clean, f"garbage of seed {seed}"


@every_transport
def test_mutated_and_truncated_datagrams_raise_nothing(make_session, name):
    donor = make_session(name)
    donor.offer_chat()
    donor.receiver.at(1002.1, lambda now: donor.receiver.transport.request_keyframe(1, now=now))
    donor.run(until=donor.offer_video(10) + 0.5)
    session = make_session(name, seed=8)
    dice = np.random.default_rng(5)
    for end, datagrams in ((session.sender, donor.receiver.sent), (session.receiver, donor.sender.sent)):
        for index in range(400):
            data = bytearray(datagrams[int(dice.integers(len(datagrams)))])
            for _ in range(int(dice.integers(1, 4))):
                data[int(dice.integers(min(40, len(data))))] = int(dice.integers(256))
            cut = bytes(data) if index % 2 else bytes(data[: int(dice.integers(len(data)))])
            feed = end.transport.receive_datagram
            end.at(1000.0 + index * 0.005, lambda now, d=cut, f=feed: f(d, ("10.0.0.9", 9), now=now))
    session.run(until=1004.0)
    assert sum(session.receiver.transport.stats().values()) < 100_000  # and nothing was answered without bound
    assert len(session.sender.sent) + len(session.receiver.sent) < 5000


@every_transport
@both_timer_modes
def test_an_overloaded_link_breaks_nothing(make_session, name, timer_resolution):
    session = make_session(
        name,
        timer_resolution=timer_resolution,
        forward=[FixedRate(500e3, DropTail(limit_bytes=30_000)), Delay(0.02)],
    )
    session.run(until=session.offer_video(90, delta_bytes=20_000) + 2 * SETTLE)
    session.received()
    decided = Counter((e.track, e.sequence) for e in session.sender.of(FrameDropped))
    assert all(count == 1 for count in decided.values())


@every_transport
def test_what_waits_at_the_sender_is_bounded_when_nothing_gets_through(make_session, name):
    session = make_session(name, forward=[Outage([(2.0, 1000.0)], epoch=1000.0), Delay(0.02)])
    megabyte = 2**20
    for index in range(64):
        payload = b"\x00\x00\x00\x01\x41" + b"\x55" * megabyte
        session.offer(Frame(1, 0, index, 1002.5, index == 0, 0, 1, None, payload))
    session.run(until=1006.0)
    left = {e.sequence for e in session.sender.of(FrameSent)} | {e.sequence for e in session.sender.of(FrameDropped)}
    assert len(session.offered) - len(left) <= 32


@every_transport
@both_timer_modes
def test_close_is_clean_and_calls_after_it_are_harmless(make_session, name, timer_resolution):
    session = make_session(name, timer_resolution=timer_resolution)
    last_at = session.offer_video()
    session.sender.at(last_at + 1.0, lambda now: session.sender.transport.close(now=now))
    session.run(until=last_at + 2.0)
    session.receiver.at(last_at + 2.0, lambda now: session.receiver.transport.close(now=now))
    session.simulator.settle("receiver")
    frame = session.offered[1, 0]

    def all_calls(now):
        session.sender.transport.send_frame(frame, now=now)
        session.sender.transport.receive_datagram(b"", ("10.0.0.2", 5000), now=now)
        session.receiver.transport.request_keyframe(1, now=now)
        session.receiver.transport.receive_datagram(b"", ("10.0.0.1", 5000), now=now)
        for end in (session.sender, session.receiver):
            end.transport.close(now=now)
            end.transport.stats()

    session.sender.at(last_at + 3.0, all_calls)
    session.simulator.settle("sender")
    session.run(until=last_at + 60.0)
    assert session.received().keys() == session.offered.keys()
    for end in (session.sender, session.receiver):
        (closed,) = end.of(Closed)
        assert closed.error is None
        assert end.get_timer() is None, "nothing is left to do after the end"


@every_transport
def test_calls_in_odd_order_are_harmless(make_session, name):
    session = make_session(name)
    for end in (session.sender, session.receiver):
        end.transport.handle_timer(now=999.0)
        assert list(end.transport.datagrams_to_send(now=999.0)) == []
        assert end.transport.get_timer() is None or end.transport.get_timer() >= 999.0
        end.transport.receive_datagram(b"\x80", ("10.0.0.9", 9), now=999.0)
        end.transport.stats()
        end.at(1000.5, lambda now, end=end: end.transport.connect(now=now))  # a second time
    for tenth in range(30):
        for end in (session.sender, session.receiver):
            end.at(1000.0 + tenth / 10, lambda now, end=end: end.transport.handle_timer(now=now))
    session.run(until=session.offer_video() + SETTLE)
    for end in (session.sender, session.receiver):
        assert len(end.of(Connected)) == 1
        assert list(end.transport.datagrams_to_send(now=session.simulator.now)) == []
    assert session.received().keys() == session.offered.keys()


@every_transport
def test_close_before_connect_is_harmless(make_session, name):
    session = make_session(name)
    for end in (session.sender, session.receiver):
        end.transport.close(now=1000.0)
    session.run(until=1002.0)


@every_transport
@both_timer_modes
def test_a_minute_without_media_is_survived(make_session, name, timer_resolution):
    session = make_session(name, timer_resolution=timer_resolution)
    session.offer_video(10)
    session.run(until=session.offer_video(10, start_at=1062.0, first=10) + SETTLE)
    assert session.received().keys() == session.offered.keys()
    for end in (session.sender, session.receiver):
        assert not end.of(Closed)


@every_transport
@both_timer_modes
def test_two_runs_of_one_seed_are_equal(make_session, name, timer_resolution):
    def run():
        dice = [np.random.default_rng(stream) for stream in np.random.SeedSequence(11).spawn(2)]
        session = make_session(
            name,
            timer_resolution=timer_resolution,
            forward=[RandomLoss(0.02, dice[0]), FixedRate(2e6, DropTail(limit_bytes=60_000)), Delay(0.02)],
            backward=[RandomLoss(0.02, dice[1]), Delay(0.02)],
        )
        session.offer_chat()
        session.run(until=session.offer_video() + SETTLE)
        sizes = [list(map(len, end.sent)) for end in (session.sender, session.receiver)]
        return session.sender.events, session.receiver.events, sizes

    assert run() == run()


@every_transport
def test_datagrams_fit_the_path(make_session, name):
    session = make_session(name)
    session.offer_chat()
    session.run(until=session.offer_video() + SETTLE)
    assert max(map(len, session.sender.sent + session.receiver.sent)) <= 1452


@pytest.mark.parametrize("name", sorted(registry.TRANSPORTS))
def test_media_that_is_not_carried_is_refused_with_a_reason(name):
    entry = registry.get(name)
    assert {"h264", "data"} <= entry.media
    for media in sorted(registry.ANY_MEDIA):
        track = Track(1, "video", media, 1)
        config = TransportConfig(("10.0.0.1", 1), ("10.0.0.2", 2), 1, (track,))
        for make in (entry.make_sender, entry.make_receiver):
            if media in entry.media:
                make(config)
            else:
                with pytest.raises(Unsupported, match=media):
                    make(config)
