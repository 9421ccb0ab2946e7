"""Two ends of a transport over a simulated path: what a transport is tested on, and its contract as a check that others
can import (`glassbench.testing`).

It stands here because only a world joins ends and networks.
"""
