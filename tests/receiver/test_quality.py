import itertools
import json
import math
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from glassbench.receiver import vmaf
from glassbench.receiver.decoded import Decoded
from glassbench.receiver.decoder import VideoDecoder
from glassbench.receiver.quality import PSNR_CAP_DB, PairMemo, PictureComparison, QualityMemo, measure_quality
from glassbench.receiver.viewing import Viewing, black_picture
from glassbench.sender.display import SCALING
from glassbench.sender.encoder import EncoderSettings, PictureEncoder, SourceEncoder, stamped_pictures
from glassbench.sender.planes import plane
from glassbench.sender.sources import SourceRequest, open_source
from glassbench.sender.stamp import write_stamp
from glassbench.transport.stamp_code import Stamp, corner

INTERVAL = 1 / 25
COUNT = 30
INSTANTS = [1002 + index * INTERVAL for index in range(COUNT)]


@pytest.fixture(scope="module")
def source():
    return open_source("bikes", SourceRequest(width=320, height=180, fps=Fraction(25)))


@pytest.fixture(scope="module")
def payloads(source):
    encoder = SourceEncoder(source, EncoderSettings(bitrate_bps=2_000_000))
    return [encoder.encode(index, at, force_keyframe=index == 20) for index, at in enumerate(INSTANTS)]


def shown(payloads, numbers=range(COUNT), delay=lambda index: 0.1):
    return [
        Decoded(
            index, INSTANTS[index], INSTANTS[index] + delay(index), payloads[index].keyframe, payloads[index].payload
        )
        for index in numbers
    ]


def reference(source):
    return stamped_pictures(source, [Stamp(index, at) for index, at in enumerate(INSTANTS)])


def viewing(source, pictures):
    return Viewing(
        pictures,
        INSTANTS,
        reference_identity=source.identity,
        media="h264",
        width=320,
        height=180,
        interval=INTERVAL,
    )


def measure(source, pictures, memo=None):
    return measure_quality(viewing(source, pictures), reference(source), memo=memo or QualityMemo().compared)


def noisy(picture, amplitude, seed):
    copy = black_picture(picture.width, picture.height)
    luma = plane(picture, 0)[:, : picture.width].astype(int)
    noise = np.random.default_rng(seed).integers(-amplitude, amplitude + 1, luma.shape)
    plane(copy, 0)[:, : picture.width] = np.clip(luma + noise, 0, 255)
    return copy


def test_identical_pictures_have_the_capped_psnr_and_ssim_one(source):
    picture = next(source.pictures())
    assert PictureComparison(320, 180).compare(picture, picture) == (PSNR_CAP_DB, 1.0)


@pytest.mark.parametrize("amplitude", [1, 5, 20])
def test_psnr_is_its_definition(source, amplitude):
    picture = next(source.pictures())
    other = noisy(picture, amplitude, seed=amplitude)
    error = plane(picture, 0)[:, :320].astype(float) - plane(other, 0)[:, :320]
    quality = PictureComparison(320, 180).compare(other, picture)
    assert quality.psnr_db == pytest.approx(10 * np.log10(255**2 / np.mean(error**2)), abs=0.01)
    assert 0 < quality.ssim < 1


def test_each_result_belongs_to_the_pair_that_was_given_to_it(source):
    comparison = PictureComparison(320, 180)
    first, second = itertools.islice(source.pictures(), 2)
    black = black_picture(320, 180)
    pairs = [(first, first), (black, first), (second, first), (second, second), (black, second)]
    alone = [PictureComparison(320, 180).compare(*pair) for pair in pairs]
    assert [comparison.compare(*pair) for pair in pairs] == alone


@pytest.mark.parametrize("delay", [0.0, 0.1, 1.3])
def test_a_constant_delay_does_not_lower_the_quality(source, payloads, delay):
    result = measure(source, shown(payloads, delay=lambda index: delay))
    assert [instant.shown_sequence for instant in result] == list(range(COUNT))
    assert [instant.captured_at for instant in result] == INSTANTS
    decoder, comparison = VideoDecoder("h264"), PictureComparison(320, 180)
    for instant, encoded, original in zip(result, payloads, reference(source), strict=True):
        quality = comparison.compare(decoder.decode(encoded.payload), original)
        assert (instant.psnr_db, instant.ssim) == quality
    assert min(instant.ssim for instant in result) > 0.8


def test_a_freeze_is_compared_with_what_should_have_been_there(source, payloads):
    smooth = measure(source, shown(payloads))
    frozen = measure(source, shown(payloads, [*range(10), *range(20, COUNT)]))
    for index in range(COUNT):
        if 10 <= index < 20:
            assert frozen[index].shown_sequence == 9
            assert frozen[index].ssim < smooth[index].ssim - 0.02
            assert frozen[index].psnr_db < smooth[index].psnr_db - 3
        else:
            assert frozen[index] == smooth[index]


@pytest.mark.parametrize(("lateness", "counts"), [(0.4, True), (0.6, False)])
def test_a_picture_counts_for_its_instant_if_it_is_late_by_less_than_half_an_interval(
    source, payloads, lateness, counts
):
    late = shown(payloads, delay=lambda index: 0.1 + (lateness * INTERVAL if index == 15 else 0.0))
    assert measure(source, late)[15].shown_sequence == (15 if counts else 14)


def test_a_picture_that_comes_sooner_than_usual_does_not_take_the_place_of_those_before_it(source, payloads):
    steady = measure(source, shown(payloads))
    # The usual delay is 20 intervals: when the first pictures are due, later ones have long been on the screen.
    falling = measure(source, shown(payloads, delay=lambda index: (10 if index < 10 else 20) * INTERVAL))
    assert falling == steady


def test_a_shown_picture_is_compared_with_its_own_capture_whenever_it_came(source, payloads):
    steady = measure(source, shown(payloads))
    assert [instant.own_ssim for instant in steady] == [instant.ssim for instant in steady]
    # Pictures 10 to 14 come 8 intervals late, when others are due: their slots have older pictures, they are as good.
    late = measure(source, shown(payloads, delay=lambda index: 0.1 + (8 * INTERVAL if 10 <= index < 15 else 0)))
    assert all(late[index].shown_sequence == 9 for index in range(10, 15))
    assert all(late[index].ssim < steady[index].ssim for index in range(10, 15))
    assert [instant.own_ssim for instant in late] == [instant.own_ssim for instant in steady]


def test_a_picture_that_was_never_shown_has_no_quality_of_its_own(source, payloads):
    result = measure(source, shown(payloads, range(28)))
    assert [math.isnan(instant.own_ssim) for instant in result] == [False] * 28 + [True] * 2
    assert all(math.isnan(instant.own_ssim) for instant in measure(source, []))


def test_before_the_first_picture_the_screen_is_black(source, payloads):
    result = measure(source, shown(payloads, range(20, COUNT)))
    assert [instant.shown_sequence for instant in result] == [None] * 20 + list(range(20, COUNT))
    assert max(instant.psnr_db for instant in result[:20]) < 15


def test_nothing_shown_at_all_is_black_throughout(source):
    result = measure(source, [])
    assert {instant.shown_sequence for instant in result} == {None}


def test_arms_that_show_the_same_pictures_do_not_pay_twice(source, payloads):
    memo = QualityMemo().compared
    first = measure(source, shown(payloads), memo)
    expected = measure(source, shown(payloads, range(28)))

    def unread():
        raise AssertionError("the reference was read")
        yield

    again = measure_quality(viewing(source, shown(payloads, delay=lambda index: 0.7)), unread(), memo=memo)
    assert again == first
    assert measure(source, shown(payloads, range(28)), memo) == expected


def test_the_memo_is_bounded():
    memo = PairMemo(max_pairs=10)
    for index in range(100):
        memo.put((bytes([index]), b""), None)
    assert memo.get((bytes([5]), b"")) is None
    assert len(memo._pairs) == 10


def test_a_late_picture_is_decoded_for_those_behind_it_and_never_on_the_screen(source, payloads):
    pictures = shown(payloads)
    late = [picture._replace(displayed_at=None) if picture.sequence == 7 else picture for picture in pictures]
    before, after = measure(source, pictures), measure(source, late)
    assert after[7].shown_sequence == 6
    assert after[7].psnr_db < before[7].psnr_db
    assert after[:7] + after[8:] == before[:7] + before[8:]


def test_a_picture_of_half_the_size_is_compared_scaled_up_and_its_stamp_counts_as_equal(source):
    small = PictureEncoder(EncoderSettings(bitrate_bps=4_000_000), width=160, height=90, fps=Fraction(25))
    pictures = []
    for index, picture in zip(range(10), source.pictures(), strict=False):
        half = picture.reformat(160, 90, interpolation=SCALING, threads=1)
        write_stamp(half, Stamp(index, INSTANTS[index]))
        pictures.append(small.encode(half, force_keyframe=False))
    qualities = measure(source, shown(pictures, range(10)))[:10]
    # The same pictures, scaled down and up and never encoded, with the stamp of the reference.
    comparison = PictureComparison(320, 180)
    for picture, quality in zip(reference(source), qualities, strict=False):
        bare = picture.reformat(160, 90, interpolation=SCALING, threads=1).reformat(320, 180, interpolation=SCALING)
        width, height = corner(320, 180)
        plane(bare, 0)[:height, :width] = plane(picture, 0)[:height, :width]
        bound = comparison.compare(bare, picture)
        assert bound.ssim - 0.05 < quality.ssim <= bound.ssim + 0.002


@pytest.fixture(scope="module")
def scores(source, needs_vmaf):
    return lambda pictures, memo=None: vmaf.measure_vmaf(
        viewing(source, pictures), reference(source), memo=memo or QualityMemo().vmaf, stop=lambda: False
    )


@pytest.fixture(scope="module")
def coarse(source):
    """Pictures that look worse: with more bits all have 100 points."""
    encoder = SourceEncoder(source, EncoderSettings(bitrate_bps=100_000))
    return [encoder.encode(index, at, force_keyframe=index == 20) for index, at in enumerate(INSTANTS)]


@pytest.fixture(scope="module")
def steady_scores(scores, coarse):
    return scores(shown(coarse))


def test_vmaf_is_what_ffmpeg_says_of_two_files(source, coarse, steady_scores, tmp_path):
    decoder = VideoDecoder("h264")
    clips = {"shown": (decoder.decode(each.payload) for each in coarse), "reference": reference(source)}
    files = []
    for name, pictures in clips.items():
        file = tmp_path / f"{name}.yuv"
        file.write_bytes(b"".join(picture.to_ndarray().tobytes() for picture in pictures))
        files += ["-f", "rawvideo", "-pixel_format", "yuv420p", "-video_size", "320x180", "-i", str(file)]
    log = "libvmaf=n_threads=2:log_fmt=json:log_path=log"
    command = [vmaf._program(), "-loglevel", "error", *files, "-lavfi", log, "-f", "null", "-"]
    subprocess.run(command, check=True, cwd=tmp_path)
    frames = json.loads((tmp_path / "log").read_text())["frames"]
    assert [at.vmaf for at in steady_scores] == [frame["metrics"]["vmaf"] for frame in frames]
    assert all(10 < at.vmaf < 100 for at in steady_scores)
    assert all(at.own_vmaf == at.vmaf for at in steady_scores)


def test_a_late_picture_has_its_own_vmaf_and_the_screen_that_of_an_older_one(coarse, scores, steady_scores):
    late = scores(shown(coarse, delay=lambda index: 0.1 + (8 * INTERVAL if 10 <= index < 15 else 0)))
    assert all(late[index].vmaf < steady_scores[index].vmaf for index in range(10, 15))
    assert [at.own_vmaf for at in late] == [at.own_vmaf for at in steady_scores]
    assert late[:10] == steady_scores[:10]


def test_what_was_never_shown_has_no_vmaf_of_its_own_and_a_black_screen_a_low_one(coarse, scores):
    result = scores(shown(coarse, range(20, COUNT)))
    assert [math.isnan(at.own_vmaf) for at in result] == [True] * 20 + [False] * 10
    assert max(at.vmaf for at in result[:20]) < 10


def test_vmaf_asks_only_for_scores_that_are_not_known(coarse, scores, steady_scores, monkeypatch):
    memo = QualityMemo().vmaf
    assert scores(shown(coarse), memo) == steady_scores
    late = shown(coarse, delay=lambda index: 0.1 + (INTERVAL if index in (7, 8, 21) else 0))
    expected = scores(late)
    compared = []
    compare = vmaf._Scorer.compare
    monkeypatch.setattr(vmaf._Scorer, "compare", lambda *given: (compared.append(1), compare(*given)))
    assert scores(late, memo) == expected
    assert len(compared) == 4 + 3  # those three, and a reference on each side
    assert scores(late, memo) == expected
    assert len(compared) == 4 + 3


@pytest.mark.parametrize("program", ["/bin/false", "/bin/cat"])
def test_ffmpeg_that_fails_is_one_sentence(source, coarse, monkeypatch, program):
    monkeypatch.setattr(vmaf, "_program", lambda: program)
    with pytest.raises(vmaf.VmafError, match=r"^FFmpeg did not score the pictures: "):
        vmaf.measure_vmaf(
            viewing(source, shown(coarse)), reference(source), memo=QualityMemo().vmaf, stop=lambda: False
        )


def test_without_ffmpeg_the_sentence_has_the_command_that_helps(monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(vmaf.VmafError, match=r"pip install 'glassbench\[vmaf\]'$"):
        vmaf._program()
