"""Shelf: scores, from scikit-learn. One file is one part; the file name is its key."""
