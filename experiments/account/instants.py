"""The instants of a frame, by their names in the ledger."""

SENT_INSTANTS = ("encode_start_at", "encode_end_at", "queued_at", "first_sent_at", "last_sent_at")
RECEIVED_INSTANTS = ("first_arrival_at", "complete_at", "delivered_at", "released_at", "decoded_at", "displayed_at")

INSTANTS = frozenset({"captured_at", *SENT_INSTANTS, *RECEIVED_INSTANTS})
"""All that the ends of ours know."""

# Instants that cannot go backwards. `last_sent_at` is not among them, as repair may complete a frame before it, nor is
# `encode_end_at`, as the first slices leave before it.
IN_ORDER = (
    "captured_at",
    *(name for name in SENT_INSTANTS if name not in ("encode_end_at", "last_sent_at")),
    *RECEIVED_INSTANTS,
)
ENCODING_IN_ORDER = ("captured_at", "encode_start_at", "encode_end_at")
