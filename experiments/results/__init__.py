"""Results: their format on disk, and what is made of them: statistics, pictures, the report."""
