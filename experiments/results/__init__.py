"""Results: the format on disk, and what is made of it: statistics, pictures, the report."""
