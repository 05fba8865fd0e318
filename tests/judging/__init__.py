"""Tests of judges, and a server for them that can also misbehave."""
