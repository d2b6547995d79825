"""Shelf: preprocessing steps. One file is one part; the file name is its key."""
