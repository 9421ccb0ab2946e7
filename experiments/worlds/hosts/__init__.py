"""An arm between two hosts: a control connection, media over the network between them, and clocks aligned in band."""
