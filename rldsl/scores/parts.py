"""Fixed parts by name: the criteria of a rubric, the members of an ensemble. Computes nothing."""

from __future__ import annotations

from rldsl.graph.model import Foreign
from rldsl.graph.spec import Spec
from rldsl.types import Axis, Level


def part_names(spec: Spec, axis: Axis) -> tuple[str, ...]:
    """What the places of an axis of fixed parts are called, in their order; empty for any other axis. Values of such an axis are
    packed: that of part `j` of place `i` stands at `i * size + j`."""
    if axis.size is None:
        return ()
    if axis.level is Level.CRITERION:
        for node in spec.graph.nodes:
            if node.type.axis == axis and isinstance(node.operation, Foreign):
                criteria = dict(node.operation.settings).get("criteria")
                if isinstance(criteria, tuple) and len(criteria) == axis.size:
                    return tuple(f'"{text}"' for text in criteria)
    return tuple(f"{axis.level.word} {number + 1}" for number in range(axis.size))
