"""Code that a model wrote: where it runs, what it may do, and what it is worth."""
