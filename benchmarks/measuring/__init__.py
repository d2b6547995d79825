"""What `accuracy.py` is made of: data sets, a process that is watched, a packed model by itself, peers, a table."""
