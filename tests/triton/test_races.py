"""What the interpreter's order hides: on a GPU the programs of a launch run at the same time, and the threads of a program."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

import triton
import triton.language as tl

from rldsl.emit.combine import Combine
from rldsl.emit.triton import emit_triton
from rldsl.emit.triton.load import interprets
from rldsl.graph.model import Function, Reduction
from rldsl.passes import compile_objective
from rldsl.reporting import check_path
from tests.differential.combining import Problem, Result, assert_same, oracle
from tests.differential.test_combine import FIXED_VALUES, OBJECTIVES
from tests.differential.worlds import LAYOUTS
from tests.passes.cases import PROBLEM, SAMPLE, TOKEN, Case
from tests.passes.generator import random_case
from tests.passes.wider import wider_case
from tests.triton.launch_text import faults_of
from tests.triton.races import watched

needs_interpreter = pytest.mark.skipif(not interprets(), reason="what programs touch is seen where they are interpreted")
RELATIVE = 1e-11
FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = [*sorted(FOLDER.glob("*.rl")), *sorted((FOLDER / "methods").glob("*.rl"))]


def through_samples(case: Case) -> Case:
    """A group's sum over tokens, looked at by values of its samples, which its tokens look at: summed up again."""
    score = case.leaf("score", SAMPLE)
    case.at_update()
    total = case.sum(case.logp(), PROBLEM)
    scaled = case.make(Function.MULTIPLY, score, case.make(Function.TANH, total))
    again = case.sum(case.make(Function.MULTIPLY, scaled, case.logp()), PROBLEM)
    return case.minimize(case.sum(case.make(Function.MULTIPLY, again, again))).minimize(
        case.sum(case.make(Function.MULTIPLY, total, case.logp())))


def within_itself(case: Case) -> Case:
    """Of what a group has settled a reduction to the group, which has one place of it; of tokens a scan within each token."""
    mask = case.leaf("mask", PROBLEM, np.resize([1.0, 0.0], case.layout.size("problems")))
    case.at_update()
    total = case.sum(case.logp(), PROBLEM)
    keep = case.make(Function.GREATER, mask, 0.5)
    masked = case.builder.reduce(Reduction.SUM, case.make(Function.MULTIPLY, total, total), PROBLEM, keep)
    scanned = case.builder.scan(case.make(Function.EXP, case.logp()), case.builder.constant(0.5), TOKEN, False)
    return case.minimize(case.sum(case.make(Function.MULTIPLY, masked, total))).maximize(
        case.sum(case.make(Function.MULTIPLY, scanned, masked)))


GRAPHS: dict[str, Callable[[Case], Case]] = {"through samples": through_samples, "within itself": within_itself}


@pytest.mark.gpu
@pytest.mark.parametrize("where", ["", *LAYOUTS])
@pytest.mark.parametrize("name", GRAPHS)
def test_what_a_program_has_settled_it_finds_again_wherever_it_looks_from(name: str, where: str) -> None:
    case = GRAPHS[name](Case(LAYOUTS[where]) if where else Case())
    problem = Problem.of(case)
    assert_same(problem.by("triton"), oracle(case, problem.staged), RELATIVE)
    assert faults_of(emit_triton(problem.staged).text) == []


@needs_interpreter
@pytest.mark.wide(5)
@pytest.mark.parametrize("name", [*GRAPHS, *OBJECTIVES])
def test_no_program_touches_what_another_one_writes(name: str) -> None:
    _watched(Problem.of({**GRAPHS, **OBJECTIVES}[name](Case())))


@needs_interpreter
@pytest.mark.wide(3)
@pytest.mark.parametrize(("name", "where"), [(name, where) for name in OBJECTIVES if name not in FIXED_VALUES for where in LAYOUTS])
def test_no_program_touches_what_another_one_writes_in_ragged_layouts(name: str, where: str) -> None:
    _watched(Problem.of(OBJECTIVES[name](Case(LAYOUTS[where]))))


@needs_interpreter
@pytest.mark.wide(6)
@pytest.mark.parametrize("seed", [*range(1000, 1030), 1067, 1106, 1309, 1381])
def test_no_program_of_a_random_graph_touches_what_another_one_writes(seed: int) -> None:
    problem = Problem.of(random_case(seed, 25 + seed % 45))
    assert_same(_watched(problem), problem.by("torch"), 1e-9)


@needs_interpreter
@pytest.mark.wide(6)
@pytest.mark.parametrize("seed", range(60))
def test_steps_pairs_and_parts_agree_and_no_program_touches_what_another_one_writes(seed: int) -> None:
    problem = Problem.of(wider_case(seed, 25 + seed % 45))
    assert_same(_watched(problem), problem.by("torch"), 1e-9)
    assert faults_of(emit_triton(problem.staged).text) == []


def _watched(problem: Problem) -> Result:
    """By the kernels, coefficients and values apart, which are those of both at once; sums as programs end are about the same."""
    for fast in (False, True):
        combine = Combine(problem.staged, "triton", fast=fast)
        with watched() as found:
            apart = problem.combined(combine)
            prepared = combine.prepare(problem.layout, problem.inputs)
            together = Result(*combine.combined(problem.layout, problem.inputs, prepared, problem.reads))
        assert found.faults == []
        assert found.launches > 0
        assert_same(together, apart)
        if not fast:
            result = apart
    assert_same(apart, result, RELATIVE)
    return result


@pytest.mark.wide(4)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_launches_read_what_launches_before_them_have_written_and_nothing_is_written_twice(name: str) -> None:
    staged = Problem.of(OBJECTIVES[name](Case())).staged
    assert [fault for fast in (False, True) for fault in faults_of(emit_triton(staged, fast=fast).text)] == []


@pytest.mark.wide(4)
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_launches_of_examples_and_methods_read_what_launches_before_them_have_written(path: Path) -> None:
    report = check_path(path, {})
    assert report.spec is not None
    staged = [compile_objective(report.spec, objective) for objective in report.spec.objectives]
    assert [fault for entry in staged for fast in (False, True) for fault in faults_of(emit_triton(entry, fast=fast).text)] == []


@pytest.mark.wide(8)
@pytest.mark.parametrize("seed", range(2000, 2060))
def test_launches_of_random_graphs_read_what_launches_before_them_have_written(seed: int) -> None:
    assert faults_of(emit_triton(Problem.of(random_case(seed, 25 + seed % 45)).staged, fast=seed % 3 == 0).text) == []


# ------------------------------------------------------------------ what finds faults
@triton.jit
def faulty(x_kept, y_out, CASE: tl.constexpr):
    """One fault by its number."""
    place = tl.program_id(0)
    if CASE == "behind":
        tl.store(x_kept + place, 1.0)
        tl.debug_barrier()
        tl.store(y_out + place, tl.load(x_kept + place))
    elif CASE == "before":
        tl.store(x_kept + place, 1.0)
        tl.store(y_out + place, tl.load(x_kept + place))
    elif CASE == "neighbour":
        tl.store(x_kept + place, 1.0)
        tl.debug_barrier()
        tl.store(y_out + place, tl.load(x_kept + 0))
    elif CASE == "later":
        tl.store(y_out + place, tl.load(x_kept + 1))
        tl.store(x_kept + place, 1.0)
    elif CASE == "twice":
        tl.store(y_out, 1.0)
    elif CASE == "added":
        tl.atomic_add(x_kept, 1.0)
        tl.store(y_out + place, tl.load(x_kept + 1))
    elif CASE == "loaded":
        tl.store(y_out + place, tl.load(x_kept))
        tl.atomic_add(x_kept, 1.0)


@needs_interpreter
@pytest.mark.parametrize(("case", "fault"), [
    ("behind", ""), ("before", "loads what program 0 has stored"), ("neighbour", "program 1 loads what program 0"),
    ("later", r"program 1 stores where \[0"), ("twice", "programs 0 and 1 store at one place"), ("added", ""),
    ("loaded", "adds where another one loads")])
def test_a_race_is_found_where_there_is_one(case: str, fault: str) -> None:
    with watched() as found:
        faulty[(2,)](torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64), CASE=case)
    assert (found.launches, found.programs) == (1, 2)
    assert bool(found.faults) == bool(fault)
    assert re.search(fault, "\n".join(found.faults))


KERNELS = """
def values_1(first, x_at, sum_kept, BLOCK):
    place = first + tl.program_id(0)
    for at in range(0, 4, BLOCK):
        sum = tl.load(x_at + at)
    tl.store(sum_kept + place, sum)


def values_2(first, sum_kept, x_at, y_out, loss_out, BLOCK):
    if tl.program_id(0) == tl.num_programs(0) - 1:
        total = tl.load(x_at)
        tl.store(loss_out, total)
    else:
        sum = tl.load(sum_kept + tl.program_id(0))
        tl.store(y_out + tl.program_id(0), sum)


def values(x_at, y_out, loss_out):
    sum_kept = torch.empty(4)
    if 4 > 0:
        values_1[(4,)](0, x_at, sum_kept, BLOCK=32)
    values_2[(5,)](0, sum_kept, x_at, y_out, loss_out, BLOCK=32)


def prepare(): pass
def coefficients(): pass
def combined(): pass
"""


@pytest.mark.parametrize(("there", "instead", "fault"), [
    ("", "", ""),
    ("    sum_kept = torch.empty(4)\n    if 4 > 0:\n        values_1[(4,)](0, x_at, sum_kept, BLOCK=32)\n", "    sum_kept = 0\n",
     "values_2 loads sum_kept, which no launch before it has written"),
    ("x_at, y_out, loss_out, BLOCK=32", "x_at, y_out, y_out, BLOCK=32", "y_out is stored twice"),
    ("x_at, y_out, loss_out, BLOCK=32", "x_at, y_out, sum_kept, BLOCK=32", "sum_kept is stored twice"),
    ("    values_2[(5,)](0, sum_kept, x_at, y_out, loss_out, BLOCK=32)\n", "", "values does not write loss_out"),
    ("        total = tl.load(x_at)", "        sum = tl.load(x_at)", "values_2 assigns sum on both ways"),
    ("sum_kept + place, sum)", "sum_kept + place, sum)\n    again = tl.load(sum_kept)",
     "loads sum_kept, which it has stored, before"),
    ("sum_kept + place, sum)", "sum_kept + place, sum)\n    tl.debug_barrier()\n    again = tl.load(sum_kept)",
     "reads sum_kept again, which other programs"),
    ("tl.store(sum_kept + place, sum)", "tl.store(sum_kept, sum)", "all programs of values_1 store sum_kept"),
    ("sum = tl.load(x_at + at)", "sum = tl.load(sum_kept + at)", "values_1 stores sum_kept where it has loaded")])
def test_a_fault_of_the_text_is_found(there: str, instead: str, fault: str) -> None:
    assert there in KERNELS
    found = "\n".join(faults_of(KERNELS.replace(there, instead) if there else KERNELS))
    assert fault in found if fault else not found, found
