"""Measurements, as ratios against named alternatives. Nothing here is asserted by a test."""
