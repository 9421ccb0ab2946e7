"""libwebrtc through a relay: coturn (BSD) on the host of the sender, whose end has no other candidate (RFC 8656).

So the link is the last mile, from the relay to the receiver.
"""

from collections.abc import Mapping
from typing import Any, Literal

from glassbench.experiments.worlds.peers.libwebrtc import Libwebrtc, LibwebrtcReceiver, LibwebrtcSender
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd, PeerError
from glassbench.experiments.worlds.peers.program import Program
from glassbench.experiments.worlds.peers.tcp import towards

_PORT = 3478
_PATIENCE = 5.0  # seconds for the relay to listen
_REALM, _USER, _CREDENTIAL = "glassbench", "sender", "known"  # nobody else is in the namespace


class Turn(Libwebrtc):
    """The peers of libwebrtc with a relay between them."""

    install = "apt install coturn"

    @classmethod
    def version(cls) -> str:
        return f"coturn {cls.told_by('turnserver', '--version')}, {Libwebrtc.version()}"

    @classmethod
    def end(cls, context: PeerContext) -> PeerEnd:
        return _TurnSender(context) if context.role == "sender" else LibwebrtcReceiver(context)


class _TurnSender(LibwebrtcSender):
    """The sender, and the relay beside it."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._access: Literal["udp", "tcp"] = context.options["access"]  # type: ignore[assignment]
        self._relay: Program | None = None
        self._congestion = ""

    def start(self) -> None:
        host = self.context.local[0]
        self._relay = Program(
            [
                Turn.program("turnserver"),
                *("-n", "--no-cli", "--no-tls", "--no-dtls", "--log-file", "stdout", "--simple-log"),
                *(f"--listening-ip={host}", f"--relay-ip={host}", f"--listening-port={_PORT}"),
                *("--lt-cred-mech", f"--realm={_REALM}", f"--user={_USER}:{_CREDENTIAL}"),
                *(f"--pidfile={self.context.folder}/turn.pid", f"--db={self.context.folder}/turn.db"),
            ],
            self.context,
        )
        if not self._relay.listens(self._access, _PORT, _PATIENCE):
            raise PeerError(f"turnserver did not listen at port {_PORT} within {_PATIENCE:g} s")
        super().start()

    def close(self) -> None:
        super().close()
        if self._relay is not None:
            self._relay.stop()

    def counters(self) -> Mapping[str, int]:
        self._congestion = towards((self.context.local[0], _PORT))[0] or self._congestion
        return super().counters()

    def settings(self) -> Mapping[str, object]:
        """With the candidates, and the congestion controller of TCP on the way to the relay; empty with UDP."""
        candidates = [line for line in self.local_sdp().splitlines() if "candidate:" in line]
        return {**super().settings(), "candidates": candidates, "tcp_congestion": self._congestion}

    def configuration(self) -> Any:
        server = self.webrtc.RTCIceServer(
            f"turn:{self.context.local[0]}:{_PORT}?transport={self._access}", _USER, _CREDENTIAL
        )
        return self.webrtc.RTCConfiguration(ice_servers=[server], ice_transport_policy="relay")
