"""The ledger: one row per captured frame, one column per instant, exactly one fate. All metrics derive from it.

Fates, in the order in which they are decided (the first that holds):

- `displayed`: it was shown, within its deadline if it has one.
- `missing`: it was not, and the receiver is a black box that does not say why.
- `undecodable`, `late`: it was delivered whole, but a reference was missing, or its deadline had passed, or a later
  frame had been released already; `late` is also a frame that was whole, but not yet shown when the run ended. What is
  past its deadline is decoded (`decoded_at`), since others refer to it, and not displayed.
- `dropped`, `expired`, `skipped`: the sender gave it up: no room, or a frame of a lower layer went ahead of it, or it
  could not meet its deadline any more, or the sender chose not to encode it.
- `late`: it was not completely sent when the run ended: it still waited at the sender.
- `lost`: it was completely sent, but never arrived completely: lost by the network, given up by the receiver, or still
  on its way or being repaired when the run ended.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from glassbench.experiments.account.instants import (
    ENCODING_IN_ORDER,
    IN_ORDER,
    INSTANTS,
    RECEIVED_INSTANTS,
    SENT_INSTANTS,
)
from glassbench.experiments.account.ledger_error import LedgerError
from glassbench.experiments.account.typed_table import typed_table
from glassbench.experiments.scenario.flow_spec import MEDIA
from glassbench.receiver.record import ReceivedRecord
from glassbench.sender.record import SentRecord

FATES = ("displayed", "late", "dropped", "expired", "lost", "undecodable", "missing", "skipped")

# Each stage ends where the next begins, so that they add up to displayed_at - captured_at.
STAGES: dict[str, tuple[str, str]] = {
    "wait": ("captured_at", "encode_start_at"),
    "encode": ("encode_start_at", "queued_at"),
    "queue": ("queued_at", "first_sent_at"),
    "transit": ("first_sent_at", "first_arrival_at"),
    "spread": ("first_arrival_at", "complete_at"),
    "hold": ("complete_at", "delivered_at"),
    "buffer": ("delivered_at", "released_at"),
    "decode": ("released_at", "displayed_at"),
}

INSIDE = "inside"
"""The stage of all spans between instants that a black box does not know."""
STAGE_NAMES = (*STAGES, INSIDE)

_STAGED = tuple(dict.fromkeys(at for span in STAGES.values() for at in span))
_ROUNDING = 1e-9  # seconds; instants are floats near 1000
_TELESCOPE = 1e-6  # seconds: stages must add up to glass-to-glass as closely as this


def join(
    captured: Iterable[SentRecord],
    received: Iterable[ReceivedRecord],
    *,
    media_start: float,
    flow: str = MEDIA,
    knows: frozenset[str] = INSTANTS,
) -> pd.DataFrame:
    """One row per captured frame of a flow, by track and in order of capture. Instants become seconds after
    `media_start`; NaN: never. `sequence` is -1 for a frame that was dropped before it was encoded, and counts the
    others from 0. Instants that are not in `knows` are left empty, whatever the halves say of them.

    Raises LedgerError if the halves contradict each other.
    """
    halves = {(record.track, record.sequence): record for record in received}
    rows = []
    for own in sorted(captured, key=lambda record: record.track):  # stable
        receiver_half = halves.pop((own.track, own.sequence), None) or ReceivedRecord(own.track, own.sequence)
        rows.append(_row(flow, own, receiver_half, media_start, knows))
    if halves:
        track, sequence = next(iter(halves))
        raise LedgerError(f"frame {sequence} of track {track} was received but never captured")
    ledger = typed_table(rows, TYPES)
    check(ledger, knows=knows)
    return ledger


def stages(ledger: pd.DataFrame) -> pd.DataFrame:
    """Each stage of each frame in ms (`wait_ms` ... `decode_ms`), NaN where the frame did not get there or the stage is
    not known; and `g2g_ms` from capture to display, infinite if it was never shown. If a stage of a displayed frame is
    not known, `inside_ms` is the rest of its time; otherwise it is 0."""
    columns = {f"{name}_ms": stage_ms for name, stage_ms in _stages(ledger).items()}
    displayed_at = ledger["displayed_at"].to_numpy()
    with np.errstate(invalid="ignore"):  # as in `_stages`
        g2g = (np.where(np.isnan(displayed_at), np.inf, displayed_at) - ledger["captured_at"].to_numpy()) * 1e3
        unknown = np.isnan(np.array(list(columns.values()))).any(axis=0)
        rest = np.where(unknown, g2g - sum(np.nan_to_num(stage_ms) for stage_ms in columns.values()), 0.0)
    columns[f"{INSIDE}_ms"] = np.where(np.isfinite(g2g), rest, np.nan)
    return pd.DataFrame({**columns, "g2g_ms": g2g}, index=ledger.index)


@np.errstate(invalid="ignore")  # results of others may have infinite instants
def _stages(ledger: pd.DataFrame) -> dict[str, npt.NDArray[np.float64]]:
    """The stages by name. Of few frames, arrays are much sooner than columns of pandas."""
    return {name: (ledger[end].to_numpy() - ledger[start].to_numpy()) * 1e3 for name, (start, end) in STAGES.items()}


def check(ledger: pd.DataFrame, *, knows: frozenset[str] = INSTANTS) -> None:
    """Each frame once, one fate each, no instant before its cause, of a displayed frame all instants that the ends
    know, stages that add up. Raises LedgerError."""
    flows, tracks, captured_at, sequences = (
        ledger[name].to_numpy() for name in ("flow", "track", "captured_at", "sequence")
    )
    for flow, track in sorted(set(zip(flows.tolist(), tracks.tolist(), strict=True))):
        own = (flows == flow) & (tracks == track)
        if not (np.diff(captured_at[own]) > 0).all():
            raise LedgerError(f"frames of track {track} are not in order of capture, each once")
        numbered = sequences[own & (sequences >= 0)]
        if not np.array_equal(numbered, np.arange(len(numbered))):
            raise LedgerError(f"frames of track {track} are not numbered from 0 without gaps")
    if not ledger["fate"].isin(FATES).all():
        raise LedgerError(f"a fate is none of {', '.join(FATES)}")
    for chain in (IN_ORDER, ENCODING_IN_ORDER):
        _check_order(ledger, chain)
    unsent = ledger["first_arrival_at"].notna() & ledger["first_sent_at"].isna()
    if unsent.any() and "first_sent_at" in knows:
        row = ledger[unsent].iloc[0]
        raise LedgerError(f"frame {row['sequence']} of track {row['track']} arrived, but nothing of it was sent")
    displayed = (ledger["fate"] == "displayed").to_numpy()
    if ledger.loc[displayed, [name for name in _STAGED if name in knows]].isna().any(axis=None):
        raise LedgerError("a frame was displayed, and an instant before that is missing")
    shown = stages(ledger)[displayed]
    total = np.nansum(shown.drop(columns="g2g_ms").to_numpy(), axis=1)  # what is not known is inside
    if not (np.abs(total - shown["g2g_ms"].to_numpy()) <= _TELESCOPE * 1e3).all():
        raise LedgerError("the stages of a displayed frame do not add up to its glass-to-glass latency")


def _check_order(ledger: pd.DataFrame, chain: Sequence[str]) -> None:
    """No instant of a chain is before an earlier one."""
    latest = ledger["captured_at"].to_numpy()
    for name in chain:
        instants = ledger[name].to_numpy()
        backwards = instants < latest - _ROUNDING
        if backwards.any():
            row = ledger.iloc[int(np.argmax(backwards))]
            raise LedgerError(f"frame {row['sequence']} of track {row['track']}: {name} is before an earlier instant")
        latest = np.fmax(latest, instants)


def _row(
    flow: str, sent: SentRecord, received: ReceivedRecord, media_start: float, knows: frozenset[str]
) -> dict[str, object]:
    row: dict[str, object] = {
        "flow": flow,
        "track": sent.track,
        "sequence": sent.sequence,
        "group": sent.group,
        "keyframe": sent.keyframe,
        "layer": sent.layer,
        "size_bytes": sent.size_bytes,
        "target_bps": math.nan if sent.target_bps is None else sent.target_bps,
        # captured_at is a whole number of microseconds and stays one.
        "captured_at": round(sent.captured_at - media_start, 6),
        "fate": _fate(sent, received, knows),
        "repaired": sent.repaired,
        "path": "",
        "rendition": sent.rendition,
        "stamp_sequence": received.stamp_sequence,
        "stamp_captured_at": math.nan
        if received.stamp_captured_at is None
        else round(received.stamp_captured_at - media_start, 6),
        "screen_sequence": None,
        "psnr_db": math.nan,
        "ssim": math.nan,
        "own_ssim": math.nan,
        "vmaf": math.nan,
        "own_vmaf": math.nan,
    }
    for record, names in ((sent, SENT_INSTANTS), (received, RECEIVED_INSTANTS)):
        for name in names:
            at = getattr(record, name)
            row[name] = math.nan if at is None or name not in knows else at - media_start
    return row


def _fate(sent: SentRecord, received: ReceivedRecord, knows: frozenset[str]) -> str:
    if received.displayed_at is not None:
        return "displayed"
    if "complete_at" not in knows and sent.given_up is None:
        return "missing"
    if received.complete_at is not None:
        return "undecodable" if received.outcome == "undecodable" else "late"
    if sent.given_up is not None:
        return sent.given_up
    return "late" if sent.last_sent_at is None else "lost"


TYPES = {
    "flow": "string",
    "track": "int64",
    "sequence": "int64",
    "group": "int64",
    "keyframe": "bool",
    "layer": "int64",
    "size_bytes": "int64",
    "target_bps": "float64",
    "captured_at": "float64",
    **dict.fromkeys((*SENT_INSTANTS, *RECEIVED_INSTANTS), "float64"),
    "fate": "string",
    "repaired": "string",
    "path": "string",
    "rendition": "string",
    "stamp_sequence": "Int64",
    "stamp_captured_at": "float64",
    "screen_sequence": "Int64",
    "psnr_db": "float64",
    "ssim": "float64",
    "own_ssim": "float64",
    "vmaf": "float64",
    "own_vmaf": "float64",
}
