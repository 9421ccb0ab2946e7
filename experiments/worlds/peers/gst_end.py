"""What both ends of GStreamer share, whatever carries the packets: a pipeline, and its properties read back."""

from collections.abc import Mapping

from glassbench.experiments.worlds.peers.gst_coding import CODINGS, GstCoding
from glassbench.experiments.worlds.peers.gst_pipeline import Pipeline, with_padding
from glassbench.experiments.worlds.peers.peer import PeerContext, PeerEnd
from glassbench.transport.contract import Frame

_MOST_WAITING = 4  # pictures that the encoder has not begun

Properties = Mapping[str, tuple[str, ...]]
"""Of elements, by their names."""


class GstEnd(PeerEnd):
    """A pipeline, and which of its properties tell how it is set and what it counted."""

    def __init__(self, context: PeerContext) -> None:
        super().__init__(context)
        self._pipeline: Pipeline | None = None

    @property
    def coding(self) -> GstCoding:
        """Its codec."""
        return CODINGS[str(self.context.options["codec"])]

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline, once it started."""
        assert self._pipeline is not None
        return self._pipeline

    def description(self) -> str:
        """The pipeline, as gst-launch-1.0 reads it."""
        raise NotImplementedError

    def set(self) -> Properties:
        """What tells how it is set."""
        raise NotImplementedError

    def counted(self) -> Properties:
        """What tells what it counted."""
        raise NotImplementedError

    def start(self) -> None:
        self._pipeline = Pipeline(self.description(), self.context)
        self.prepare()
        self._pipeline.play()

    def prepare(self) -> None:
        """What is to be done before the pipeline runs."""

    def connect(self) -> None:
        """Nothing: RTP is sent to whoever listens."""

    def send(self, data: bytes, frame: Frame) -> bool:
        if self.pipeline.waiting() >= _MOST_WAITING:
            return False
        return self.pipeline.push(with_padding(data, self.context))

    def close(self) -> None:
        if self._pipeline is not None:
            self._pipeline.stop()

    def counters(self) -> Mapping[str, int]:
        if self._pipeline is None:
            return {}
        return {
            key: count
            for name, properties in self.counted().items()
            for key, count in self._pipeline.counts(name, *properties).items()
        }

    def settings(self) -> Mapping[str, object]:
        if self._pipeline is None:
            return {}
        read = {name: self._pipeline.read(name, *properties) for name, properties in self.set().items()}
        return {name: values for name, values in read.items() if values}
