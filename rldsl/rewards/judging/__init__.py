"""Judges: models that are asked about texts, over HTTP or in this process. Questions in, answers or named failures out."""
