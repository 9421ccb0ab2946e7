import itertools

import numpy as np
import pytest

from glassbench.sender.encoder import EncoderSettings
from glassbench.sender.size_model import SizeEncoder
from glassbench.sender.source import SourceError
from glassbench.sender.sources import SourceRequest, open_source


def encode(source, settings, count, forced=()):
    encoder = SizeEncoder(source, settings)
    return [encoder.encode(index, 1002 + index / 30, force_keyframe=index in forced) for index in range(count)]


@pytest.mark.parametrize("interval", [None, 15, 60])
def test_lognormal_sizes_keep_the_bitrate_over_keyframe_intervals(interval):
    settings = EncoderSettings(bitrate_bps=3_000_000, keyframe_interval=interval)
    frames = encode(open_source("lognormal"), settings, 3000)
    rate = np.mean([len(frame.payload) for frame in frames]) * 8 * 30
    assert rate == pytest.approx(3_000_000, rel=0.03)
    keyframes = [index for index, frame in enumerate(frames) if frame.keyframe]
    assert keyframes == ([0] if interval is None else list(range(0, 3000, interval)))


def test_keyframes_of_the_model_are_larger_by_its_ratio():
    frames = encode(open_source("lognormal"), EncoderSettings(keyframe_interval=10), 4000)
    mean = {kind: np.mean([len(f.payload) for f in frames if f.keyframe == kind]) for kind in (True, False)}
    assert mean[True] / mean[False] == pytest.approx(4, rel=0.05)


def test_a_forced_keyframe_changes_no_other_frame():
    plain = encode(open_source("lognormal"), EncoderSettings(), 30)
    forced = encode(open_source("lognormal"), EncoderSettings(), 30, forced=(10,))
    assert [index for index in range(30) if plain[index] != forced[index]] == [10]
    assert forced[10].keyframe
    assert len(forced[10].payload) == pytest.approx(4 * len(plain[10].payload), abs=3)


def test_sizes_depend_on_the_seed_and_on_nothing_else():
    runs = [encode(open_source("lognormal", SourceRequest(seed=seed)), EncoderSettings(), 20) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_payloads_look_like_one_nal_unit_without_start_codes_inside():
    frames = encode(open_source("lognormal"), EncoderSettings(keyframe_interval=5), 10)
    for frame in frames:
        assert frame.payload[:4] == b"\0\0\0\1"
        assert frame.payload[4] & 0x1F == (5 if frame.keyframe else 1)
        assert b"\0" not in frame.payload[5:]


def test_recorded_sizes_are_repeated_with_their_keyframes(tmp_path):
    path = tmp_path / "sizes.txt"
    path.write_text("# frame sizes\n9000 key\n1000\n\n1200 # comment\n")
    source = open_source(f"sizes:{path}")
    frames = encode(source, EncoderSettings(), 7, forced=(4,))
    assert [len(frame.payload) for frame in frames] == [9000, 1000, 1200, 9000, 9000, 1200, 9000]
    assert [frame.keyframe for frame in frames] == [True, False, False, True, True, False, True]
    assert "3 frames" in source.notes[0]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "holds no frame sizes"),
        (b"# nothing\n", "holds no frame sizes"),
        (b"1000\nabc\n", "line 2: 'abc' is not a frame size; accepted is 16 to"),
        (b"-5\n", "line 1: '-5'"),
        (b"1e9\n", "line 1"),
        (b"99999999999\n", "line 1"),
        (b"1000 idr\n", "line 1: found '1000 idr'"),
        (b"\xff\xfe\x00", "is not a text"),
    ],
)
def test_a_bad_list_of_sizes_is_refused_naming_the_line(tmp_path, content, sentence):
    path = tmp_path / "sizes.txt"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=sentence):
        open_source(f"sizes:{path}")


def test_a_missing_list_of_sizes_is_refused(tmp_path):
    with pytest.raises(SourceError, match="cannot read"):
        open_source(f"sizes:{tmp_path / 'none.txt'}")


def test_the_first_frame_is_a_keyframe_whatever_the_list_says(tmp_path):
    path = tmp_path / "sizes.txt"
    path.write_text("100\n200\n")
    frames = encode(open_source(f"sizes:{path}"), EncoderSettings(), 3)
    assert [frame.keyframe for frame in frames] == [True, False, False]
    assert list(itertools.accumulate(len(frame.payload) for frame in frames)) == [100, 300, 400]
