"""Entries of the library that no peer has, or none whose code runs on a CPU, with what was looked at."""

from __future__ import annotations

ABSENT: dict[str, str] = {}
