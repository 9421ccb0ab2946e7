"""OBS Studio as the endpoint of a user: what we publish to its media source comes back in its stream."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from glassbench.experiments.worlds.peers.libsrt import Libsrt
from glassbench.transport.contract import Unsupported

SESSION = Path(__file__).with_name("obs_session.py")
ENOUGH = 0.4  # of the frames: OBS draws on the processor, and joins late on a busy machine


@pytest.mark.long
@pytest.mark.quiet  # OBS draws in real time
def test_what_we_publish_comes_back_through_obs(tmp_path: Path) -> None:
    if shutil.which("obs") is None or shutil.which("Xvfb") is None:
        pytest.skip("OBS is not there: apt install --no-install-recommends obs-studio xvfb")
    try:
        Libsrt.version()
    except Unsupported as error:
        pytest.skip(str(error))
    done = subprocess.run([sys.executable, SESSION, tmp_path], capture_output=True, text=True, timeout=120, check=False)
    if "refuses network namespaces" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, (done.stderr, (tmp_path / "obs.log").read_text()[-2000:])
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert told["outcome"] == "measured", told
    assert told["shown"] > ENOUGH, told
    assert 30.0 < told["p50_ms"] < 3000.0  # its media source holds pictures back for some frames
    assert (told["settings"]["codec"], told["settings"]["peerversion"].split(".")[0]) == ("h264", "1")
