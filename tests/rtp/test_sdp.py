"""The session description says what the sender does, and media that RTP does not carry here are refused."""

import re

import pytest

from glassbench.transport.contract import Track, TransportConfig, Unsupported
from glassbench.transport.rtp import RtpSender, sdp

VIDEO = Track(1, "video", "h264", 1)
CHAT = Track(2, "chat", "data", 0)


def make_config(*tracks, host="192.0.2.1", **options):
    return TransportConfig((host, 5000), ("192.0.2.2", 6000), 3, tracks, options=options)


def test_it_names_formats_feedback_retransmission_and_extensions():
    text = sdp(make_config(CHAT, VIDEO))
    assert text.endswith("\r\n")
    assert text.splitlines()[:5] == [
        "v=0",
        "o=- 3 1 IN IP4 192.0.2.1",
        "s=glassbench",
        "c=IN IP4 192.0.2.2",
        "t=0 0",
    ]
    assert all(re.fullmatch(r"[a-z]=\S.*", line) for line in text.splitlines())
    video, data = text.split("m=")[1:]
    assert video.startswith("video 6000 RTP/AVPF 96 97\r\n")
    for line in (
        "rtcp-mux",
        "rtpmap:96 H264/90000",
        "rtcp-fb:96 nack",
        "rtcp-fb:96 nack pli",
        "rtpmap:97 rtx/90000",
        "fmtp:97 apt=96;rtx-time=10000",
        "extmap:1 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
        "extmap:2 urn:glassbench:frame",
    ):
        assert f"a={line}\r\n" in video
    assert re.search(r"a=fmtp:96 packetization-mode=1;profile-level-id=[0-9a-f]{6}\r\n", video)
    assert data.startswith("application 6000 RTP/AVPF 98 99\r\n")
    assert "nack pli" not in data


def test_without_repair_it_offers_none():
    text = sdp(make_config(VIDEO, nack=False))
    assert "m=video 6000 RTP/AVPF 96\r\n" in text
    assert "rtx" not in text
    assert "a=rtcp-fb:96 nack\r\n" not in text
    assert "a=rtcp-fb:96 nack pli\r\n" in text


def test_addresses_of_version_6_are_called_so():
    assert "IN IP6 2001:db8::1" in sdp(make_config(VIDEO, host="2001:db8::1"))


def test_other_media_are_refused_with_what_is_carried():
    with pytest.raises(Unsupported, match="no payload format for mjpeg; it carries h264, hevc, vp8, vp9, av1, data"):
        sdp(make_config(Track(1, "video", "mjpeg", 1)))


@pytest.mark.parametrize(
    ("media", "encoding", "parameters"),
    [("hevc", "H265", None), ("vp8", "VP8", None), ("vp9", "VP9", "profile-id=0"), ("av1", "AV1", None)],
)
def test_each_codec_is_called_by_its_registered_name(media, encoding, parameters):
    text = sdp(make_config(CHAT, Track(1, "video", media, 1)))
    assert text.index("m=video 6000 RTP/AVPF 96 97\r\n") < text.index("m=application")
    assert f"a=rtpmap:96 {encoding}/90000\r\n" in text
    assert "a=rtcp-fb:96 nack pli\r\n" in text
    assert re.findall(r"a=fmtp:96 (.*)\r\n", text) == ([] if parameters is None else [parameters])


def test_more_tracks_than_payload_types_are_refused():
    with pytest.raises(Unsupported, match="4 tracks in a session, 5"):
        RtpSender(make_config(*[Track(i, "t", "data", 0) for i in range(5)]))


@pytest.mark.parametrize("max_datagram_bytes", [0, 575])
def test_a_datagram_too_small_for_headers_is_refused(max_datagram_bytes):
    config = TransportConfig(("a", 1), ("b", 2), 1, (VIDEO,), max_datagram_bytes=max_datagram_bytes)
    with pytest.raises(ValueError, match=f"at least 576 for rtp, got {max_datagram_bytes}"):
        RtpSender(config)


@pytest.mark.parametrize(("options", "lines"), [({}, 0), ({"ecn": True}, 2), ({"control": "gcc"}, 2)])
def test_congestion_control_feedback_is_offered_for_all_payload_types_where_it_is_expected(options, lines):
    """RFC 8888 section 6: the payload type must be the wildcard."""
    assert sdp(make_config(CHAT, VIDEO, **options)).count("a=rtcp-fb:* ack ccfb\r\n") == lines


def test_transport_wide_feedback_is_offered_with_its_header_extension_in_place_of_the_other():
    text = sdp(make_config(CHAT, VIDEO, control="gcc", feedback="twcc"))
    assert text.count("a=rtcp-fb:* transport-cc\r\n") == 2
    uri = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
    assert text.count(f"a=extmap:3 {uri}\r\n") == 2
    assert "ccfb" not in text
