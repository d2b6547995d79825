"""Shelf: ways to combine models. One file is one part; the file name is its key."""
