"""The two ends of an arm as a scenario describes them, whatever world they meet in."""

from dataclasses import dataclass

import av

from glassbench.experiments.account.reports import Role
from glassbench.experiments.scenario import Scenario, dice
from glassbench.experiments.scenario.arm_spec import ArmSpec
from glassbench.experiments.scenario.session_time import MEDIA_START
from glassbench.experiments.scenario.tracks import CHAT_TRACK, VIDEO_TRACK
from glassbench.netem.simulator import START_AT
from glassbench.receiver.decoder import Decoder, NullDecoder, VideoDecoder
from glassbench.receiver.pipeline import ReceiverPipeline
from glassbench.receiver.playout import parse_playout
from glassbench.sender.cost import Cost
from glassbench.sender.encoder import Encoded, FrameEncoder
from glassbench.sender.messages import Messages
from glassbench.sender.pipeline import SenderPipeline, capture_count
from glassbench.sender.size_model import SizeSource
from glassbench.transport import registry
from glassbench.transport.contract import Address, Observer, Transport, TransportConfig
from glassbench.transport.worker import Worker

DRAIN = 3.0

_SIZE_MODEL_PICTURE = (640, 360)  # what the cost models are asked for if there are no pictures


@dataclass(frozen=True)
class Place:
    """Where an end is, and where it sends to."""

    local: Address
    peer: Address


class Ends:
    """Builds the ends of one arm. Raises Unsupported where a transport does not do what the scenario asks for."""

    def __init__(self, scenario: Scenario, arm: ArmSpec) -> None:
        self.scenario = scenario
        self.arm = arm
        self.source = scenario.video.open(dice.integer(scenario.seed, "source"))
        self.start_at = MEDIA_START if scenario.connect == "with-media" else START_AT
        self._playout = parse_playout(scenario.playout, deadline=scenario.video.deadline)
        self._options = registry.validate_options(arm.transport, dict(arm.options))

    @property
    def picture_size(self) -> tuple[int, int]:
        """Width and height, as the cost models want them."""
        if isinstance(self.source, SizeSource):
            video = self.scenario.video
            return video.width or _SIZE_MODEL_PICTURE[0], video.height or _SIZE_MODEL_PICTURE[1]
        return self.source.width, self.source.height

    @property
    def last(self) -> float:
        """The instant at which the run ends at the latest: frames that are held on purpose have their time."""
        held = registry.get(self.arm.transport).holds(self._options)
        return MEDIA_START + self.scenario.duration + DRAIN + self._playout.target + held

    def config(self, role: Role, place: Place, observer: Observer | None = None) -> TransportConfig:
        """What the experiment decides for one end."""
        scenario = self.scenario
        return TransportConfig(
            local=place.local,
            peer=place.peer,
            seed=dice.integer(scenario.seed, "transport", self.arm.label, role),
            tracks=scenario.tracks(),
            max_datagram_bytes=scenario.max_datagram_bytes,
            options=self._options,
            observer=observer,
        )

    def transport(self, role: Role, config: TransportConfig) -> Transport:
        """One end of the arm's transport. Raises Unsupported."""
        entry = registry.get(self.arm.transport)
        return entry.make_sender(config) if role == "sender" else entry.make_receiver(config)

    def sender(
        self, transport: Transport, encoder: FrameEncoder, encode_cost: Cost, worker: Worker[Encoded] | None = None
    ) -> SenderPipeline:
        """The sender end over its transport."""
        scenario = self.scenario
        return SenderPipeline(
            transport,
            encoder,
            track=scenario.video.track(),
            fps=self.source.fps,
            start_at=MEDIA_START,
            duration=scenario.duration,
            encode_cost=encode_cost,
            worker=worker,
            messages=self._messages(),
            keep_newest=scenario.connect == "with-media",
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
        video = self.scenario.video.track()
        return ReceiverPipeline(
            transport,
            decoder,
            video=video,
            playout=self._playout,
            decode_cost=decode_cost,
            worker=worker,
            keep_decoded=keep_decoded,
            announced=self.announced(),
        )

    def announced(self) -> dict[int, int]:
        """How many frames and messages the sender numbers at most, by track."""
        messages = self._messages()
        return {
            VIDEO_TRACK: capture_count(self.scenario.duration, self.source.fps),
            CHAT_TRACK: 0 if messages is None else len(messages.instants),
        }

    def decoder(self) -> Decoder:
        """What decodes the arm's video; for frames of a size model nothing does."""
        if isinstance(self.source, SizeSource):
            return NullDecoder()
        return VideoDecoder(self.scenario.video.codec, self.picture_size)

    def _messages(self) -> Messages | None:
        chat = self.scenario.chat
        if chat is None:
            return None
        rng = dice.generator(self.scenario.seed, "chat")
        return chat.messages(start_at=MEDIA_START, duration=self.scenario.duration, rng=rng)
