"""The evaluator: texts, calls, reads, absence, and functions of the reference at their edges."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from rldsl.diagnostics import InternalError
from rldsl.emit.evaluate import Value, evaluate
from rldsl.graph.model import Foreign, Function, Node, ReadKind, Reduction, SourceKind
from rldsl.graph.model import Read as ReadOperation
from rldsl.infer import Builder
from rldsl.kernels import pointwise, reference
from rldsl.kernels.layout import Layout
from rldsl.types import BATCH, Axis, Element, Level, Stage, Type, Version

ROW = Axis("problems", Level.PROMPT, "problems", BATCH)
SAMPLE = Axis("y.sample", Level.SAMPLE, "y", ROW)
TOKEN = Axis("y.token", Level.TOKEN, "y", SAMPLE)
LAYOUT = Layout.of({"problems": "batch", "y.sample": "problems", "y.token": "y.sample"},
                   {"problems": [2], "y.sample": [2, 1], "y.token": [2, 0, 1]})
F64 = torch.float64


def _text(builder: Builder, name: str, axis: Axis) -> int:
    return builder.leaf(SourceKind.DATA, "problems", name, Type(Element.TEXT, axis=axis, stage=Stage.DATA))


def _number(builder: Builder, name: str, axis: Axis, optional: bool = False, element: Element = Element.REAL) -> int:
    return builder.leaf(SourceKind.GIVEN, name, "", Type(element, axis=axis, stage=Stage.DATA, optional=optional))


def test_texts_spread_and_compare() -> None:
    builder = Builder()
    answer, said = _text(builder, "answer", ROW), _text(builder, "said", SAMPLE)
    same = builder.elementwise(Function.EQUAL, said, answer)
    found = evaluate(builder.graph(), [same], LAYOUT, {answer: ["4", "x"], said: ["4", "5", "x"]})[same]
    assert isinstance(found, torch.Tensor) and found.tolist() == [1.0, 0.0, 1.0]


def test_calls_see_values_and_give_absent_ones() -> None:
    builder = Builder()
    said = _text(builder, "said", SAMPLE)
    number = builder.add(Foreign("verify.number", ("text",)), (said,), type=Type(Element.REAL, axis=SAMPLE, optional=True))
    filled = builder.elementwise(Function.OTHERWISE, number, builder.constant(-1.0))
    mean = builder.reduce(Reduction.MEAN, number, ROW)

    def call(node: Node, inputs: Sequence[Value]) -> list[Any]:
        assert isinstance(node.operation, Foreign) and node.operation.name == "verify.number"
        return [float(text) if text.isdigit() else None for text in inputs[0]]

    found = evaluate(builder.graph(), [filled, mean], LAYOUT, {said: ["4", "five", "6"]}, foreign=call)
    assert [list(map(float, found[key])) for key in (filled, mean)] == [[4.0, -1.0, 6.0], [4.0, 6.0]]


def test_reads_are_asked_once_and_carry_gradients() -> None:
    builder = Builder(stage=Stage.UPDATE)
    logp = builder.read(ReadOperation(ReadKind.LOGP, "actor", "y", Version.CURRENT), TOKEN)
    twice = builder.elementwise(Function.ADD, logp, logp)
    asked: list[Node] = []
    values = torch.tensor([-1.0, -2.0, -3.0], dtype=F64, requires_grad=True)

    def read(node: Node, inputs: Sequence[Value]) -> torch.Tensor:
        asked.append(node)
        return values

    total = builder.reduce(Reduction.SUM, twice, BATCH)
    found = evaluate(builder.graph(), [twice, total], LAYOUT, {}, read=read)[total]
    assert isinstance(found, torch.Tensor)
    found.sum().backward()
    assert len(asked) == 1 and values.grad is not None and values.grad.tolist() == [2.0, 2.0, 2.0]


def test_what_is_not_asked_for_is_not_computed() -> None:
    builder = Builder()
    x = _number(builder, "x", ROW)
    builder.add(Foreign("judge.ask", ("x",)), (x,), type=Type(Element.REAL, axis=ROW))
    twice = builder.elementwise(Function.ADD, x, x)
    assert list(map(float, evaluate(builder.graph(), [twice], LAYOUT, {x: [1.0, 2.0]})[twice])) == [2.0, 4.0]


def test_a_deep_graph_needs_no_recursion() -> None:
    builder = Builder()
    x = first = _number(builder, "x", BATCH)
    for _ in range(3000):
        x = builder.elementwise(Function.ADD, x, first)
    assert float(evaluate(builder.graph(), [x], LAYOUT, {first: 1.0})[x][0]) == 3001.0


def test_wrong_sizes_and_missing_values_are_faults() -> None:
    builder = Builder()
    x = _number(builder, "x", ROW)
    with pytest.raises(InternalError, match="has 3 values for 2 places of problems"):
        evaluate(builder.graph(), [x], LAYOUT, {x: [1.0, 2.0, 3.0]})
    with pytest.raises(InternalError, match="nobody gave x"):
        evaluate(builder.graph(), [x], LAYOUT, {})


def test_absence_spreads_through_truth_but_not_past_a_choice() -> None:
    builder = Builder()
    x, fact = _number(builder, "x", ROW, True), _number(builder, "fact", ROW, element=Element.BOOL)
    below = builder.elementwise(Function.LESS, x, builder.constant(5.0))
    chosen = builder.elementwise(Function.SELECT, fact, builder.constant(7.0), x)
    missing = builder.elementwise(Function.IS_MISSING, x)
    found = evaluate(builder.graph(), [below, chosen, missing], LAYOUT, {x: [math.nan, 3.0], fact: [True, False]})
    assert math.isnan(found[below][0]) and found[below][1] == 1.0
    assert list(map(float, found[chosen])) == [7.0, 3.0]
    assert list(map(float, found[missing])) == [1.0, 0.0]


@pytest.mark.parametrize(("reduction", "expected"), [
    (Reduction.SUM, [4.0, 0.0]), (Reduction.MEAN, [2.0, math.nan]), (Reduction.COUNT, [2.0, 0.0]),
    (Reduction.MINIMUM, [1.0, math.nan]), (Reduction.MAXIMUM, [3.0, math.nan]), (Reduction.STD, [math.sqrt(2), math.nan]),
    (Reduction.VAR, [2.0, math.nan]), (Reduction.STD_POPULATION, [1.0, math.nan]),
    (Reduction.VAR_POPULATION, [1.0, math.nan]), (Reduction.FIRST, [3.0, math.nan]), (Reduction.LAST, [1.0, math.nan])])
def test_absent_values_are_left_out_of_every_reduction(reduction: Reduction, expected: list[float]) -> None:
    builder = Builder()
    x = _number(builder, "x", SAMPLE, True)
    layout = Layout.of({"problems": "batch", "y.sample": "problems"}, {"problems": [2], "y.sample": [3, 1]})
    key = builder.reduce(reduction, x, ROW)
    found = evaluate(builder.graph(), [key], layout, {x: [3.0, math.nan, 1.0, math.nan]})[key]
    np.testing.assert_allclose(np.array([float(value) for value in found]), expected)


# ------------------------------------------------------------------ the reference
@pytest.mark.parametrize("level", [-0.1, 1.1, math.nan])
def test_a_quantile_at_no_level_is_a_fault(level: float) -> None:
    values, owners = torch.tensor([3.0, 1.0, 2.0], dtype=F64), torch.zeros(3, dtype=torch.int64)
    found = reference.segment_quantile(values, owners, 1, torch.tensor([level], dtype=F64))
    assert torch.isnan(found).all()
    assert torch.isnan(reference.pick_quantile(values, owners, 1, torch.tensor([level], dtype=F64))).any()


def test_quantiles_are_those_of_torch() -> None:
    values = torch.tensor(np.random.default_rng(0).normal(size=31), dtype=F64)
    owners = torch.zeros(31, dtype=torch.int64)
    for level in (0.0, 0.2, 0.37, 0.5, 1.0):
        ours = reference.segment_quantile(values, owners, 1, torch.tensor([level], dtype=F64))
        torch.testing.assert_close(ours[0], torch.quantile(values, level), rtol=1e-14, atol=0)


def test_ties_go_to_the_first() -> None:
    x = torch.tensor([2.0, 1.0, 1.0, 2.0], dtype=F64, requires_grad=True)
    owners = torch.zeros(4, dtype=torch.int64)
    low = torch.autograd.grad(reference.segment_min(x, owners, 1).sum(), x)[0]
    high = torch.autograd.grad(reference.segment_max(x, owners, 1).sum(), x)[0]
    assert low.tolist() == [0.0, 1.0, 0.0, 0.0] and high.tolist() == [1.0, 0.0, 0.0, 0.0]
    a, b = (torch.tensor([1.0], dtype=F64, requires_grad=True) for _ in range(2))
    assert [g.item() for g in torch.autograd.grad(pointwise.minimum(a, b).sum(), (a, b))] == [1.0, 0.0]


def test_scans_are_those_of_the_recurrence() -> None:
    x, decay = (torch.tensor(np.random.default_rng(seed).uniform(size=37), dtype=F64) for seed in (0, 1))
    owners = torch.tensor([0] * 20 + [2] * 17)
    expected, carried = [0.0] * 37, 0.0
    for i in reversed(range(37)):
        carried = x[i].item() + (decay[i].item() * carried if i not in (19, 36) else 0.0)
        expected[i] = carried
    np.testing.assert_allclose(reference.scan(x, decay, owners, True).numpy(), expected, rtol=1e-14)


@pytest.mark.parametrize("function", [
    pointwise.log, pointwise.sqrt, lambda x: pointwise.divide(1.0, x),
    lambda x: pointwise.power(x, -0.5), lambda x: pointwise.log1p(x - 1.0), lambda x: pointwise.multiply(x, math.inf),
    lambda x: pointwise.exp(pointwise.multiply(pointwise.divide(1.0, x), 1e3))])
def test_no_gradient_flows_where_none_arrives(function: Callable[[torch.Tensor], torch.Tensor]) -> None:
    x = torch.zeros(2, dtype=F64, requires_grad=True)
    guarded = pointwise.select(torch.tensor([0.0, 0.0], dtype=F64), function(x), x)
    assert torch.autograd.grad(guarded.sum(), x)[0].tolist() == [1.0, 1.0]


def test_slopes_are_those_of_finite_differences() -> None:
    names = ("exp", "expm1", "log", "log1p", "sqrt", "sigmoid", "log_sigmoid", "softplus", "tanh", "cos", "relu", "absolute")
    x = torch.tensor([0.3, 1.7, 4.0], dtype=F64, requires_grad=True)
    for name in names:
        function = getattr(pointwise, name)
        slope = torch.autograd.grad(function(x).sum(), x)[0]
        expected = (function(x.detach() + 1e-6) - function(x.detach() - 1e-6)) / 2e-6
        torch.testing.assert_close(slope, expected, rtol=1e-8, atol=1e-9)
