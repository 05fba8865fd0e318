"""Types of values, inferred: levels, ranges, gradients, provenance; and the builder of typed graphs."""

from rldsl.infer.builder import Builder
from rldsl.infer.levels import common_axis
from rldsl.infer.rules import infer_type, read_type

__all__ = ["Builder", "common_axis", "infer_type", "read_type"]
