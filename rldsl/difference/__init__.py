"""What differs between two specs: in what they optimise, and in the settings around it. Works on graphs, not on texts."""

from rldsl.difference.compare import compare_specs
from rldsl.difference.model import Difference

__all__ = ["Difference", "compare_specs"]
