"""A controller's own timer, behind our scheduler."""

from dataclasses import replace

from glassbench.transport.congestion import CONTROLLERS
from glassbench.transport.congestion.reno import RenoController

MEDIA_AT = 1002.0
PERIOD = 0.25


def test_a_controller_is_woken_when_its_timer_is_due(call, video, monkeypatch):
    late = []

    class WakesFourTimesASecond(RenoController):
        due = MEDIA_AT

        def get_timer(self):
            return self.due

        def handle_timer(self, *, now):
            late.append(now - self.due)
            self.due = now + PERIOD

    entry = replace(CONTROLLERS["reno"], make=WakesFourTimesASecond)
    monkeypatch.setitem(CONTROLLERS.own, "reno", entry)
    session = call("quic-datagram", {"control": "reno"})
    session.run(video(30, 8_000), until=MEDIA_AT + 2)
    assert len(late) in (7, 8, 9)
    assert max(late) < 0.002
