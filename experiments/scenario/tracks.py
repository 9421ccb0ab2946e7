"""The tracks of every run: numbers that both ends and the ledger agree on."""

VIDEO_TRACK = 0
CHAT_TRACK = 1
