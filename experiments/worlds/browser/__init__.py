"""A browser as an end: what listens for it, what it says, and the scripts of its page."""
