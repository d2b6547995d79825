"""Shelf: ways to choose trials. One file is one part; the file name is its key."""
