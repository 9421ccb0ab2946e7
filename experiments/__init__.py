"""Experiments: what is compared, where it runs, what is kept of it, and the `glass` command: floors of a tower."""
