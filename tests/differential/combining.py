"""Runs one case on every back end of the combine functions: numba, its text as plain Python, emitted torch, its
differentiable loss, and autograd of the evaluator on the graph as it was before any pass.

The tolerance is 1e-12 of the largest number of each array (of 1e-4 if that is larger, since what cancels keeps the error
of its terms): all back ends compute in float64, but sums run in other orders, and exp and log differ by a unit of the
last place.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rldsl.emit.combine import Backend, Combine
from rldsl.emit.evaluate import evaluate
from rldsl.emit.load import load_module
from rldsl.emit.parameters import live_reads
from rldsl.emit.to_numba import NumbaSource, emit_numba
from rldsl.emit.to_torch import torch_source
from rldsl.graph.model import Read
from rldsl.graph.staged import StagedObjective
from rldsl.kernels.layout import Layout
from tests.passes.cases import Case

Array = npt.NDArray[np.float64]
RELATIVE = 1e-12


@dataclass(frozen=True)
class Result:
    """What a back end says: derivatives by key of the read, numbers by label."""

    coefficients: Mapping[int, Array]
    values: Mapping[str, float]


@dataclass(frozen=True)
class Problem:
    """A staged objective with numbers. `given` holds inputs and reads by their keys."""

    staged: StagedObjective
    layout: Layout
    given: Mapping[int, Array]

    @cached_property
    def inputs(self) -> dict[str, Array]:
        """By name."""
        return {given.name: self.given[given.key] for given in self.staged.inputs}

    @cached_property
    def reads(self) -> dict[int, Array]:
        """By key."""
        return {read.key: np.ascontiguousarray(self.given[read.key]) for read in live_reads(self.staged)}

    @property
    def piece_count(self) -> int:
        """Places of the axis of a piece."""
        return self.layout.size(self.staged.piece_axis.name)

    def combined(self, combine: Combine, pieces: int = 1) -> Result:
        """By the runtime, in about equal pieces."""
        prepared = combine.prepare(self.layout, self.inputs)
        cuts = np.linspace(0, self.piece_count, min(pieces, max(self.piece_count, 1)) + 1).astype(int)
        out: dict[int, Array] | None = None
        for start, stop in zip(cuts[:-1], cuts[1:], strict=True):
            out = combine.coefficients(self.layout, int(start), int(stop), self.inputs, prepared=prepared,
                                       reads=self.reads, out=out)
        return Result(out or {}, combine.values(self.layout, self.inputs, prepared, self.reads))

    def by(self, backend: Backend) -> Result:
        """By a back end."""
        return self.combined(Combine(self.staged, backend))

    def by_plain_python(self) -> Result:
        """By the text of the numba module, interpreted: the same statements without the compiler's minute."""
        combine = Combine.__new__(Combine)
        source = emit_numba(self.staged)
        combine.staged, combine.backend, combine.text = self.staged, "numba", source.text
        combine.parameters = {"prepare": source.prepare, "coefficients": source.coefficients, "values": source.values}
        combine._module = interpreted(source)  # type: ignore[assignment]
        with np.errstate(all="ignore"):
            return self.combined(combine)

    def by_autograd(self) -> Result:
        """By the differentiable loss of the emitted torch module."""
        source = torch_source(self.staged)
        module = load_module(source.text, f"torch_{self.staged.name}")
        reads = {key: torch.tensor(value, requires_grad=True) for key, value in self.reads.items()}
        arguments = []
        for parameter in source.loss:
            match parameter.kind:
                case "bounds":
                    arguments.append(torch.from_numpy(self.layout.bounds(parameter.axis, parameter.ancestor or "")))
                case "input":
                    arguments.append(torch.tensor(self.inputs[parameter.label or ""]))
                case "read":
                    arguments.append(reads[parameter.key or 0])
        loss = module.loss(*arguments)
        wanted = {read.key: reads[read.key] for read in live_reads(self.staged) if read.coefficient is not None}
        return Result(_gradients(loss, wanted), {"loss": float(loss.detach())})

    @staticmethod
    def of(case: Case, optimise: bool = True) -> Problem:
        """A case, compiled."""
        staged = case.compile(optimise)
        return Problem(staged, case.layout, case.staged_given(staged))


def oracle(case: Case, staged: StagedObjective) -> Result:
    """By the evaluator and autograd on the graph as it was built, which knows nothing of the passes."""
    graph = case.graph
    by_read = {node.operation: node.key for node in graph.nodes if isinstance(node.operation, Read)}
    reads = {key: torch.tensor(case.given[key], requires_grad=True) for key in by_read.values()}
    found = evaluate(graph, [term.key for term in case.terms], case.layout, {**case.given, **reads})
    terms, values = [], {}
    for term in case.terms:
        value = torch.as_tensor(found[term.key])
        values[f"objective/{term.label}"] = float(value.detach().sum())
        there = torch.where(torch.isnan(value), 0.0, value) if graph[term.key].type.optional else value
        terms.append((-1.0 if term.maximize else 1.0) * there.sum())
    loss = torch.stack(terms).sum()
    wanted = [read for read in live_reads(staged) if read.coefficient is not None]
    gradients = _gradients(loss, {read.key: reads[by_read[read.read]] for read in wanted})
    return Result(gradients, {"loss": float(loss.detach()), **values})


def _gradients(loss: torch.Tensor, by: Mapping[int, torch.Tensor]) -> dict[int, Array]:
    """Zeros where the loss does not depend on a read."""
    if not by or not loss.requires_grad:
        return {key: np.zeros(value.shape) for key, value in by.items()}
    found = torch.autograd.grad(loss, list(by.values()), allow_unused=True, materialize_grads=True)
    return {key: gradient.numpy() for key, gradient in zip(by, found, strict=True)}


def assert_same(one: Result, other: Result, relative: float = RELATIVE) -> None:
    """The same coefficients, loss and terms, with equal numbers; NaN only in the same places."""
    assert one.coefficients.keys() == other.coefficients.keys()
    assert "loss" in one.values and one.values.keys() == other.values.keys()
    for key in one.coefficients:
        a, b = one.coefficients[key], other.coefficients[key]
        scale = max(float(np.max(np.abs(b[np.isfinite(b)]), initial=0.0)), 1e-4)
        np.testing.assert_allclose(a, b, rtol=relative, atol=relative * scale, err_msg=f"coefficient of {key}")
    for label in one.values:
        np.testing.assert_allclose(one.values[label], other.values[label], rtol=relative, atol=relative, err_msg=label)


# ------------------------------------------------------------------ numba text as plain Python
class _Numpyfied(ast.NodeTransformer):
    """Floats as numpy scalars, so that a division by zero is one of IEEE 754 and no exception."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, float):
            return ast.copy_location(ast.Call(ast.Name("_f8", ast.Load()), [node], []), node)
        return node


def interpreted(source: NumbaSource) -> SimpleNamespace:
    """The functions of an emitted numba module without numba."""
    tree = ast.fix_missing_locations(_Numpyfied().visit(ast.parse(source.text)))
    tree.body = [line for line in tree.body if not (isinstance(line, ast.ImportFrom) and line.module == "numba")]
    sqrt_of: Callable[[Any], Any] = np.sqrt
    math = SimpleNamespace(inf=np.float64(np.inf), nan=np.float64(np.nan), sqrt=sqrt_of)
    tree.body = [line for line in tree.body if not (isinstance(line, ast.Import) and line.names[0].name == "math")]
    space: dict[str, Any] = {"njit": _as_it_is, "_f8": np.float64, "math": math, "float": np.float64}
    exec(compile(tree, "<emitted>", "exec"), space)
    return SimpleNamespace(**{name: space[name] for name in ("prepare", "coefficients", "values")})


def _as_it_is(*arguments: Any, **_: Any) -> Any:
    return arguments[0] if arguments else _as_it_is
