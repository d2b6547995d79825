"""Forecasts as tables: what was known at an origin, in a row for each step ahead of it."""
