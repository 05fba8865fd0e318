"""What a test asks of the host: text functions, verifiers, extern functions and majorities, once, before either back end runs.

The values are handed to both back ends, so that a test compares what is computed from them and not who called."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rldsl.graph.expanding import is_expanding, made_below
from rldsl.graph.model import Foreign, Node
from rldsl.graph.spec import Spec, TestSpec
from rldsl.kernels.layout import Layout
from rldsl.rewards.engine import inline
from rldsl.train.outcome import RunError, place_of
from rldsl.types import NUMERIC, Element

Array = npt.NDArray[np.float64]


def host_values(spec: Spec, test: TestSpec, leaves: Mapping[int, Array], layout: Layout, project: Path
                ) -> tuple[dict[int, Array], Layout]:
    """The numbers that follow from calls and from texts, by node, and the layout with the axes that calls make. Functions of the
    project are looked up in the folder `project`.

    Raises `RunError` where a call fails: a test says what comes out, not that something may go wrong.
    """
    asked = [node for node in test.graph.nodes if node.type.element in NUMERIC and _is_of_the_host(test, node)]
    keys = [node.key for node in asked] + list(made_below(test.graph, [node.key for node in test.graph.nodes]))
    if not keys:
        return {}, layout
    from rldsl.emit.evaluate import evaluate, with_found_axes
    from rldsl.rewards.run import HostCalls
    known: Mapping[int, Any] = {**leaves, **{given.key: list(given.texts) for given in test.given if given.texts}}
    host = HostCalls(spec.externs, project, workers=1)
    try:
        layout, known = with_found_axes(test.graph, keys, layout, known,
                                        foreign=lambda node, inputs: _called(spec, test, host, layout, node, inputs))
        found = evaluate(test.graph, [node.key for node in asked], layout, known,
                         foreign=lambda node, inputs: _called(spec, test, host, layout, node, inputs))
    finally:
        host.close()
    return {node.key: np.asarray(found[node.key], dtype=np.float64) for node in asked}, layout


def _is_of_the_host(test: TestSpec, node: Node) -> bool:
    """Whether a number comes from a call, or from texts: neither back end computes those."""
    return isinstance(node.operation, Foreign) or any(test.graph[key].type.element is Element.TEXT for key in node.inputs)


def _called(spec: Spec, test: TestSpec, host: Any, layout: Layout, node: Node, inputs: Any) -> Any:
    assert isinstance(node.operation, Foreign)
    if node.operation.name in inline.GROUPED:
        return inline.GROUPED[node.operation.name](node.operation, _column(inputs[0]), layout)
    outcome = host.call(node.operation, [_column(entry) for entry in inputs])
    for failure in outcome.failed.values():
        name = node.operation.name.removeprefix("extern:")
        where = f"{place_of(spec, node.span)}: " if node.span is not None else ""
        raise RunError(f"{where}`{name}` failed in the test \"{test.name}\": {failure.message}")
    if is_expanding(test.graph, node):
        from rldsl.emit.evaluate import Expanded
        return Expanded.of(outcome)
    return outcome.values


def _column(value: Any) -> list[Any]:
    """Texts as they are; numbers with None for what is absent."""
    return [None if isinstance(entry, float) and math.isnan(entry) else entry
            for entry in (value if isinstance(value, list) else value.tolist())]
