"""Firefox watches: another implementation of WebTransport (neqo), of WebCodecs and of everything else on the page."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from glassbench import load
from glassbench.experiments.serve.recording import ARMS, keep
from glassbench.transport.quic.served import Mapping

FIREFOX = next((name for name in ("firefox-esr", "firefox") if shutil.which(name)), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.long,
    pytest.mark.skipif(FIREFOX is None, reason="there is no Firefox; to run this: sudo apt install firefox-esr"),
]

# It is to reach this machine and nothing else: whatever it asks others for goes to a port where nobody is.
PREFERENCES = {
    "network.proxy.type": 1,
    "network.proxy.http": '"127.0.0.1"',
    "network.proxy.http_port": 9,
    "network.proxy.ssl": '"127.0.0.1"',
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": '"localhost, 127.0.0.1"',
    "network.captive-portal-service.enabled": "false",
    "network.connectivity-service.enabled": "false",
    "services.settings.server": '"data:,#remote-settings-dummy/v1"',
    "browser.shell.checkDefaultBrowser": "false",
    "datareporting.policy.dataSubmissionEnabled": "false",
    "toolkit.telemetry.enabled": "false",
    "app.update.enabled": "false",
}


def run(made: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(made, 120))


@pytest.mark.parametrize(("codec", "mapping"), [("h264", "datagram"), ("vp8", "stream-per-frame")])
def test_firefox_watches_and_its_ledger_closes(
    codec: str, mapping: Mapping, running: Callable[..., Any], tmp_path: Path
) -> None:
    profile = tmp_path / "profile"
    profile.mkdir()
    lines = [f'user_pref("{name}", {value});' for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("\n".join(lines))

    async def watch() -> None:
        async with running(arm=ARMS[mapping], codec=codec, deadline="1s") as one:
            command = [str(FIREFOX), "--headless", "--no-remote", "--profile", str(profile), one.url]
            environment = {**os.environ, "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
            firefox = subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
            )
            try:
                for _ in range(600):
                    if any(len(viewer.ledger) > 60 for viewer in one.server.viewers):
                        break
                    assert firefox.poll() is None
                    await asyncio.sleep(0.1)
                (viewer,) = one.server.viewers
                path = keep(viewer, 1, one.scenario, tmp_path / "results", [])
            finally:
                os.killpg(firefox.pid, 15)
                firefox.wait(20)
            assert path is not None
            data = load(path)
            shown = data.ledger[data.ledger["fate"] == "displayed"]
            assert len(shown) > 50
            assert (shown["stamp_sequence"] == shown["sequence"]).mean() >= 0.99
            assert "Firefox" in data.manifest["browser"]["agent"]
            assert data.manifest["browser"]["mapping"] == mapping

    run(watch())
