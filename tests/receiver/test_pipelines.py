"""Both pipelines together, over a transport without a network."""

import itertools

import pytest

from glassbench.sender.encoder import EncoderSettings

INTERVAL = 1 / 30


def stages(run, key):
    sent, received = run.sender.records[key], run.receiver.records[key]
    return [
        sent.captured_at,
        sent.encode_start_at,
        sent.encode_end_at,
        sent.first_sent_at,
        received.first_arrival_at,
        received.complete_at,
        received.delivered_at,
        received.released_at,
        received.displayed_at,
    ]


@pytest.mark.parametrize("resolution", [0.0, 0.001])
@pytest.mark.parametrize("playout", ["immediate", "fixed:120ms", "adaptive"])
def test_every_frame_has_all_stages_in_order(make_run, playout, resolution):
    run = make_run(playout=playout, resolution=resolution).run()
    assert len(run.sender.captured) == len(run.sender.records) == 60
    assert run.outcomes() == ["displayed"] * 60
    for key in run.sender.records:
        instants = stages(run, key)
        assert None not in instants
        assert all(earlier <= later for earlier, later in itertools.pairwise(instants)), (key, instants)


@pytest.mark.parametrize(("encode", "delay", "decode"), [(0, 0.0, 0), (3, 0.02, 2), (20, 0.3, 10)])
def test_glass_to_glass_is_the_sum_of_costs_and_delay(make_run, encode, delay, decode):
    run = make_run(encode=f"fixed:{encode}ms", decode=f"fixed:{decode}ms")
    run.sending.delay_of = lambda frame: delay
    run.run()
    for key, sent in run.sender.records.items():
        expected = encode / 1e3 + delay + decode / 1e3
        assert run.receiver.records[key].displayed_at - sent.captured_at == pytest.approx(expected, abs=1e-9)


def test_decoded_pictures_carry_the_stamp_of_their_frame(make_run):
    run = make_run(source="bikes", duration=1.0, deadline=None).run()
    assert run.outcomes() == ["displayed"] * 30
    for key, record in run.receiver.records.items():
        assert record.stamp_sequence == key[1]
        assert record.stamp_captured_at == run.sender.records[key].captured_at
    assert run.receiver.stamp_errors == run.receiver.stamp_unreadable == 0


def test_after_a_loss_frames_are_undecodable_until_the_requested_keyframe(make_run):
    run = make_run(source="bikes")
    run.sending.is_lost = lambda frame: frame.sequence == 20
    run.run()
    outcomes = run.outcomes()
    # Loss known 22 ms after capture 20, request at the sender 20 ms later: before capture 22, which is the keyframe.
    assert outcomes[20:22] == [None, "undecodable"]
    assert [outcome for index, outcome in enumerate(outcomes) if index not in (20, 21)] == ["displayed"] * 58
    assert run.sender.records[0, 22].keyframe
    assert run.sender.records[0, 22].group == 1
    assert run.receiver.keyframe_requests == run.sender.keyframe_requests == 1
    assert run.receiver.stamp_errors == 0


def test_a_lost_keyframe_is_asked_for_again(make_run):
    run = make_run()
    run.sending.is_lost = lambda frame: frame.sequence == 10 or (frame.keyframe and 0 < frame.sequence < 15)
    run.run()
    keyframes = [key[1] for key, record in run.sender.records.items() if record.keyframe]
    assert len(keyframes) == 3
    assert run.receiver.keyframe_requests == 2
    assert (keyframes[2] - keyframes[1]) * INTERVAL == pytest.approx(0.2, abs=INTERVAL)
    outcomes = run.outcomes()
    assert set(outcomes[10 : keyframes[2]]) == {None, "undecodable"}
    assert set(outcomes[keyframes[2] :]) == {"displayed"}


def test_keyframes_are_forced_at_most_once_per_spacing(make_run):
    run = make_run(duration=3.0)
    run.sending.is_lost = lambda frame: frame.sequence % 3 == 1
    run.run()
    at = [record.encode_start_at for record in run.sender.records.values() if record.keyframe]
    assert len(at) > 5
    assert min(later - earlier for earlier, later in itertools.pairwise(at)) >= 0.2 - 1e-9


def test_a_frame_past_its_deadline_is_decoded_so_that_the_chain_holds_but_not_displayed(make_run):
    run = make_run(source="bikes", deadline=0.1)
    run.sending.delay_of = lambda frame: 0.112 if frame.sequence == 20 else 0.02
    run.run()
    outcomes = run.outcomes()
    assert outcomes == ["displayed"] * 20 + ["late"] + ["displayed"] * 39
    late = run.receiver.records[0, 20]
    assert late.displayed_at is None
    assert late.decoded_at == pytest.approx(run.sender.records[0, 20].captured_at + 0.002 + 0.112 + 0.001)
    assert [each.sequence for each in run.receiver.decoded] == list(range(60))
    assert [each.sequence for each in run.receiver.decoded if each.displayed_at is None] == [20]


def test_a_keyframe_that_was_asked_for_at_the_deadline_replaces_a_frame_that_stays_away(make_run):
    run = make_run(deadline=0.1)
    run.sending.delay_of = lambda frame: 0.4 if frame.sequence == 20 else 0.02
    run.run()
    outcomes = run.outcomes()
    assert outcomes[20] == "late"
    assert outcomes[21] == "undecodable"
    recovered = outcomes.index("displayed", 20)
    assert run.sender.records[0, recovered].keyframe
    # It was waited for until its deadline, then a keyframe was requested: capture 20 + 100 ms + the way back.
    requested_at = run.sender.records[0, 20].captured_at + 0.1 + 0.02
    assert 0 <= run.sender.records[0, recovered].captured_at - requested_at < INTERVAL


@pytest.mark.parametrize(("decode", "outcome"), [("fixed:78ms", "displayed"), ("fixed:79ms", "late")])
def test_the_deadline_ends_with_the_display_not_with_the_arrival(make_run, decode, outcome):
    run = make_run(deadline=0.1, duration=1 / 30, decode=decode).run()  # after 2 ms of encoding and 20 ms on the way
    assert run.outcomes() == [outcome]


def test_a_message_past_its_deadline_was_delivered_late(make_run):
    run = make_run(messages=(1002.0, 1002.5), chat_deadline=0.05)
    run.sending.delay_of = lambda frame: 0.06 if (frame.track, frame.sequence) == (1, 1) else 0.02
    run.run()
    in_time, late = run.receiver.records[1, 0], run.receiver.records[1, 1]
    assert (in_time.outcome, late.outcome) == ("displayed", "late")
    assert late.displayed_at is None and late.delivered_at == pytest.approx(1002.56)


def test_a_frame_within_its_deadline_is_waited_for_and_holds_back_those_behind(make_run):
    run = make_run(deadline=0.2)
    run.sending.delay_of = lambda frame: 0.15 if frame.sequence == 20 else 0.02
    run.run()
    assert run.outcomes() == ["displayed"] * 60
    records = run.receiver.records
    held = [sequence for sequence in range(60) if records[0, sequence].released_at > records[0, sequence].delivered_at]
    assert held == [21, 22, 23]
    assert records[0, 23].released_at == records[0, 20].released_at
    assert run.receiver.keyframe_requests == 0


def test_a_transport_that_never_reports_loss_is_not_waited_for_beyond_the_deadline(make_run):
    run = make_run(deadline=0.1)
    run.sending.reports_loss = False
    run.sending.is_lost = lambda frame: frame.sequence == 20
    run.run()
    assert run.outcomes()[20] is None
    assert run.outcomes()[-1] == "displayed"


def test_reordered_frames_are_displayed_in_order(make_run):
    run = make_run(source="bikes")
    run.sending.delay_of = lambda frame: 0.06 if frame.sequence % 3 == 1 else 0.01
    run.run()
    assert run.outcomes() == ["displayed"] * 60
    assert [each.sequence for each in run.receiver.decoded] == list(range(60))
    assert run.receiver.stamp_errors == 0


def test_a_slow_decoder_makes_frames_wait(make_run):
    run = make_run(decode="fixed:50ms", duration=1.0, deadline=None).run()
    for sequence in range(30):
        record = run.receiver.records[0, sequence]
        expected = run.receiver.records[0, 0].released_at + (sequence + 1) * 0.05
        assert record.displayed_at == pytest.approx(expected, abs=1e-9)


def test_a_slow_encoder_drops_captures_before_they_get_a_sequence(make_run):
    run = make_run(encode="fixed:100ms", duration=2.0).run()
    dropped = [record for record in run.sender.captured if record.given_up == "dropped"]
    assert len(run.sender.captured) == 60
    assert 38 <= len(dropped) <= 40
    assert all(record.sequence == -1 and record.encode_start_at is None for record in dropped)
    assert [sequence for _, sequence in run.sender.records] == list(range(60 - len(dropped)))
    assert set(run.outcomes()) == {"displayed"}
    waits = [record.encode_start_at - record.captured_at for record in run.sender.records.values()]
    assert max(waits) < 0.1 + 3 * INTERVAL


def test_messages_run_beside_the_video_and_are_displayed_on_delivery(make_run):
    instants = tuple(1002.0 + 0.25 * index for index in range(8))
    run = make_run(messages=instants).run()
    sent = [record for record in run.sender.captured if record.track == run.chat.id]
    assert [record.captured_at for record in sent] == list(instants)
    assert [record.captured_at for record in run.sender.captured] == sorted(r.captured_at for r in run.sender.captured)
    for record in sent:
        received = run.receiver.records[record.track, record.sequence]
        assert received.outcome == "displayed"
        assert received.displayed_at == received.delivered_at == pytest.approx(record.captured_at + 0.02)


def test_fixed_playout_displays_every_frame_at_its_target(make_run):
    run = make_run(playout="fixed:150ms", decode="fixed:5ms")
    run.sending.delay_of = lambda frame: 0.02 + 0.01 * (frame.sequence % 5)
    run.run()
    for key, sent in run.sender.records.items():
        received = run.receiver.records[key]
        assert received.displayed_at - sent.captured_at == pytest.approx(0.15, abs=1e-9)
        assert received.released_at == pytest.approx(sent.captured_at + 0.145, abs=1e-9)


def test_adaptive_playout_smooths_jitter_that_immediate_playout_shows(make_run):
    def spread(playout):
        run = make_run(playout=playout, duration=10.0)
        run.sending.delay_of = lambda frame: 0.02 + 0.01 * (frame.sequence * 7 % 5)
        run.run()
        delays = [run.receiver.records[key].displayed_at - sent.captured_at for key, sent in run.sender.records.items()]
        return max(delays[100:]) - min(delays[100:])

    assert spread("immediate") == pytest.approx(0.04, abs=1e-6)
    assert spread("adaptive") < 0.005


def test_real_damage_to_the_bitstream_is_undecodable_and_never_shown(make_run):
    run = make_run(source="bikes", duration=1.5)
    send = run.sending.send_frame

    def send_frame(frame, *, now):
        import dataclasses

        if frame.sequence == 10:
            frame = dataclasses.replace(frame, payload=frame.payload[:6] + bytes(len(frame.payload) - 6))
        send(frame, now=now)

    run.sending.send_frame = send_frame
    run.run()
    outcomes = run.outcomes()
    assert outcomes[10] == "undecodable"
    assert 10 not in [each.sequence for each in run.receiver.decoded]
    assert outcomes[-1] == "displayed"
    assert run.receiver.stamp_errors == 0


def test_at_the_end_a_frame_behind_a_missing_one_is_undecodable_and_one_held_for_playout_late(make_run):
    stuck = make_run(deadline=None)
    stuck.sending.reports_loss = False
    stuck.sending.is_lost = lambda frame: frame.sequence == 50
    assert stuck.run().outcomes() == ["displayed"] * 50 + [None] + ["undecodable"] * 9
    held = make_run(playout="fixed:3s", deadline=None)
    assert held.run().outcomes()[-1] == "late"
    assert held.outcomes()[0] == "displayed"


def test_settings_reach_the_encoder(make_run):
    run = make_run(settings=EncoderSettings(keyframe_interval=10)).run()
    assert [key[1] for key, record in run.sender.records.items() if record.keyframe] == [0, 10, 20, 30, 40, 50]
    assert [record.group for record in run.sender.records.values()] == [index // 10 for index in range(60)]
