"""Tests of rldsl."""
