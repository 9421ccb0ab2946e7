import sqlite3
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from glassbench.sender.encode_cache import CachedEncoder, EncodeCache, default_directory
from glassbench.sender.encoder import ENCODERS, EncoderSettings, SourceEncoder
from glassbench.sender.pipeline import capture_instant
from glassbench.sender.sources import SourceRequest, open_source

SOURCE = open_source("bikes", SourceRequest(width=320, height=180, fps=Fraction(30)))
SETTINGS = EncoderSettings(bitrate_bps=1_000_000)


def run(encoder, count=30, forced=(), start_at=1002.0):
    return [
        encoder.encode(
            index, capture_instant(index, start_at=start_at, fps=Fraction(30)), force_keyframe=index in forced
        )
        for index in range(count)
    ]


def fresh(**options):
    return run(SourceEncoder(SOURCE, SETTINGS), **options)


def cached(directory, **options):
    with EncodeCache(directory) as cache:
        frames = run(CachedEncoder(SOURCE, SETTINGS, cache), **options)
        return frames, cache


def test_cached_bytes_are_the_encoders_bytes(tmp_path):
    expected = fresh()
    first, cold = cached(tmp_path)
    second, warm = cached(tmp_path)
    assert first == second == expected
    assert (cold.hits, cold.misses) == (0, 30)
    assert (warm.hits, warm.misses) == (30, 0)
    assert cold.note is warm.note is None


def test_what_the_encoder_is_told_is_part_of_the_key(tmp_path, monkeypatch):
    """A version of ours that says the same settings in other words must not find the frames of the last one."""
    cached(tmp_path)
    entry = ENCODERS["h264"]

    def in_other_words(preset, settings):
        return {**entry.options(preset, settings), "tune": "fastdecode,zerolatency"}

    monkeypatch.setitem(ENCODERS, "h264", replace(entry, options=in_other_words))
    assert cached(tmp_path)[1].misses == 30


@pytest.mark.parametrize("directory", [None, "disk"])
def test_another_decision_shares_what_came_before_it_and_replays_the_encoder(tmp_path, directory):
    with EncodeCache(tmp_path if directory else None) as cache:
        run(CachedEncoder(SOURCE, SETTINGS, cache))
        for forced in ((10,), (10, 20), (29,), (10,)):
            cache.hits = cache.misses = 0
            assert run(CachedEncoder(SOURCE, SETTINGS, cache), forced=forced) == fresh(forced=forced)
            known = {(10,): 10, (10, 20): 20, (29,): 29}[forced]
            assert cache.hits in (known, 30)
        assert cache.misses == 0


def test_two_encoders_in_turns_share_a_cache(tmp_path):
    with EncodeCache(tmp_path) as cache:
        one, two = (CachedEncoder(SOURCE, SETTINGS, cache) for _ in range(2))
        expected = fresh()
        for index in range(30):
            at = capture_instant(index, start_at=1002.0, fps=Fraction(30))
            assert one.encode(index, at, force_keyframe=False) == expected[index]
            assert two.encode(index, at, force_keyframe=False) == expected[index]


def test_settings_source_and_times_are_part_of_the_key(tmp_path):
    cached(tmp_path)
    with EncodeCache(tmp_path) as cache:
        other_source = open_source("synthetic", SourceRequest(width=320, height=180))
        run(CachedEncoder(SOURCE, EncoderSettings(bitrate_bps=900_000), cache), 3)
        run(CachedEncoder(other_source, SETTINGS, cache), 3)
        run(CachedEncoder(SOURCE, SETTINGS, cache), 3, start_at=1003.0)
        assert (cache.hits, cache.misses) == (0, 9)


def database(directory):
    (path,) = directory.glob("*.sqlite")
    return path


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"not a database, but long enough to be looked at" * 100),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(path.read_bytes()[:4096] + bytes(path.stat().st_size - 4096)),
        lambda path: path.write_bytes(b""),
    ],
)
def test_a_damaged_file_is_ignored_and_replaced(tmp_path, damage):
    expected, _ = cached(tmp_path)
    damage(database(tmp_path))
    again, cache = cached(tmp_path)
    assert again == expected
    assert cache.note is None
    _, warm = cached(tmp_path)
    assert warm.hits == 30


def test_a_damaged_payload_is_encoded_again(tmp_path):
    expected, _ = cached(tmp_path)
    with sqlite3.connect(database(tmp_path)) as file:
        file.execute("UPDATE frame SET payload = zeroblob(length(payload)) WHERE rowid = 7")
    file.close()
    again, cache = cached(tmp_path)
    assert again == expected
    assert (cache.hits, cache.misses) == (29, 1)
    assert cached(tmp_path)[1].misses == 0


def test_a_directory_that_cannot_be_written_leaves_the_cache_in_memory(tmp_path):
    (tmp_path / "file").write_text("in the way")
    frames, cache = cached(tmp_path / "file" / "cache")
    assert frames == fresh()
    assert "cannot be used" in cache.note
    assert "\n" not in cache.note


def test_the_streams_used_least_recently_make_room(tmp_path):
    cached(tmp_path / "one")
    room = 2.5 * database(tmp_path / "one").stat().st_size

    def use(bitrate_bps):
        with EncodeCache(tmp_path, max_bytes=room) as cache:
            run(CachedEncoder(SOURCE, EncoderSettings(bitrate_bps=bitrate_bps), cache))
            return cache.hits

    first = 1_000_000
    assert use(first) == 0
    assert use(1_000_001) == 0
    assert use(first) == 30
    assert use(1_000_002) == 0
    assert use(first) == 30
    assert use(1_000_001) == 0
    assert database(tmp_path).stat().st_size < 3.5 * room / 2.5


def test_processes_share_the_cache(tmp_path):
    expected, _ = cached(tmp_path)
    script = f"""
from fractions import Fraction
from pathlib import Path
from glassbench.sender.encode_cache import CachedEncoder, EncodeCache
from glassbench.sender.encoder import EncoderSettings
from glassbench.sender.pipeline import capture_instant
from glassbench.sender.sources import SourceRequest, open_source
source = open_source("bikes", SourceRequest(width=320, height=180, fps=Fraction(30)))
with EncodeCache(Path({str(tmp_path)!r})) as cache:
    encoder = CachedEncoder(source, EncoderSettings(bitrate_bps=1_000_000), cache)
    for index in range(30):
        encoder.encode(index, capture_instant(index, start_at=1002.0, fps=Fraction(30)), force_keyframe=False)
    print(cache.hits, cache.misses)
"""
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert other.stdout.split() == ["30", "0"]
    assert len(expected) == 30


def test_the_default_directory_follows_xdg():
    assert default_directory({"XDG_CACHE_HOME": str(Path.cwd())}) == Path.cwd() / "glassbench"
    for environment in ({}, {"XDG_CACHE_HOME": ""}, {"XDG_CACHE_HOME": "relative"}):
        assert default_directory(environment) == Path.home() / ".cache" / "glassbench"


def test_a_user_without_a_home_has_no_directory(monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nowhere)
    assert default_directory({}) is None
