"""Retraining: which rows teach and which judge, the challenger, the verdict, the promotion; and the watch over it."""
