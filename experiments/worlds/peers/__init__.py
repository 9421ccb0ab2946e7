"""Stacks of others as arms of live runs: `peer.py` is the contract, and each stack is a file."""
