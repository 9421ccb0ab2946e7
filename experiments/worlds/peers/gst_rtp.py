"""The ends of GStreamer over plain RTP: session, RTX and jitter buffer as rtpbin has them. RTCP has the port above that
of RTP."""

from glassbench.experiments.worlds.peers.gst_coding import CLOCK_RATE, MEDIA_TYPE, RTX_TYPE
from glassbench.experiments.worlds.peers.gst_end import GstEnd, Properties
from glassbench.experiments.worlds.peers.gst_tuning import (
    BUFFER_SETTINGS,
    HISTORY_SETTINGS,
    SESSION_SETTINGS,
    history,
    jitter_buffer,
    session,
    written,
)

_TYPES = f"application/x-rtp-pt-map,{MEDIA_TYPE}=(uint){RTX_TYPE}"


class GstRtpSender(GstEnd):
    """Encoder, payloader, session. RTCP leaves from the port to which it comes (RFC 4961); of the two sockets there
    that with an address gets what comes."""

    def set(self) -> Properties:
        return {
            "encoder": self.coding.encoder_settings,
            "payloader": ("mtu",),
            "session": SESSION_SETTINGS,
            "repeater": HISTORY_SETTINGS,
        }

    def counted(self) -> Properties:
        return {"session": ("stats",), "repeater": ("num-rtx-requests", "num-rtx-packets")}

    def description(self) -> str:
        options, (local, port), (host, peer_port) = self.context.options, self.context.local, self.context.peer
        repeater = f'! rtprtxsend name=repeater {written(history(options))} payload-type-map="{_TYPES}"'
        return f"""
            rtpsession name=session rtp-profile=avpf {written(session(options, self.context.role))}
            {self.coding.encoding(self.context.video)}
            ! application/x-rtp,rtcp-fb-nack-pli=true,rtcp-fb-nack=true
            {repeater if options["rtx"] else ""} ! session.send_rtp_sink
            session.send_rtp_src ! udpsink host={host} port={peer_port} sync=false async=false
            session.send_rtcp_src
            ! udpsink host={host} port={peer_port + 1} bind-port={port + 1} sync=false async=false
            udpsrc address={local} port={port + 1} caps=application/x-rtcp ! session.recv_rtcp_sink
        """


class GstRtpReceiver(GstEnd):
    """Session, jitter buffer, depayloader, decoder. A request for a keyframe has its payload type of `rtpptdemux`; one
    without is not sent."""

    def set(self) -> Properties:
        return {
            "buffer": BUFFER_SETTINGS,
            "depayloader": ("request-keyframe", "wait-for-keyframe"),
            "decoder": self.coding.decoder_settings,
            "session": SESSION_SETTINGS,
            "sink": ("sync",),
        }

    def counted(self) -> Properties:
        return {
            "session": ("stats",),
            "receiver": ("num-rtx-requests", "num-rtx-packets"),
            "buffer": ("stats",),
        }

    def description(self) -> str:
        options, (_, port), (host, peer_port) = self.context.options, self.context.local, self.context.peer
        rtx = "true" if options["rtx"] else "false"
        receiver = f'rtprtxreceive name=receiver payload-type-map="{_TYPES}" !'
        return f"""
            rtpsession name=session rtp-profile=avpf {written(session(options, self.context.role))}
            udpsrc port={port} buffer-size=1000000 caps="application/x-rtp,media=video,clock-rate={CLOCK_RATE},
                encoding-name={self.coding.rtp_name},payload={MEDIA_TYPE},rtcp-fb-nack=(boolean){rtx},
                rtcp-fb-nack-pli=(boolean)true"
            ! session.recv_rtp_sink
            udpsrc port={port + 1} caps=application/x-rtcp ! session.recv_rtcp_sink
            session.send_rtcp_src ! udpsink host={host} port={peer_port + 1} sync=false async=false
            session.recv_rtp_src ! {receiver if options["rtx"] else ""} rtpssrcdemux
            ! rtpjitterbuffer name=buffer latency={options["latency_ms"]} do-lost=true do-retransmission={rtx}
                {written(jitter_buffer(options))}
            ! rtpptdemux ! {self.coding.decoding(sync=bool(options["sync"]))}
        """
