"""Tests of the passes, with an interpreter and a generator of graphs that other tests may use."""
