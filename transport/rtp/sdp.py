"""The session in words (RFC 8866), for peers that are not ours: what the sender end sends, what feedback it takes."""

from glassbench.transport.contract import TransportConfig
from glassbench.transport.rtp import session
from glassbench.transport.rtp.packet import CAPTURE_TIME_ID, CAPTURE_TIME_URI, CLOCK_RATE, FRAME_ID, FRAME_URI


def sdp(config: TransportConfig) -> str:
    """The SDP of the sending end that `config` makes, to be read by the receiving peer. Raises Unsupported."""
    options = session.options(config)
    host, _ = config.local
    family = "IP6" if ":" in host else "IP4"
    lines = [
        "v=0",
        f"o=- {config.seed} 1 IN {family} {host}",
        "s=glassbench",
        f"c=IN {family} {config.peer[0]}",
        "t=0 0",
    ]
    for types in session.payload_types(config.tracks):
        lines += _media(types, options, config.peer[1])
    return "\r\n".join(lines) + "\r\n"


def _media(types: session.TrackTypes, options: session.RtpOptions, port: int) -> list[str]:
    payload_format = types.payload_format
    media, rtx = types.media, types.rtx
    formats = f"{media} {rtx}" if options.nack else f"{media}"
    lines = [
        f"m={'video' if types.is_video else 'application'} {port} RTP/AVPF {formats}",
        "a=sendonly",
        "a=rtcp-mux",
        f"a=mid:{types.track.id}",
        f"a=rtpmap:{media} {payload_format.ENCODING}/{CLOCK_RATE}",
    ]
    if payload_format.PARAMETERS:
        lines.append(f"a=fmtp:{media} {payload_format.PARAMETERS}")
    if types.is_video:
        lines.append(f"a=rtcp-fb:{media} nack pli")
    lines += [
        f"a=rtcp-fb:{media} trr-int {round(session.REPORT_INTERVAL * 1000)}",
        "a=rtcp-xr:rcvr-rtt=all",
    ]
    if session.reports(options) is not None:
        lines += [f"a={attribute}" for attribute in options.format.sdp]
    if options.nack:
        lines += [
            f"a=rtcp-fb:{media} nack",
            f"a=rtpmap:{rtx} rtx/{CLOCK_RATE}",
            f"a=fmtp:{rtx} apt={media};rtx-time={round(session.HISTORY * 1000)}",
        ]
    lines += [
        f"a=extmap:{CAPTURE_TIME_ID} {CAPTURE_TIME_URI}",
        f"a=extmap:{FRAME_ID} {FRAME_URI}",
    ]
    return lines
