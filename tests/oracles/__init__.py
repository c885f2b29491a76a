"""Judges that look at what is left after a run and say what is wrong with it. Each is proven by breaking its subject."""
