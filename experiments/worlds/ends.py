"""The two ends of a flow, whatever world they run in."""

from dataclasses import dataclass

import av

from glassbench.experiments.account.reports import Role
from glassbench.experiments.scenario import dice
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.scenario.arm_table import ARMS, options_of
from glassbench.experiments.scenario.flow import Flow
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.scenario.tracks import CHAT_TRACK, VIDEO_TRACK
from glassbench.netem.simulator import START_AT
from glassbench.receiver.decoder import Decoder, NullDecoder, VideoDecoder
from glassbench.receiver.pipeline import ReceiverPipeline
from glassbench.receiver.playout import parse_playout
from glassbench.sender import x264_library
from glassbench.sender.cost import Cost
from glassbench.sender.encoder import MACROBLOCK, Encoded, EncoderError, EncoderSettings, FrameEncoder
from glassbench.sender.greedy import GreedySender
from glassbench.sender.messages import Messages
from glassbench.sender.pipeline import Following, SenderPipeline, capture_count
from glassbench.sender.size_model import SizeSource
from glassbench.transport.contract import Address, Observer, Transport, TransportConfig, Unsupported
from glassbench.transport.slices import SlicedReceiver, SlicedSender
from glassbench.transport.worker import Worker

DRAIN = 3.0

_SIZE_MODEL_PICTURE = (640, 360)  # what the cost models are asked for if there are no pictures


@dataclass(frozen=True)
class Place:
    """Where an end is, and where it sends to."""

    local: Address
    peer: Address


class Ends:
    """Builds the ends of one flow. Raises Unsupported where a transport does not do what the flow asks for."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.source = flow.video.open(dice.integer(flow.seed, *self._purpose("source")))
        self.start_at = (MEDIA_START if flow.connect == "with-media" else START_AT) + flow.start
        self.media_end = MEDIA_START + flow.stop
        self._playout = parse_playout(flow.playout, deadline=flow.video.deadline)
        self.encoder_settings = _encoder_settings(flow)
        if flow.arm.slices > (rows := self.picture_size[1] // MACROBLOCK):
            raise Unsupported(f"a picture with {rows} rows of macroblocks cannot have {flow.arm.slices} slices")
        self.options = options_of(flow.arm.transport, dict(flow.arm.options))

    @property
    def arm(self) -> ArmSpec:
        """The transport of the flow."""
        return self.flow.arm

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height, as the cost models want them."""
        if isinstance(self.source, SizeSource):
            video = self.flow.video
            return video.width or _SIZE_MODEL_PICTURE[0], video.height or _SIZE_MODEL_PICTURE[1]
        return self.source.width, self.source.height

    @property
    def last(self) -> float:
        """The instant at which the flow ends at the latest. It leaves time for frames that are held on purpose."""
        held = ARMS[self.arm.transport].holds(self.options)
        return self.media_end + DRAIN + self._playout.target + held

    def config(self, role: Role, place: Place, observer: Observer | None = None) -> TransportConfig:
        """What the experiment decides for one end."""
        return TransportConfig(
            local=place.local,
            peer=place.peer,
            seed=dice.integer(self.flow.seed, *self._purpose("transport", self.arm.label, role)),
            tracks=self.flow.tracks(),
            max_datagram_bytes=self.flow.max_datagram_bytes,
            options=self.options,
            observer=observer,
        )

    def transport(self, role: Role, config: TransportConfig) -> Transport:
        """One end of the arm's transport. Raises Unsupported."""
        entry, slices = ARMS[self.arm.transport], self.arm.slices
        if role == "sender":
            sender = entry.make_sender(config)
            return sender if slices == 1 else SlicedSender(sender, slices, config, marks=not entry.joins_slices)
        receiver = entry.make_receiver(config)
        return receiver if slices == 1 or entry.joins_slices else SlicedReceiver(receiver, slices, config)

    def sender(
        self, transport: Transport, encoder: FrameEncoder, encode_cost: Cost, worker: Worker[Encoded] | None = None
    ) -> SenderPipeline:
        """The sender end over its transport."""
        flow, video = self.flow, self.flow.video
        fixed_bps = None if video.source.startswith("sizes:") else video.bitrate
        return SenderPipeline(
            transport,
            encoder,
            track=flow.main_track,
            fps=self.source.fps,
            start_at=MEDIA_START + flow.start,
            duration=flow.stop - flow.start,
            encode_cost=encode_cost,
            worker=worker,
            messages=self._messages(),
            keep_newest=flow.connect == "with-media",
            pauses=self._pauses(),
            target_bps=None if flow.follows else fixed_bps,
            following=Following(video.bitrate, video.max_bitrate) if flow.follows else None,
            slices=self.arm.slices,
        )

    def greedy_sender(self, transport: Transport) -> GreedySender:
        """The sender end of a bulk transfer."""
        return GreedySender(
            transport,
            track=self.flow.main_track,
            start_at=MEDIA_START + self.flow.start,
            stop_at=self.media_end,
            pauses=self._pauses(),
        )

    def receiver(
        self,
        transport: Transport,
        decoder: Decoder,
        decode_cost: Cost,
        worker: Worker[av.VideoFrame | None] | None = None,
        *,
        keep_decoded: bool = True,
    ) -> ReceiverPipeline:
        """The receiver end over its transport."""
        return ReceiverPipeline(
            transport,
            decoder,
            video=self.flow.video.track(),
            playout=self._playout,
            decode_cost=decode_cost,
            worker=worker,
            keep_decoded=keep_decoded,
            announced=self.announced(),
        )

    def announced(self) -> dict[int, int] | None:
        """How many frames and messages the sender numbers at most, by track; None for a bulk transfer."""
        if self.flow.greedy:
            return None
        messages = self._messages()
        return {
            VIDEO_TRACK: capture_count(self.flow.stop - self.flow.start, self.source.fps),
            CHAT_TRACK: 0 if messages is None else len(messages.instants),
        }

    def decoder(self) -> Decoder:
        """What decodes the arm's video; for frames of a size model nothing does."""
        if not self.flow.has_pictures:
            return NullDecoder()
        return VideoDecoder(self.flow.video.codec, self.picture_size)

    def _messages(self) -> Messages | None:
        chat = self.flow.chat
        if chat is None:
            return None
        rng = dice.generator(self.flow.seed, "chat")
        return chat.messages(start_at=MEDIA_START + self.flow.start, duration=self.flow.stop - self.flow.start, rng=rng)

    def _pauses(self) -> list[tuple[float, float]]:
        return [(MEDIA_START + begin, MEDIA_START + end) for begin, end in self.flow.pauses]

    def _purpose(self, *purpose: str) -> tuple[str, ...]:
        """The name of dice of the flow. Those of a flow beside "media" are its own, so that it changes nobody
        else's."""
        return purpose if self.flow.name == MEDIA else ("flow", self.flow.name, *purpose)


def check_real_time(flow: Flow) -> None:
    """Raises Unsupported if an encoder in real time cannot do what the flow asks for."""
    if flow.arm.slices > 1 and flow.has_pictures:
        try:
            x264_library.load()
        except EncoderError as error:
            raise Unsupported(str(error)) from None


def _encoder_settings(flow: Flow) -> EncoderSettings:
    """How the flow's video is encoded. Raises Unsupported if its encoder cannot do that."""
    follows = flow.follows and flow.has_pictures  # sizes follow whatever the codec
    try:
        return flow.video.settings(follows=follows, slices=flow.arm.slices)
    except EncoderError as error:
        raise Unsupported(str(error)) from None
