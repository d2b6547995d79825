"""Shelf: where rows come from, through Ray Data. One file is one part; the file name is its key."""
