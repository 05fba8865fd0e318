"""Tests of the loading of data."""
