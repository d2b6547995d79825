"""Floor: the only one that runs Ray."""
