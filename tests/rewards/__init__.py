"""Tests of rewards on the host."""
