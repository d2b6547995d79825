"""Room: remembers. Events, runs, model artifacts, and MLflow for tracking and registry."""
