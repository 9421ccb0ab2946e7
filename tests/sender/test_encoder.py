import hashlib
import itertools
import os
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest

from glassbench.receiver.decoder import VideoDecoder
from glassbench.receiver.stamp import read_stamp
from glassbench.sender.encoder import ENCODERS, EncoderError, EncoderSettings, PictureEncoder, SourceEncoder
from glassbench.sender.pipeline import capture_instant
from glassbench.sender.sources import SourceRequest, open_source
from glassbench.transport.layers import RATE_SHARES, layer_of, reference_distance

SMALL = SourceRequest(width=320, height=180, fps=Fraction(30))


def encode(settings, count, forced=(), source="bikes", skip=1):
    encoder = SourceEncoder(open_source(source, SMALL), settings)
    for index in range(0, count * skip, skip):
        at = capture_instant(index, start_at=1002.0, fps=Fraction(30))
        yield at, encoder.encode(index, at, force_keyframe=index in forced)


@pytest.mark.parametrize("codec", ENCODERS)
def test_one_in_one_out_through_encoder_and_decoder_with_the_stamp_of_each_frame(codec):
    decoder = VideoDecoder(codec)
    keyframes = []
    for sequence, (at, encoded) in enumerate(encode(EncoderSettings(codec=codec), 25, forced=(11,))):
        assert read_stamp(decoder.decode(encoded.payload)) == (sequence, at)
        if encoded.keyframe:
            keyframes.append(sequence)
    assert keyframes == [0, 11]


@pytest.mark.parametrize("codec", ENCODERS)
def test_a_forced_keyframe_is_a_recovery_point_for_a_decoder_that_saw_nothing_before(codec):
    frames = list(encode(EncoderSettings(codec=codec), 12, forced=(8,)))
    decoder = VideoDecoder(codec)
    for sequence, (at, encoded) in enumerate(frames):
        if sequence >= 8:
            assert read_stamp(decoder.decode(encoded.payload)) == (sequence, at)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_access_units_are_annex_b_and_idr_with_parameter_sets(codec):
    for index, (_, encoded) in enumerate(encode(EncoderSettings(codec=codec), 6, forced=(4,))):
        assert encoded.payload[:4] == b"\0\0\0\1"
        headers = [part[0] for part in encoded.payload.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:]]
        types = [header & 0x1F if codec == "h264" else header >> 1 & 0x3F for header in headers]
        parameter_sets, idr = ({7, 8}, {5}) if codec == "h264" else ({32, 33, 34}, {19, 20})
        assert (parameter_sets <= set(types)) == (index in (0, 4)) == encoded.keyframe
        assert bool(idr & set(types)) == (index in (0, 4))


@pytest.mark.parametrize("codec", ENCODERS)
def test_the_keyframe_interval_is_kept(codec):
    frames = [encoded for _, encoded in encode(EncoderSettings(codec=codec, keyframe_interval=5), 12)]
    assert [index for index, encoded in enumerate(frames) if encoded.keyframe] == [0, 5, 10]


@pytest.mark.parametrize("bitrate_bps", [500_000, 1_500_000])
def test_h264_keeps_its_constant_bitrate(bitrate_bps):
    sizes = [len(encoded.payload) for _, encoded in encode(EncoderSettings(bitrate_bps=bitrate_bps), 120)]
    assert sum(sizes) * 8 * 30 / len(sizes) == pytest.approx(bitrate_bps, rel=0.15)


def test_skipped_captures_are_not_encoded():
    decoder = VideoDecoder("h264")
    for sequence, (at, encoded) in enumerate(encode(EncoderSettings(), 8, skip=2)):
        assert read_stamp(decoder.decode(encoded.payload)) == (sequence, at)


SCRIPT = """
import hashlib
from fractions import Fraction
from glassbench.sender.encoder import EncoderSettings, SourceEncoder
from glassbench.sender.pipeline import capture_instant
from glassbench.sender.sources import SourceRequest, open_source
from glassbench.transport.layers import RATE_SHARES, layer_of, reference_distance
source = open_source({source!r}, SourceRequest(width={width}, height={height}, fps=Fraction(30)))
encoder = SourceEncoder(source, EncoderSettings(codec={codec!r}))
digest = hashlib.sha256()
for index in range({frames}):
    at = capture_instant(index, start_at=1002.0, fps=Fraction(30))
    digest.update(encoder.encode(index, at, force_keyframe=index == 5).payload)
print(digest.hexdigest())
"""


@pytest.mark.lengthy
@pytest.mark.parametrize("codec", ["vp8", "vp9"])  # of their encoders, the form for live video knows the clock
def test_the_bytes_do_not_depend_on_how_busy_the_machine_is(codec):
    script = SCRIPT.format(codec=codec, source="bikes", width=640, height=360, frames=40)
    command = [sys.executable, "-c", script]
    idle = subprocess.run(command, capture_output=True, text=True, check=True)
    hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3 * (os.cpu_count() or 1))]
    try:
        busy = subprocess.run(command, capture_output=True, text=True, check=True)
    finally:
        for hog in hogs:
            hog.kill()
            hog.wait()
    assert busy.stdout == idle.stdout


@pytest.mark.parametrize("codec", ENCODERS)
def test_an_encoder_does_not_put_itself_before_other_programs(codec):
    before = os.sched_getscheduler(0)
    encoder = PictureEncoder(EncoderSettings(codec=codec), width=320, height=180, fps=Fraction(30))
    assert {os.sched_getscheduler(int(thread.name)) for thread in Path("/proc/self/task").iterdir()} == {before}
    del encoder


@pytest.mark.sampled(3)
@pytest.mark.parametrize(("codec", "source"), [*((codec, "bikes") for codec in ENCODERS), ("h264", "synthetic")])
def test_another_process_encodes_the_same_bytes(codec, source):
    digest = hashlib.sha256()
    for _, encoded in encode(EncoderSettings(codec=codec), 12, forced=(5,), source=source):
        digest.update(encoded.payload)
    script = SCRIPT.format(codec=codec, source=source, width=320, height=180, frames=12)
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest.hexdigest()
    assert other.stderr == ""


def test_an_encoder_that_holds_frames_back_is_refused(monkeypatch):
    from glassbench.sender import encoder as module

    entry = module.EncoderEntry("libx264", "medium", (), lambda preset, settings: {"preset": preset})
    monkeypatch.setitem(ENCODERS, "h264", entry)
    with pytest.raises(EncoderError, match=r"libx264 gave 0 access units for picture 0.*one in, one out"):
        next(encode(EncoderSettings(), 1))


def test_an_encoder_that_is_not_there_is_refused(monkeypatch):
    from glassbench.sender import encoder as module

    monkeypatch.setitem(ENCODERS, "h264", module.EncoderEntry("libnothing", "", (), lambda preset, settings: {}))
    with pytest.raises(EncoderError, match="no libnothing"):
        next(encode(EncoderSettings(), 1))


def test_all_options_are_understood_by_their_encoder():
    for codec in ENCODERS:
        encoder = PictureEncoder(EncoderSettings(codec=codec), width=320, height=180, fps=Fraction(30))
        assert encoder._context.options == {}, codec


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"codec": "h266"}, "unknown codec 'h266'; accepted are h264, hevc"),
        ({"bitrate_bps": 0}, "bitrate must be"),
        ({"vbv": 0.0}, "vbv must be"),
        ({"keyframe_interval": 0}, "keyframe_interval must be"),
        ({"preset": "fastest"}, "unknown preset 'fastest' for h264; accepted are 'ultrafast', 'superfast'"),
        ({"codec": "av1", "preset": "fast"}, "unknown preset 'fast' for av1; accepted are '0', '1'"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(bad, sentence):
    with pytest.raises(EncoderError, match=sentence):
        EncoderSettings(**bad)


@pytest.mark.parametrize("codec", list(ENCODERS))
def test_the_first_and_the_last_accepted_preset_give_one_out_for_one_in(codec):
    for preset in (ENCODERS[codec].presets[0], ENCODERS[codec].presets[-1]):
        assert len(list(encode(EncoderSettings(codec=codec, preset=preset), 2))) == 2


def test_capture_instants_are_whole_microseconds_and_do_not_drift():
    instants = [capture_instant(index, start_at=1002.0, fps=Fraction(30000, 1001)) for index in range(10_000)]
    assert all(round(at * 1e6) / 1e6 == at for at in instants)
    assert instants[9999] == pytest.approx(1002 + 9999 * 1001 / 30000, abs=1e-6)
    gaps = [later - earlier for earlier, later in itertools.pairwise(instants)]
    assert max(gaps) - min(gaps) < 1.5e-6


LAYERED = [(codec, layers) for codec, entry in ENCODERS.items() for layers in range(2, entry.most_layers + 1)]


@pytest.mark.parametrize("interval", [None, 10])
@pytest.mark.parametrize(("codec", "layers"), LAYERED)
def test_whatever_is_left_out_of_higher_layers_the_rest_decodes_to_the_same_bits(codec, layers, interval):
    settings = EncoderSettings(codec=codec, layers=layers, keyframe_interval=interval, bitrate_bps=500_000)
    frames = [encoded for _, encoded in encode(settings, 26, forced=(7,))]
    assert [index for index, encoded in enumerate(frames) if encoded.keyframe] == [0, 7, *([17] if interval else [])]
    whole = pictures(codec, frames, range(26))
    for dice in map(random.Random, range(4)):
        kept, start = set(), 0
        for sequence, encoded in enumerate(frames):
            start = sequence if encoded.keyframe else start
            layer = layer_of(sequence - start, layers)
            reference = sequence - reference_distance(layer, layers)
            if encoded.keyframe or layer == 0 or (reference in kept and dice.random() < 0.5):
                kept.add(sequence)
        assert len(kept) < len(frames)
        assert pictures(codec, frames, sorted(kept)) == {sequence: whole[sequence] for sequence in kept}


def pictures(codec, frames, kept):
    """Digests of the pictures of some frames, by their sequence."""
    decoder = VideoDecoder(codec)
    decoded = {sequence: decoder.decode(frames[sequence].payload).to_ndarray() for sequence in kept}
    return {sequence: hashlib.sha256(picture.tobytes()).digest() for sequence, picture in decoded.items()}


@pytest.mark.parametrize("codec", ["vp8", "vp9"])
def test_layers_have_their_shares_of_the_rate(codec):
    settings = EncoderSettings(codec=codec, layers=3, bitrate_bps=600_000)
    sizes = [len(encoded.payload) for _, encoded in encode(settings, 90)]
    by_layer = [sum(size for place, size in enumerate(sizes) if layer_of(place, 3) == layer) for layer in range(3)]
    assert sum(sizes) * 8 * 30 / len(sizes) == pytest.approx(600_000, rel=0.2)
    assert [size / sum(sizes) for size in by_layer] == pytest.approx(RATE_SHARES[3], abs=0.12)


@pytest.mark.parametrize(("codec", "layers"), [("h264", 2), ("av1", 3), ("vp9", 4)])
def test_layers_that_cannot_be_left_out_are_refused_with_the_codecs_that_can(codec, layers):
    with pytest.raises(
        EncoderError, match=rf"^temporal_layers must be at most \d for {codec}, got {layers}; .* vp8 with 3"
    ):
        EncoderSettings(codec=codec, layers=layers)
