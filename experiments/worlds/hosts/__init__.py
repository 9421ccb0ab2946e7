"""An arm between two hosts: a control connection, media over the network that is there, and clocks aligned in band."""
