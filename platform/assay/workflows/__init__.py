"""Floor: says in what order things happen; one file is one verb."""
