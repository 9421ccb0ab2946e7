"""The tracks of every run: numbers on which both ends and the ledger agree."""

VIDEO_TRACK = 0
CHAT_TRACK = 1
BULK_TRACK = 2

GREEDY = "greedy"
"""The source that has always something to send, on the bulk track."""
