"""Pictures of a run: one file a picture, each a function from a `Run` to a matplotlib Figure."""
