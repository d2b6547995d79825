"""Shelf: learning algorithms. One file is one part; the file name is its key."""
