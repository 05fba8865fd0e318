"""From a resolved syntax tree to a typed spec: one graph of every value, with all mistakes found on the way."""

from rldsl.elaborate.whole import elaborate_spec

__all__ = ["elaborate_spec"]
