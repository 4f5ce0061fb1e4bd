"""Other forms of a resource than the one stored."""
