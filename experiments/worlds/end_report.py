"""What an end of ours wrote down. It is taken from its pipeline when the arm is over."""

from collections.abc import Mapping

from glassbench.experiments.account.connection import Connection
from glassbench.experiments.account.reports import EndReport
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.receiver.end import ReceiverEnd
from glassbench.sender.end import SenderEnd


def sender_report(
    pipeline: SenderEnd, *, ended_at: float, flow: str = MEDIA, counted: Mapping[str, int] | None = None
) -> EndReport:
    """The report of a sender; `counted` is what its socket counted besides."""
    return EndReport(
        "sender",
        ended_at,
        Connection.of(pipeline),
        {**pipeline.stats(), **(counted or {})},
        flow,
        sent=pipeline.captured,
        estimates=pipeline.estimates,
    )


def receiver_report(
    pipeline: ReceiverEnd, *, ended_at: float, flow: str = MEDIA, counted: Mapping[str, int] | None = None
) -> EndReport:
    """The report of a receiver that knows that the run is over."""
    return EndReport(
        "receiver",
        ended_at,
        Connection.of(pipeline),
        {**pipeline.stats(), **(counted or {})},
        flow,
        received=list(pipeline.records.values()),
        decoded=pipeline.decoded,
        pipeline={
            "keyframe_requests": pipeline.keyframe_requests,
            "stamp_errors": pipeline.stamp_errors,
            "stamp_unreadable": pipeline.stamp_unreadable,
            "unannounced": pipeline.unannounced,
        },
    )
