"""The inner loop of networks: torch and nothing of Ray, so that it runs and is measured alone, on any machine."""
