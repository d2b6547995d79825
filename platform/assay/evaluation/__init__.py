"""Room: counts, compares and draws."""
