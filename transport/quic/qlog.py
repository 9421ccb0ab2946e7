"""aioquic's events as a qlog file in virtual time, and its secrets as a key log.

qlog 0.3 (draft-ietf-quic-qlog-main-schema-02, draft-ietf-quic-qlog-quic-events-01) as a JSON text sequence (RFC 7464),
which can be written while the connection lives: aioquic's own logger stamps wall-clock time and keeps all in memory.
Times are milliseconds of virtual time. aioquic speaks an older draft in three places, which are translated: the names
of the window and of the header of a lost packet, and metrics are there only if they changed.

What the drafts have no event for is in `glassbench:controller_updated`: a category of our own, as the main schema
allows ("Custom fields"); tools ignore what they do not know ("Tooling requirements").
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from aioquic.quic.logger import QLOG_VERSION, QuicLogger, QuicLoggerTrace

from glassbench.transport.contract import Estimated
from glassbench.transport.quic.control import ControlAdapter

_RECORD = "\x1e"


class Qlog(QuicLogger):
    """The log of one end. `write` takes whole records, `clock` tells the virtual time in seconds."""

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float]) -> None:
        super().__init__()
        self._write = write
        self._clock = clock
        self._trace: _Trace | None = None
        self._has_head = False
        self._frame_budget: int | None = None  # the last one that was answered since the controller was logged

    def start_trace(self, is_client: bool, odcid: bytes) -> "_Trace":
        self._trace = _Trace(self._clock, is_client=is_client, odcid=odcid)
        return self._trace

    def end_trace(self, trace: QuicLoggerTrace) -> None:
        """The connection is over; what it logged is written by the next `flush`."""

    def discard(self) -> None:
        """Forget what was not written: no connection came of it."""
        self._trace = None

    def note_frame_budget(self, budget: int | None) -> None:
        """The transport was asked how large the next frame may be, and answered with so many bytes, or nothing."""
        self._frame_budget = budget

    def log_estimates(self, control: ControlAdapter, told: Iterable[object]) -> None:
        """Log what congestion control believes, for each estimate among the events that the application is told.

        aioquic logs the metrics of the recovery when an ACK comes, before our controller hears of it. So they are
        logged again here, if they have changed. Of the controller there are its name, the rate in bit/s that the path
        is believed to deliver, the time in ms that what is in flight waits in queues, and the frame budget in bytes, if
        one was answered since the last such event.
        """
        for event in told:
            if self._trace is None or not isinstance(event, Estimated):
                continue
            self._trace.log_event(category="recovery", event="metrics_updated", data=control.get_log_data())
            data: dict[str, Any] = {
                "controller": control.name,
                "target_bps": round(event.target_bps),
                "queue_ms": self._trace.encode_time(event.queue),
            }
            if self._frame_budget is not None:
                data["frame_budget_bytes"] = self._frame_budget
            self._frame_budget = None
            self._trace.log_event(category="glassbench", event="controller_updated", data=data)

    def flush(self) -> None:
        """Write what was logged. aioquic adds the frames of a packet after it logs it, so not while it works."""
        if self._trace is None:
            return
        records = self._trace.take_events()
        if records and not self._has_head:
            self._has_head = True
            records.insert(0, _head(self._trace))
        if records:
            self._write("".join([f"{_RECORD}{json.dumps(record, separators=(',', ':'))}\n" for record in records]))


class KeyLog:
    """The file-like object in which aioquic logs its secrets."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.write = write

    def flush(self) -> None:
        """Nothing is held back."""


class _Trace(QuicLoggerTrace):
    """Events since the last `take_events`."""

    def __init__(self, clock: Callable[[], float], *, is_client: bool, odcid: bytes) -> None:
        super().__init__(is_client=is_client, odcid=odcid)
        self._clock = clock
        self._metrics: dict[str, Any] = {}

    def encode_time(self, seconds: float) -> float:
        return round(seconds * 1e3, 6)

    def log_event(self, *, category: str, event: str, data: dict[str, Any]) -> None:
        if event == "metrics_updated":
            data = self._changed(data)
            if not data:
                return
        elif event == "packet_lost":
            data = {"header": {"packet_type": data["type"], "packet_number": data["packet_number"]}}
        self._events.append({"time": self.encode_time(self._clock()), "name": f"{category}:{event}", "data": data})

    def take_events(self) -> list[dict[str, Any]]:
        events = list(self._events)
        self._events.clear()
        return events

    def _changed(self, metrics: dict[str, Any]) -> dict[str, Any]:
        renamed = {"congestion_window" if name == "cwnd" else name: value for name, value in metrics.items()}
        changed = {name: value for name, value in renamed.items() if self._metrics.get(name) != value}
        self._metrics |= changed
        return changed


def _head(trace: _Trace) -> dict[str, Any]:
    """The first record: qvis wants version, format and trace there."""
    content = trace.to_dict()
    return {
        "qlog_version": QLOG_VERSION,
        "qlog_format": "JSON-SEQ",
        "title": "Glassbench",
        "trace": {
            "vantage_point": content["vantage_point"],
            "common_fields": {**content["common_fields"], "protocol_type": ["QUIC"], "time_format": "absolute"},
        },
    }
