"""Digests of what was measured: every instant and fate of every arm of the shipped scenarios, and of the catalog.

A change of structure must change no measurement. `digests.json` holds what the code measured when it was recorded:

    python tests/measurements/recorder.py            # compares all of them, and names those that differ
    python tests/measurements/recorder.py --record   # writes them anew; say in the commit what changed, and why
    python tests/measurements/recorder.py --update   # writes those that are missing, and drops those that are gone
    python tests/measurements/recorder.py --update cubic      # the same, and writes anew those with this in their name
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from glassbench.experiments import scenario as scenarios
from glassbench.experiments.catalog import EXPERIMENTS
from glassbench.experiments.scenario import Scenario, build
from glassbench.experiments.scenario.shipped import SCENARIOS
from glassbench.experiments.worlds.reuse import Reuse
from glassbench.experiments.worlds.virtual import run_arm
from glassbench.receiver.quality import QualityMemo
from glassbench.sender.encode_cache import EncodeCache
from glassbench.sender.encoder import ENCODERS, EncoderSettings, SourceEncoder
from glassbench.sender.sources import SourceRequest, open_source

RECORDED = Path(__file__).with_name("digests.json")
SEEDS = 3

NUMBERS = (
    *("track", "sequence", "group", "keyframe", "layer", "size_bytes", "captured_at"),
    *("encode_start_at", "encode_end_at", "queued_at", "first_sent_at", "last_sent_at"),
    *("first_arrival_at", "complete_at", "delivered_at", "released_at", "decoded_at", "displayed_at"),
)
"""The columns of the ledger that a digest covers, as float64 with NaN for what never was; and the fates."""


@dataclass(frozen=True)
class Measured:
    """One arm of one scenario with one seed, and the name under which its digest is recorded."""

    name: str
    scenario: Scenario
    arm: str


def shipped(name: str) -> Iterator[Measured]:
    """Every arm of a shipped scenario, with its own seed and the ones after it."""
    content = scenarios.shipped(name).dump()
    for seed in range(content["seed"], content["seed"] + SEEDS):
        scenario = build({**content, "seed": seed})
        for arm in scenario.arms:
            yield Measured(f"{name} / seed {seed} / {arm.label}", scenario, arm.label)


def catalog(name: str) -> Iterator[Measured]:
    """Every point of an experiment of the catalog, with the first of its seeds."""
    points: set[str] = set()
    for plan in EXPERIMENTS[name].plans():
        for cell in plan.cells:
            axes = ", ".join(f"{axis}={value}" for axis, value in sorted(cell.axes.items()))
            point = f"{name} / {plan.name} / {axes} / {cell.arm}"
            if point not in points:
                points.add(point)
                yield Measured(point, cell.scenario, cell.arm)


RECORDED_EXPERIMENTS = tuple(name for name, experiment in EXPERIMENTS.items() if experiment.usual)


def everything() -> Iterator[Measured]:
    """All that is recorded: what is long would take longer to compare than anybody waits."""
    for name in SCENARIOS:
        yield from shipped(name)
    for name in RECORDED_EXPERIMENTS:
        yield from catalog(name)


def measure(measured: Measured) -> str:
    """The digest of what an arm gives now; of its reason, where it gives no ledger."""
    arm = measured.scenario.arm(measured.arm)
    result = run_arm(measured.scenario, arm, Reuse(_encoded(), QualityMemo()), quality=False)
    return digest(result.ledger) if result.ledger is not None else f"{result.outcome}: {result.reason}"


def digest(ledger: pd.DataFrame) -> str:
    """The same for ledgers whose instants and fates are the same to the last bit."""
    numbers = b"".join(ledger[column].to_numpy("<f8", na_value=np.nan).tobytes() for column in NUMBERS)
    return _short(numbers + " ".join(ledger["fate"]).encode())


def machine() -> dict[str, str]:
    """Digests of what may differ between processors and builds of libraries though our code is the same: the bytes of
    each codec, and draws and functions of numpy."""
    draws = np.random.default_rng(1)
    parts = (draws.lognormal(size=1000), draws.exponential(size=1000), np.cbrt(draws.random(1000)))
    digests = {"numbers": _short(b"".join(values.astype("<f8").tobytes() for values in parts))}
    for codec in ENCODERS:
        source = open_source("synthetic", SourceRequest())
        encoder = SourceEncoder(source, EncoderSettings(codec))
        frames = [encoder.encode(capture, capture / 30, force_keyframe=False).payload for capture in range(10)]
        digests[codec] = _short(b"".join(frames))
    return digests


def recorded() -> dict[str, dict[str, str]]:
    """What was recorded: `machine`, and the `measured` digests by name."""
    content: dict[str, dict[str, str]] = json.loads(RECORDED.read_text())
    return content


@cache
def _encoded() -> EncodeCache:
    return EncodeCache(None)


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _named(measured: Measured) -> tuple[str, str]:
    return measured.name, measure(measured)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="write all that is measured now")
    parser.add_argument(
        "--update",
        nargs="?",
        const="",
        metavar="TEXT",
        help="write what is missing or has TEXT in its name, drop what is gone",
    )
    arguments = parser.parse_args()
    everywhere = list(everything())
    if arguments.record:
        _write(machine(), _measure_all(everywhere))
        return
    before = recorded()["measured"]
    if arguments.update is not None:
        text = arguments.update
        wanted = [item for item in everywhere if item.name not in before or (text and text in item.name)]
        now = _measure_all(wanted)
        _write(recorded()["machine"], {item.name: now.get(item.name) or before[item.name] for item in everywhere})
        return
    now = _measure_all(everywhere)
    differing = [name for name in before.keys() | now.keys() if before.get(name) != now.get(name)]
    print("\n".join(sorted(differing)) or f"{len(now)} digests, all equal")
    sys.exit(1 if differing else 0)


def _measure_all(items: list[Measured]) -> dict[str, str]:
    digests: dict[str, str] = {}
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for name, value in pool.imap(_named, items, chunksize=4):
            digests[name] = value
            if len(digests) % 50 == 0:
                print(f"{len(digests)} of {len(items)} measured", file=sys.stderr, flush=True)
    return digests


def _write(machine: dict[str, str], measured: dict[str, str]) -> None:
    RECORDED.write_text(json.dumps({"machine": machine, "measured": measured}, indent=1) + "\n")


if __name__ == "__main__":
    main()
