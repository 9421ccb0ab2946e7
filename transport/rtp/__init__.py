"""rtp: video of every codec, and data, over RTP, as ffmpeg, GStreamer and WebRTC stacks speak it.

RFC 3550 (RTP, RTCP), RFC 4585 (generic NACK, PLI, immediate feedback), RFC 4588 (RTX on its own SSRC), RFC 5761 (one
port), RFC 8285 (header extensions), RFC 3611 (receiver RTT), RFC 8888 (ECN, congestion control),
draft-holmer-rmcat-transport-wide-cc-extensions-01 (congestion control). Payload formats: RFC 6184 (H.264), RFC 7798
(HEVC), RFC 7741 (VP8), RFC 9628 (VP9), AOMedia's RTP Payload Format For AV1 v1.0.

    packet.py          one RTP packet and our header extensions
    payload_format.py  what a payload format does: frames to payloads and back
    h264.py ...        one each: h264.py, hevc.py, vp8.py, vp9.py, av1.py, messages.py
    annex_b.py         what the first two of them share
    rtcp.py            control packets
    session.py         options, payload types and their formats, chances, round-trip time
    sender.py          frames to the network at once, retransmission on request, sender reports
    source.py          one track of a sender: its packets, and their history
    controlled.py      the same under congestion control: what may leave now
    books.py           what became of the packets that left, as reports tell it
    feedback.py        the formats of these reports, and how they name packets
    ccfb.py            one of them on the wire: RFC 8888
    twcc.py            the other: transport-wide feedback
    budget.py          how much may be sent again
    receiver.py        packets to frames, NACK, PLI, receiver reports
    arrivals.py        which packets came, when and how marked, for the next report
    reception.py       sequence numbers of a source: what is missing, when to ask, when to give up
    frames.py          when a frame is whole, which will never be
    foreign.py         frame boundaries and times of senders that are not ours
    sdp.py             the session in words, for peers of other makes
"""

from glassbench.transport.rtp.controlled import rtp_sender
from glassbench.transport.rtp.receiver import RtpReceiver
from glassbench.transport.rtp.sdp import sdp
from glassbench.transport.rtp.sender import RtpSender
from glassbench.transport.rtp.session import MEDIA, RtpOptions

__all__ = ["MEDIA", "RtpOptions", "RtpReceiver", "RtpSender", "rtp_sender", "sdp"]
