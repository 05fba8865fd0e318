"""Runs one `test` block on one back end: fills its written values, its gradients, and compares both sides of each
expectation. Prints nothing."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rldsl.graph.spec import ExpectSpec, Spec, TestSpec
from rldsl.kernels.layout import Layout
from rldsl.testing.host import host_values
from rldsl.train.outcome import RunError
from rldsl.types import BATCH

Array = npt.NDArray[np.float64]
_COMPARISONS: dict[str, Callable[[Array, Array], npt.NDArray[np.bool_]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "!=": operator.ne}


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that does not hold: both sides as they came out, spread to one length."""

    expect: ExpectSpec
    left: tuple[float, ...]
    right: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TestResult:
    """What one test gave on one back end."""

    test: TestSpec
    backend: str
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        """Whether every expectation holds."""
        return not self.failures


Evaluate = Callable[[TestSpec, Mapping[int, Array], Layout], dict[int, Array]]


def run_test(spec: Spec, test: TestSpec, backend: str, project: Path = Path()) -> TestResult:
    """All expectations of a test on one back end (`torch`, `numba`, `triton`); extern functions are those of `project`."""
    layout = layout_of(test)
    leaves = {given.key: np.asarray(given.values, dtype=np.float64) for given in test.given if not given.texts}
    leaves |= {param.key: np.asarray([_start(param.value)]) for param in params_of(spec, test)}
    called, layout = host_values(spec, test, leaves, layout, project)
    leaves |= called
    for given in test.given:
        if not given.texts and len(given.values) != layout.size(given.axis.name):
            raise RunError(f"in the test \"{test.name}\" a list has {len(given.values)} values, and there are "
                           f"{layout.size(given.axis.name)} {given.axis.level.words} of `{given.axis}`")
    evaluate = _torch if backend == "torch" else partial(_emitted, backend)
    values = evaluate(test, leaves, layout)
    failures = [_failure(expect, values, layout, test) for expect in test.expects]
    return TestResult(test, backend, tuple(entry for entry in failures if entry is not None))


@dataclass(frozen=True, slots=True)
class _Param:
    key: int
    value: object


def params_of(spec: Spec, test: TestSpec) -> list[_Param]:
    """The parameters that a test's graph uses, under its own keys."""
    from rldsl.graph.model import Leaf, SourceKind
    values = {param.name: param.value for param in spec.params}
    return [_Param(node.key, values[node.operation.owner]) for node in test.graph.nodes
            if isinstance(node.operation, Leaf) and node.operation.kind is SourceKind.PARAM]


def _start(value: object) -> float:
    from rldsl.graph.spec import Schedule
    return value.start if isinstance(value, Schedule) else float(value)  # type: ignore[arg-type]


def layout_of(test: TestSpec) -> Layout:
    """The small layout that the test's lists write out; axes that no list names have no places."""
    from rldsl.elaborate.tests import PROMPT, SAMPLE, STEP, TOKEN
    counts = dict(test.counts)
    prompts = counts.get(PROMPT, (1,))
    samples = counts.get(SAMPLE, (0,) * sum(prompts))
    tokens = counts.get(TOKEN, (0,) * sum(samples))
    layout = Layout.of({PROMPT.name: BATCH.name, SAMPLE.name: PROMPT.name, TOKEN.name: SAMPLE.name},
                       {PROMPT.name: prompts, SAMPLE.name: samples, TOKEN.name: tokens})
    if STEP not in counts:
        return layout
    return layout.with_places(STEP.name, SAMPLE.name, counts[STEP], (TOKEN.name, test.inside) if test.inside is not None else None)


def _failure(expect: ExpectSpec, values: Mapping[int, Array], layout: Layout, test: TestSpec) -> Failure | None:
    left, right = _together(test, expect, values, layout)
    if expect.comparison == "==":
        both_absent = np.isnan(left) & np.isnan(right)
        with np.errstate(invalid="ignore"):
            holds = both_absent | (left == right) | (np.abs(left - right) <= expect.tolerance)
    else:
        holds = _COMPARISONS[expect.comparison](left, right)
    if bool(np.all(holds)) and left.size:
        return None
    return Failure(expect, tuple(left.tolist()), tuple(right.tolist()))


def _together(test: TestSpec, expect: ExpectSpec, values: Mapping[int, Array], layout: Layout) -> tuple[Array, Array]:
    axes = [test.graph[key].type.axis for key in (expect.key, expect.expected)]
    finest = axes[0] if axes[0].is_within(axes[1]) else axes[1]
    left, right = (values[key][layout.owners(finest.name, axis.name)]
                   for key, axis in zip((expect.key, expect.expected), axes, strict=True))
    return left, right


# ------------------------------------------------------------------ back ends
def _torch(test: TestSpec, leaves: Mapping[int, Array], layout: Layout) -> dict[int, Array]:
    """The reference, with gradients by autograd."""
    import torch

    from rldsl.emit.evaluate import evaluate
    known: dict[int, object] = {key: torch.tensor(value) for key, value in leaves.items()}
    for result, scalar, probe in test.gradients:
        live = {given.key: torch.tensor(leaves[given.key], requires_grad=True) for given in test.given if given.live}
        total = evaluate(test.graph, [scalar], layout, {**known, **live})[scalar]
        assert isinstance(total, torch.Tensor)
        gradient = torch.autograd.grad(total.sum(), live[probe], allow_unused=True)[0] if total.requires_grad else None
        known[result] = torch.zeros_like(live[probe]) if gradient is None else gradient
    keys = sorted({key for expect in test.expects for key in (expect.key, expect.expected)})
    found = evaluate(test.graph, keys, layout, known)
    return {key: _array(value) for key, value in found.items()}


def _array(value: object) -> Array:
    return np.asarray(value.detach().numpy() if hasattr(value, "detach") else value, dtype=np.float64)


def _emitted(backend: str, test: TestSpec, leaves: Mapping[int, Array], layout: Layout) -> dict[int, Array]:
    """The emitted kernels, with the compiler's own derivatives."""
    from rldsl.testing.emitted import evaluate_emitted
    return evaluate_emitted(test, leaves, layout, "triton" if backend == "triton" else "numba")


def finite(values: tuple[float, ...]) -> str:
    """Numbers for people."""
    return "[" + ", ".join("absent" if math.isnan(value) else f"{value:.10g}" for value in values) + "]"
