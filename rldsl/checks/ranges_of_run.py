"""Ranges as training sees them: narrower than those of types by what rollouts draw and what parameters are. Reports nothing.

`y.length` lies between `min_tokens` and `max_tokens` of its rollout, and so does what is summed or counted over its tokens; a
prompt has at most `samples` answers, a parameter has its value or its schedule's. Types do not say so: `--set` gives another value,
an eval may draw more and longer answers, a file that is scored may hold them, and passes rely on types.
"""

from __future__ import annotations

from dataclasses import replace

from rldsl.graph.model import Node, Position, Rank, Reduce, Reduction, Size
from rldsl.graph.spec import ParamSpec, ResponseSpec, Schedule, Spec
from rldsl.infer.intervals import hull, intersection, multiply
from rldsl.infer.ranges import infer_interval, known_places
from rldsl.rollouts.signatures import ModelError, Sampling
from rldsl.types import Axis, Interval, point

_COUNTING = frozenset({Reduction.SUM, Reduction.COUNT})


def ranges_of_run(spec: Spec, *, of_any_parameters: bool = False) -> dict[int, Interval]:
    """The nodes whose range in training is narrower than that of their type; with parameters as they are, or may be set to."""
    counts = _Counts(spec)
    found = {} if of_any_parameters else {param.key: intersection(param.type.interval, values) for param in spec.params
                                          if (values := _values_of(param)) is not None and param.key in spec.graph.by_key}
    for node in spec.graph.nodes:
        if _counts(node) or any(key in found for key in node.inputs):
            types = [spec.graph[key].type for key in node.inputs]
            inputs = [replace(kind, interval=found.get(key, kind.interval)) for key, kind in zip(node.inputs, types, strict=True)]
            if not any(kind.is_error for kind in inputs):
                narrower = intersection(node.type.interval, infer_interval(node.operation, inputs, counts.places))
                if narrower != node.type.interval:
                    found[node.key] = narrower
    return found


def _values_of(param: ParamSpec) -> Interval | None:
    """Of a schedule what lies between its ends; nothing of a text."""
    match param.value:
        case bool() | int() | float() as number:
            return point(float(number))
        case Schedule(points=points) as schedule:
            numbers = [schedule.start, schedule.end, *(number for _, number in points)]
            return Interval(min(numbers), max(numbers))
        case _:
            return None


def _counts(node: Node) -> bool:
    match node.operation:
        case Size() | Position() | Rank():
            return True
        case Reduce(reduction=reduction):
            return reduction in _COUNTING
        case _:
            return False


class _Counts:
    """How many places lie below a place, by what rollouts are told to draw."""

    def __init__(self, spec: Spec) -> None:
        self._below: dict[Axis, Interval] = {}
        for response in spec.responses:
            if response.is_sampled and response.token_axis.parent == response.sample_axis:
                self._below.update(_drawn(response))

    def places(self, axis: Axis, to: Axis) -> Interval:
        """Level by level: of 8 answers with 1 to 16 tokens each there are 8 to 128."""
        total = Interval(1.0, 1.0)
        for between in axis.chain():
            if between == to:
                return intersection(known_places(axis, to), total)
            if between.parent is None:
                break
            total = multiply(total, hull(self._below.get(between, known_places(between, between.parent))))
        return known_places(axis, to)


def _drawn(response: ResponseSpec) -> dict[Axis, Interval]:
    try:
        settings = Sampling.of(response.settings)
    except ModelError:
        return {}  # its settings are at fault, which was said of them
    return {response.token_axis: Interval(max(1.0, settings.min_tokens), float(settings.max_tokens)),
            response.sample_axis: Interval(1.0, float(settings.samples))}
