"""Session time, in seconds: the connection starts at START_AT and media at MEDIA_START in every world."""

from glassbench.netem.simulator import START_AT

MEDIA_START = START_AT + 2.0
