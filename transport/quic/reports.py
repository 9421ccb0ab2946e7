"""Receive times for congestion control: what QUIC's ACKs do not say, in a DATAGRAM of our own beside each of them.

A report is a header (type, number of the first packet, its time of arrival in microseconds of the receiver's clock),
and for each further packet how much its number and its arrival differ from those of the one before. The number is the
QUIC packet number of the 1-RTT space. draft-smith-quic-receive-ts has receive timestamps in ACK frames; a DATAGRAM
needs no new frame, so that Wireshark and a browser can read it.

A report leaves in the packet that has the ACK of the same packets, so that it costs no packet more. A lost one is not
repeated: the next ACK acknowledges the packets without their times.
"""

import struct
from collections import deque

from glassbench.transport.framing import REPORT, Malformed
from glassbench.transport.quic.ecn import Arriving, CountingWindow

_HEADER = struct.Struct("!BIQ")
_STEP = struct.Struct("!BH")
_UNIT = 10  # microseconds of a step: a tenth of what a busy 100 Mbit/s link needs for a packet
_MOST_STEPS = 300
_MOST_KEPT = 4096


class ReceiveTimes:
    """The receiver's side: the packets that have arrived and were not reported, the newest 4096 of them."""

    def __init__(self) -> None:
        self._arrivals: deque[tuple[int, float]] = deque(maxlen=_MOST_KEPT)

    def __len__(self) -> int:
        return len(self._arrivals)

    def add(self, number: int, *, now: float) -> None:
        """A packet arrived."""
        self._arrivals.append((number, now))

    def take(self, room: int) -> bytes:
        """A report of at most `room` bytes about the oldest packets; the caller sees that there is at least one."""
        last, at = self._arrivals.popleft()
        time = round(at * 1e6)
        report = bytearray(_HEADER.pack(REPORT, last & 0xFFFFFFFF, time))
        while self._arrivals and len(report) + _STEP.size <= min(room, _HEADER.size + _MOST_STEPS * _STEP.size):
            number, at = self._arrivals[0]
            steps = round((at * 1e6 - time) / _UNIT)
            if not 0 < number - last <= 0xFF or not 0 <= steps <= 0xFFFF:
                break  # out of order, or after a pause: the next report begins with it
            self._arrivals.popleft()
            report += _STEP.pack(number - last, steps)
            last, time = number, time + steps * _UNIT
        return bytes(report)


def parse_report(data: bytes) -> dict[int, float]:
    """When packets arrived, by number, in seconds of the receiver's clock. Raises Malformed."""
    if len(data) < _HEADER.size or data[0] != REPORT or (len(data) - _HEADER.size) % _STEP.size:
        raise Malformed("not a report of receive times")
    _, number, time = _HEADER.unpack_from(data)
    if time >= 2**53:
        raise Malformed("a time of arrival beyond all clocks")
    times = {number: time / 1e6}
    for step, units in _STEP.iter_unpack(data[_HEADER.size :]):
        if not step:
            raise Malformed("a packet is reported twice")
        number += step
        time += units * _UNIT
        times[number] = time / 1e6
    return times


class TimedWindow(CountingWindow):
    """aioquic's memory of the packets received in the 1-RTT space. It notes their arrival, too."""

    def __init__(self, arriving: Arriving, times: ReceiveTimes) -> None:
        super().__init__(arriving)
        self._datagram = arriving
        self._times = times

    def add(self, packet_number: int) -> None:
        super().add(packet_number)
        self._times.add(packet_number, now=self._datagram.at)
