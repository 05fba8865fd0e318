"""What a test asks of the host: text functions, verifiers and extern functions, called once, before either back end runs.

The values are handed to both back ends, so that a test compares what is computed from them and not who called."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rldsl.graph.model import Foreign, Node
from rldsl.graph.spec import Spec, TestSpec
from rldsl.kernels.layout import Layout
from rldsl.train.outcome import RunError, place_of
from rldsl.types import NUMERIC

Array = npt.NDArray[np.float64]


def host_values(spec: Spec, test: TestSpec, leaves: Mapping[int, Array], layout: Layout, project: Path) -> dict[int, Array]:
    """The numbers that calls of a test gave, by node. Functions of the project are looked up in the folder `project`.

    Raises `RunError` where a call fails: a test says what comes out, not that something may go wrong.
    """
    called = [node for node in test.graph.nodes if isinstance(node.operation, Foreign)]
    if not called:
        return {}
    from rldsl.emit.evaluate import evaluate
    from rldsl.rewards.run import HostCalls
    host = HostCalls(spec.externs, project, workers=1)
    try:
        found = evaluate(test.graph, [node.key for node in called], layout, leaves,
                         foreign=lambda node, inputs: _called(spec, test, host, node, inputs))
    finally:
        host.close()
    return {node.key: np.asarray(found[node.key], dtype=np.float64) for node in called if node.type.element in NUMERIC}


def _called(spec: Spec, test: TestSpec, host: Any, node: Node, inputs: Any) -> Any:
    assert isinstance(node.operation, Foreign)
    outcome = host.call(node.operation, [_column(entry) for entry in inputs])
    for failure in outcome.failed.values():
        name = node.operation.name.removeprefix("extern:")
        where = f"{place_of(spec, node.span)}: " if node.span is not None else ""
        raise RunError(f"{where}`{name}` failed in the test \"{test.name}\": {failure.message}")
    return outcome.values


def _column(value: Any) -> list[Any]:
    """Texts as they are; numbers with None for what is absent."""
    return [None if isinstance(entry, float) and math.isnan(entry) else entry
            for entry in (value if isinstance(value, list) else value.tolist())]
