"""What the two ends tell each other by the control connection, in this order. Every field is checked where it comes in.

sender    Hello                           who it is, and what it asks for
receiver  Answer                          refused, or the token for the alignment of the clocks
sender    Start                           when its session begins, by the clock of the receiver
receiver  Started
sender    Said, now and then              which frames it will say no more about; the last one: the arm is over
receiver  Reported                        that it knows the fate of all of them, once
receiver  Reported, as many as it takes   what was received; the last one has the counts
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, FailFast, Field

from glassbench.experiments.worlds.consensus import Claim
from glassbench.experiments.worlds.hosts.printable import printable
from glassbench.netem.live.alignment_messages import MAX_STAMP, TOKEN_BYTES
from glassbench.receiver.record import ReceivedRecord

VERSION = 5

MAX_HELLO = 65_536  # bytes; a flow has some kilobytes
MAX_MESSAGE = 1_000_000
MAX_RECORDS = 1000  # in one report; each has some hundred bytes

_Count = Annotated[int, Field(ge=0, lt=2**53)]
_Number = Annotated[int, Field(ge=0, lt=2**31)]
_Instant = Annotated[float, Field(ge=-MAX_STAMP, le=MAX_STAMP)]
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
_Sentence = Annotated[str, Field(max_length=10_000), AfterValidator(printable)]
_Token = Annotated[str, Field(pattern=rf"^[0-9a-f]{{{2 * TOKEN_BYTES}}}$")]
_MOST_TRACKS = 16
_Sequences = Annotated[tuple[_Number, ...], Field(strict=False, max_length=200_000), FailFast()]
_Windows = Annotated[dict[_Number, _Count], Field(max_length=50_000)]


class _Message(BaseModel):
    """A message. Fields that are not known are ignored, since a newer end may say more."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore", frozen=True)


class Hello(_Message):
    """`token` is that of the key; `flow` is what is asked for, as `asked_for` wants it."""

    version: _Number
    token: _Token
    flow: dict[str, Any]


class Answer(_Message):
    """`alignment`, or `error`: one sentence, after which the connection ends; `unsupported`: the arm is."""

    alignment: _Token | None = None
    error: _Sentence | None = None
    unsupported: bool = False


class Start(_Message):
    """The session of the sender begins `start` seconds later than that of the receiver."""

    start: _Instant


class Started(_Message):
    """The receiver is ready for media."""

    started: Literal[True] = True


class Said(_Message):
    """What the sender claims (`experiments.worlds.consensus.Claim`), by track. With `end` it asks for the reports."""

    frames: Annotated[dict[_Number, _Number], Field(max_length=_MOST_TRACKS)] = {}
    given_up: Annotated[dict[_Number, _Sequences], Field(max_length=_MOST_TRACKS)] = {}
    end: bool = False

    def claim(self) -> Claim:
        return Claim(self.frames, {track: frozenset(sequences) for track, sequences in self.given_up.items()})


class ReportedFrame(_Message):
    """A `receiver.record.ReceivedRecord`; its instants are those of the receiver's session."""

    track: _Number
    sequence: _Number
    first_arrival_at: _Instant | None = None
    complete_at: _Instant | None = None
    delivered_at: _Instant | None = None
    released_at: _Instant | None = None
    decoded_at: _Instant | None = None
    displayed_at: _Instant | None = None
    outcome: Literal["displayed", "late", "undecodable"] | None = None
    stamp_sequence: _Count | None = None
    stamp_captured_at: Annotated[float, Field(ge=0, le=2.0**53)] | None = None

    def received(self) -> ReceivedRecord:
        return ReceivedRecord(**dict(self))


class ReportedConnection(_Message):
    """An `experiments.account.connection.Connection`."""

    connected_at: _Instant | None = None
    closed_at: _Instant | None = None
    error: _Sentence | None = None


class ReportedPauses(_Message):
    """The summary of `netem.live.pauses.Pauses`."""

    count: _Count = 0
    total_ms: Annotated[float, Field(ge=0, le=MAX_STAMP)] = 0.0
    longest_ms: Annotated[float, Field(ge=0, le=MAX_STAMP)] = 0.0


class ReportedCounts(_Message):
    """What the receiver counted; bytes of media on the wire are by the number of the window (`shared_socket`)."""

    stats: Annotated[dict[_Name, _Count], Field(max_length=200)] = {}
    lateness: Annotated[dict[_Name, Annotated[float, Field(ge=0, le=MAX_STAMP)]], Field(max_length=20)] = {}
    pauses: ReportedPauses = ReportedPauses()
    connection: ReportedConnection = ReportedConnection()
    overflows: _Count = 0
    unsent: _Count = 0
    foreign: _Count = 0
    moves: _Count = 0
    strangers: _Count = 0
    unannounced: _Count = 0
    keyframe_requests: _Count = 0
    sent_bytes: _Windows = {}
    received_bytes: _Windows = {}


class Reported(_Message):
    """Some frames; `counts` are in the last one. In the middle of an arm it says that the fate of every frame that is
    claimed is `decided`. Otherwise the arm has ended, and `error` says why."""

    records: Annotated[tuple[ReportedFrame, ...], Field(strict=False, max_length=MAX_RECORDS), FailFast()] = ()
    counts: ReportedCounts | None = None
    decided: bool = False
    error: _Sentence | None = None
