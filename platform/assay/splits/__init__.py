"""Shelf: ways to divide rows into folds and test rows. One file is one part; the file name is its key."""
