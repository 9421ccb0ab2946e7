"""How many processors a process may use: affinity and control groups of both kinds, as a container shows them."""

import os
from pathlib import Path

import pytest

from glassbench.netem.live.processors import usable_processors

ALL = 64


@pytest.fixture(autouse=True)
def many_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(ALL)))


def process(folder: Path, mounts: str, membership: str, files: dict[str, str]) -> Path:
    """A folder like /proc/self; `CG` in the mounts is where the files of the control groups are."""
    groups = folder / "cgroup-mount"
    for name, content in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(f"{content}\n")
    (folder / "mountinfo").write_text(f"22 1 0:21 / /proc rw - proc proc rw\n{mounts}\n".replace("CG", str(groups)))
    (folder / "cgroup").write_text(f"{membership}\n")
    return folder


V2 = "31 23 0:26 / CG rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"
V1 = "33 31 0:30 {} CG rw shared:10 - cgroup cgroup rw,cpu,cpuacct"
DOCKER = {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"}


@pytest.mark.parametrize(
    ("mounts", "membership", "files", "wanted"),
    [
        (V2, "0::/", {"cpu.max": "200000 100000"}, 2),
        (V2, "0::/", {"cpu.max": "max 100000"}, ALL),
        (V2, "0::/", {"cpu.max": "10000 100000"}, 1),
        (V2, "0::/", {"cpu.max": "250000 100000"}, 3),
        (V2, "0::/slurm/job/step", {"slurm/job/cpu.max": "400000 100000", "slurm/job/step/cpu.max": "max 100000"}, 4),
        (V2, "0::/a/b", {"a/cpu.max": "300000 100000", "a/b/cpu.max": "900000 100000"}, 3),
        (V2, "0::/../..", {"cpu.max": "200000 100000"}, 2),
        (V2, "0::/gone", {}, ALL),
        (V2, "0::/", {"cpu.max": "nonsense"}, ALL),
        (V2, "0::/", {"cpu.max": "1 0"}, ALL),
        (V1.format("/"), "4:cpu,cpuacct:/batch\n0::/", {f"batch/{name}": text for name, text in DOCKER.items()}, 1),
        (V1.format("/docker/1f"), "4:cpuacct,cpu:/docker/1f", {**DOCKER, "cpu.cfs_quota_us": "500000"}, 5),
        (V1.format("/"), "4:cpu,cpuacct:/", {**DOCKER, "cpu.cfs_quota_us": "-1"}, ALL),
        (V1.format("/"), "4:memory:/", DOCKER, ALL),
    ],
)
def test_the_narrowest_control_group_around_the_process_counts(
    tmp_path: Path, mounts: str, membership: str, files: dict[str, str], wanted: int
) -> None:
    assert usable_processors(process(tmp_path, mounts, membership, files)) == wanted


def test_affinity_counts_where_it_is_narrower_and_alone_where_nothing_is_known_of_control_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quota = process(tmp_path, V2, "0::/", {"cpu.max": "300000 100000"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5, 9})
    assert usable_processors(quota) == usable_processors(tmp_path / "nowhere") == 2
