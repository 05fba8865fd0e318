"""From a typed spec to staged objectives: the passes, their order, and the driver that runs and verifies them."""

from rldsl.passes.differentiate import differentiate_scalar
from rldsl.passes.pipeline import PASSES, Pass, compile_objective
from rldsl.passes.values import StagedValues, stage_values

__all__ = ["PASSES", "Pass", "StagedValues", "compile_objective", "differentiate_scalar", "stage_values"]
