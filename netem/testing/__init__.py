"""What an element of a path must do, as a check that others can import (`glassbench.testing`)."""
