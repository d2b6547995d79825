"""Shelf: kinds of data. One file is one part; the file name is its key."""
