"""The compiled parts of reading traces; imported when a trace is read."""
