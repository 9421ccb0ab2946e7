"""Google Congestion Control, in parts: delay, rate control, loss and probes."""
