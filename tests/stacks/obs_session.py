"""An arm through OBS: it plays what we publish, and streams its programme to us. All of it is in a network of its own,
since OBS listens on all interfaces. Run as a program it prints what came of it, as JSON."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from pyroute2 import IPRoute

from glassbench.experiments.account.ledger import stages
from glassbench.experiments.scenario import build
from glassbench.experiments.worlds.live import arm as live_arm
from glassbench.netem.live.namespaces import new_network, run_enclosed

SIZE = 320, 180
FPS = 30
TO_OBS, FROM_OBS = "udp://127.0.0.1:9000", "srt://127.0.0.1:9001"
START_PATIENCE = 30.0  # seconds until OBS streams
GLOBAL = """[General]
FirstRun=true
EnableAutoUpdates=false
LastVersion=486539266
[Basic]
Profile=glass
ProfileDir=glass
SceneCollection=glass
SceneCollectionFile=glass
[OBSWebSocket]
FirstLoad=false
ServerEnabled=false
"""
PROFILE = f"""[General]
Name=glass
[Video]
BaseCX={SIZE[0]}
BaseCY={SIZE[1]}
OutputCX={SIZE[0]}
OutputCY={SIZE[1]}
FPSType=0
FPSCommon={FPS}
[Output]
Mode=Simple
[SimpleOutput]
VBitrate=1000
StreamEncoder=x264
Preset=ultrafast
UseAdvanced=true
x264Settings=tune=zerolatency keyint={FPS} bframes=0
"""
SERVICE = {"type": "rtmp_custom", "settings": {"server": f"{FROM_OBS}?mode=listener&latency=20000", "key": ""}}
SOURCE = {
    "id": "ffmpeg_source",
    "name": "in",
    "settings": {
        "is_local_file": False,
        "input": TO_OBS,
        "input_format": "mpegts",
        "ffmpeg_options": "analyzeduration=100000 fflags=nobuffer",
        "buffering_mb": 0,
        "reconnect_delay_sec": 1,
        "hw_decode": False,
        "clear_on_media_end": False,
    },
}
ITEM = {"name": "in", "id": 1, "visible": True, "align": 5, "pos": {"x": 0, "y": 0}, "scale": {"x": 1, "y": 1}}
SCENE = {"id": "scene", "name": "Scene", "settings": {"id_counter": 1, "items": [ITEM]}}
SCENES = {"name": "glass", "current_scene": "Scene", "current_program_scene": "Scene", "sources": [SOURCE, SCENE]}


def main(home: Path) -> int:
    """Run it. `home` is the folder in which OBS has its files."""
    with IPRoute() as route:
        route.link("set", index=1, state="up")
    _configure(home / ".config" / "obs-studio")
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "640x480x24", "-nolisten", "tcp"],
        pass_fds=[writing],
        stderr=subprocess.DEVNULL,
    )
    display = os.read(reading, 16).decode().strip()
    about = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "XDG_RUNTIME_DIR": str(home)}
    log = home / "obs.log"
    with log.open("w") as file:
        obs = subprocess.Popen(
            ["obs", "--startstreaming", "--minimize-to-tray", "--multi", "--collection", "glass", "--profile", "glass"],
            env={**os.environ, **about, "DISPLAY": f":{display}", "LIBGL_ALWAYS_SOFTWARE": "1"},
            stdout=file,
            stderr=file,
        )
    try:
        _await(log)
        print(json.dumps(_measure()))
    finally:
        for program in (obs, server):
            program.terminate()
            try:
                program.wait(5.0)
            except subprocess.TimeoutExpired:
                program.kill()
    return 0


def _configure(folder: Path) -> None:
    files = {
        "global.ini": GLOBAL,
        "basic/profiles/glass/basic.ini": PROFILE,
        "basic/profiles/glass/service.json": json.dumps(SERVICE),
        "basic/scenes/glass.json": json.dumps(SCENES),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def _await(log: Path) -> None:
    """Wait until it waits for whoever plays its stream."""
    end = time.monotonic() + START_PATIENCE
    while "Starting stream" not in log.read_text(errors="replace") and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(1.0)


def _measure() -> dict[str, object]:
    for name in ("LONGEST_PAUSE", "MOST_PAUSED"):  # tests share their machine
        setattr(live_arm, name, 1e6)
    plan = build(
        {
            "name": "obs",
            "seed": 20,
            "duration": "8s",
            "network": {"rate": "10Mbit/s"},
            "video": {"source": "synthetic", "width": SIZE[0], "height": SIZE[1], "fps": FPS, "deadline": "5s"},
            "arms": [{"transport": "endpoint", "send": TO_OBS, "receive": f"{FROM_OBS}?latency=20"}],
        }
    )
    result = live_arm.run_arm(plan, plan.arms[0], None, emulator="host")
    assert result.ledger is not None
    shown = result.ledger[result.ledger["fate"] == "displayed"]
    return {
        "outcome": result.outcome,
        "reason": result.reason,
        "shown": len(shown) / len(result.ledger),
        "p50_ms": float(stages(shown)["g2g_ms"].median()),
        "settings": result.stats["peer"]["receiver"]["settings"],
    }


if __name__ == "__main__":
    new_network()
    sys.exit(run_enclosed(lambda: main(Path(sys.argv[1]))))
