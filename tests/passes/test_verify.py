"""Broken graphs are refused, phase by phase; whole ones are not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rldsl.diagnostics import InternalError
from rldsl.graph.model import (
    Constant,
    Elementwise,
    Foreign,
    Freeze,
    Function,
    Graph,
    Leaf,
    Node,
    Operation,
    Pick,
    Position,
    Read,
    ReadKind,
    Reduce,
    Reduction,
    Scan,
    Size,
    SourceKind,
    Spread,
)
from rldsl.graph.verify import Phase, verify
from rldsl.infer.agree import check_types
from rldsl.types import BATCH, Axis, Element, Type, Version
from tests.passes.cases import PAIR, SAMPLE, TOKEN, WIN, Case
from tests.passes.objectives import OBJECTIVES

REAL, BOOL = Element.REAL, Element.BOOL


def leaf(key: int, axis: Axis, element: Element = REAL, *, optional: bool = False,
         kind: SourceKind = SourceKind.GIVEN) -> Node:
    return Node(key, Leaf(kind, f"x{key}"), (), Type(element, axis=axis, optional=optional))


def node(key: int, operation: Operation, inputs: tuple[int, ...], axis: Axis, element: Element = REAL, *,
         optional: bool = False) -> Node:
    return Node(key, operation, inputs, Type(element, axis=axis, optional=optional))


def function(name: Function, *inputs: int, axis: Axis = TOKEN, element: Element = REAL, optional: bool = False) -> Node:
    return node(9, Elementwise(name), inputs, axis, element, optional=optional)


X, Y, S, MASK = leaf(0, TOKEN), leaf(1, TOKEN), leaf(2, SAMPLE), leaf(3, TOKEN, BOOL)
HOLE, MAYBE, SCALAR = leaf(4, TOKEN, optional=True), leaf(5, TOKEN, BOOL, optional=True), leaf(6, BATCH)
GIVEN = (X, Y, S, MASK, HOLE, SCALAR)
TEXT = leaf(7, TOKEN, Element.TEXT)
F, R = Function, Reduction

MISSHAPEN = {
    "an input that is not there": function(F.ADD, 0, 99),
    "itself as an input": function(F.ADD, 0, 9),
    "one input too few": function(F.ADD, 0),
    "an input on a coarser axis": function(F.ADD, 0, 2),
    "a result on another axis": function(F.ADD, 0, 1, axis=SAMPLE),
    "a reduction to an axis that is not above": node(9, Reduce(R.SUM, PAIR), (0,), PAIR),
    "a reduction to a finer axis": node(9, Reduce(R.SUM, TOKEN), (2,), TOKEN),
    "a mask that is a number": node(9, Reduce(R.MINIMUM, SAMPLE, True), (0, 1), SAMPLE),
    "a mask that is not announced": node(9, Reduce(R.MINIMUM, SAMPLE), (0, 3), SAMPLE),
    "a quantile without its level": node(9, Reduce(R.QUANTILE, SAMPLE), (0,), SAMPLE),
    "a quantile's level for each token": node(9, Reduce(R.QUANTILE, SAMPLE), (0, 1), SAMPLE),
    "a spread to a coarser axis": node(9, Spread(SAMPLE), (0,), SAMPLE),
    "a spread to its own axis": node(9, Spread(TOKEN), (0,), TOKEN),
    "a spread to another response": node(9, Spread(WIN), (2,), WIN),
    "a pick of a sum": node(9, Pick(R.SUM, SAMPLE), (0,), TOKEN),
    "a scan along another axis": node(9, Scan(PAIR, True), (0, 1), TOKEN),
    "a position per another axis": node(9, Position(TOKEN, PAIR), (), TOKEN),
    "a size that stands elsewhere": node(9, Size(TOKEN, SAMPLE), (), BATCH),
    "a constant for each token": node(9, Constant(1.0), (), TOKEN),
}


@pytest.mark.parametrize("broken", MISSHAPEN.values(), ids=MISSHAPEN.keys())
def test_a_misshapen_node_is_refused_in_every_phase(broken: Node) -> None:
    for phase in Phase:
        with pytest.raises(InternalError):
            verify(Graph((*GIVEN, broken)), phase)


READ = Read(ReadKind.LOGP, "ref", "y", Version.FROZEN)
TOO_LATE = {
    "a foreign call": (node(9, Foreign("verify.math"), (), SAMPLE), Phase.STAGED),
    "a text": (TEXT, Phase.STAGED),
    "a field of the data": (leaf(9, SAMPLE, kind=SourceKind.DATA), Phase.STAGED),
    "a read of frozen weights": (node(9, READ, (), TOKEN), Phase.STAGED),
    "a mean": (node(9, Reduce(R.MEAN, SAMPLE), (0,), SAMPLE), Phase.EXPANDED),
    "a masked sum": (node(9, Reduce(R.SUM, SAMPLE, True), (0, 3), SAMPLE), Phase.EXPANDED),
    "a sum of truth values": (node(9, Reduce(R.SUM, SAMPLE), (3,), SAMPLE, Element.INT), Phase.EXPANDED),
    "a truth value in arithmetic": (function(F.ADD, 0, 3), Phase.EXPANDED),
    "a number as a truth value": (function(F.AND, 0, 3, element=BOOL), Phase.EXPANDED),
    "a choice between unlike values": (function(F.SELECT, 3, 0, 3), Phase.EXPANDED),
    "a truth value that may be absent": (MAYBE, Phase.EXPANDED),
    "a frozen value": (node(9, Freeze(), (0,), TOKEN), Phase.DIFFERENTIATED),
}


@pytest.mark.parametrize(("late", "phase"), TOO_LATE.values(), ids=TOO_LATE.keys())
def test_what_a_phase_ends_is_legal_before_and_not_after(late: Node, phase: Phase) -> None:
    graph = Graph((*GIVEN, late))
    for earlier in Phase:
        if earlier < phase:
            verify(graph, earlier)
        else:
            with pytest.raises(InternalError):
                verify(graph, earlier)


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(InternalError):
        verify(Graph((X, X)), Phase.BUILT)


def test_the_message_shows_the_node() -> None:
    with pytest.raises(InternalError, match=r"%9 = add %0 %2 : Real @ y\.token"):
        verify(Graph((*GIVEN, function(F.ADD, 0, 2))), Phase.BUILT)


@pytest.mark.parametrize("wrong", [
    replace(function(F.LESS, 0, 1), type=X.type), replace(node(9, Size(TOKEN, SAMPLE), (), SAMPLE), type=S.type)])
def test_a_type_that_inference_would_not_give_is_refused(wrong: Node) -> None:
    with pytest.raises(InternalError, match="should be"):
        check_types(Graph((*GIVEN, wrong)))


def test_every_known_objective_is_whole_as_built() -> None:
    for known in OBJECTIVES.values():
        graph = known.build(Case()).graph
        verify(graph, Phase.BUILT)
        check_types(graph)
