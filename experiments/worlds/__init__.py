"""Worlds: where an arm runs. Virtual time, real sockets on this machine, two hosts."""
