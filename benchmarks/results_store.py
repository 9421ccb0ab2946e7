"""How long it takes to open the summaries of many runs, and that no table of frames is read for it.

    python benchmarks/results_store.py [--runs 10000]

One short run is measured; its folder is then copied with other seeds. The copies' ledgers are no Parquet files, so a
reader of them would fail.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

from glassbench.experiments import scenario
from glassbench.experiments.engine.runner import run
from glassbench.experiments.results import store


def main() -> None:
    """Print seconds and peak memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    count = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make_runs(root, count)
        for _ in range(3):
            started = time.perf_counter()
            entries = store.runs(root)
            listed = time.perf_counter()
            table = store.summaries(entries)
            ended = time.perf_counter()
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{len(entries)} runs listed in {listed - started:.1f} s, {len(table)} rows of summaries in "
                f"{ended - listed:.1f} s more, peak memory {peak:.0f} MB"
            )


def make_runs(root: Path, count: int) -> None:
    """`count` folders of runs with all seven arms of the scenario "loss"."""
    content = scenario.shipped("loss").dump()
    content |= {"duration": "2s", "video": {**content["video"], "source": "lognormal"}}
    first = run(scenario.build(content), results=root, workers=1).path
    manifest = json.loads((first / "manifest.json").read_text())
    summary = (first / "summary.json").read_text()
    for seed in range(2, count + 1):
        place = root / f"loss-seed{seed}"
        place.mkdir()
        manifest["seed"] = manifest["scenario"]["seed"] = seed
        (place / "manifest.json").write_text(json.dumps(manifest, indent=2))
        (place / "summary.json").write_text(summary)
        (place / "ledger.parquet").write_text("not a table")


if __name__ == "__main__":
    main()
