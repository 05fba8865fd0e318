"""All back ends of the combine functions say the same, value and gradient."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from rldsl.emit.combine import Combine, CombineError
from tests.differential.combining import Problem, Result, assert_same, oracle
from tests.differential.worlds import LAYOUTS, ragged, set_log_ratio
from tests.differential.worlds import OBJECTIVES as OURS
from tests.passes.cases import Case
from tests.passes.generator import random_case
from tests.passes.objectives import OBJECTIVES as PASSES

OBJECTIVES: dict[str, Callable[[Case], Case]] = {**{name: known.build for name, known in PASSES.items()}, **OURS}
FIXED_VALUES = {"masked tokens", "live baseline", "frozen baseline"}  # built for one layout
COUPLINGS = ("clipped surrogate", "sequence ratio", "preference", "quantile as mask")
OTHER_LAYOUTS = [(name, where) for name in OBJECTIVES if name not in FIXED_VALUES for where in LAYOUTS]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Modules of a test run go to a folder of their own."""
    folder: Path = tmp_path_factory.getbasetemp() / "modules"
    monkeypatch.setenv("RLDSL_CACHE", str(folder))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


def _agree(case: Case, *, optimise: bool = True, relative: float = 1e-12) -> None:
    problem = Problem.of(case, optimise)
    expected = oracle(case, problem.staged)
    assert_same(problem.by("torch"), expected, relative)
    assert_same(problem.by_plain_python(), expected, relative)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_emitted_text_agrees_with_autograd_on_the_graph_as_written(name: str) -> None:
    _agree(OBJECTIVES[name](Case()))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_emitted_loss_is_differentiable(name: str) -> None:
    case = OBJECTIVES[name](Case())
    problem = Problem.of(case)
    expected = oracle(case, problem.staged)
    assert_same(problem.by_autograd(), Result(expected.coefficients, {"loss": expected.values["loss"]}))  # it gives no terms


@pytest.mark.wide(5)
@pytest.mark.parametrize(("name", "where"), OTHER_LAYOUTS)
def test_ragged_layouts_agree(name: str, where: str) -> None:
    _agree(OBJECTIVES[name](Case(LAYOUTS[where])))


@pytest.mark.parametrize("sizes", [(50.0, -50.0, 0.0), (800.0, -800.0, 1e-9)], ids=["50", "800"])
@pytest.mark.parametrize("name", ["clipped surrogate", "sequence ratio", "preference", "generalised advantage"])
def test_extreme_log_ratios_agree(name: str, sizes: tuple[float, ...]) -> None:
    """e^800 is infinite: an advantage of the other sign then makes the loss infinite, and nobody may hide it. The
    relative error of e^x is x times that of x, hence the tolerance."""
    _agree(set_log_ratio(OBJECTIVES[name](Case()), sizes), relative=1e-11)


@pytest.mark.parametrize("seed", range(25))
def test_random_graphs_agree(seed: int) -> None:
    _agree(random_case(seed, 40), optimise=seed % 3 != 0)


@pytest.mark.wide(1)
@pytest.mark.parametrize("name", COUPLINGS)
def test_numba_agrees_and_pieces_are_the_whole_bit_for_bit(name: str) -> None:
    case = OBJECTIVES[name](Case(ragged()))
    problem = Problem.of(case)
    combine = Combine(problem.staged)
    whole = problem.combined(combine)
    assert_same(whole, oracle(case, problem.staged))
    for pieces in (2, 7, 10_000):
        cut = problem.combined(combine, pieces)
        assert all(np.array_equal(cut.coefficients[key], whole.coefficients[key]) for key in whole.coefficients)


@pytest.mark.parametrize("what", ["a coefficient", "the loss", "a term", "a term that is not there",
                                  "a coefficient that is not there", "a number where there is none"])
def test_a_comparison_sees_what_differs(what: str) -> None:
    case = OBJECTIVES["clipped surrogate"](Case())
    expected = oracle(case, Problem.of(case).staged)
    assert_same(expected, expected)
    coefficients = {key: array.copy() for key, array in expected.coefficients.items()}
    values, key, term = dict(expected.values), next(iter(coefficients)), next(name for name in expected.values if name != "loss")
    match what:
        case "a coefficient":
            coefficients[key][0] += 1e-6
        case "a number where there is none":
            coefficients[key][0] = np.nan
        case "a coefficient that is not there":
            del coefficients[key]
        case "the loss":
            values["loss"] += 1e-6
        case "a term":
            values[term] += 1e-6
        case _:
            del values[term]
    for pair in ((Result(coefficients, values), expected), (expected, Result(coefficients, values))):
        with pytest.raises(AssertionError):
            assert_same(*pair)


def test_missing_and_short_inputs_are_refused() -> None:
    problem = Problem.of(OBJECTIVES["clipped surrogate"](Case()))
    combine = Combine(problem.staged, "torch")
    name = problem.staged.inputs[0].name
    with pytest.raises(CombineError, match=f"`{name}` is missing"):
        combine.prepare(problem.layout, {key: value for key, value in problem.inputs.items() if key != name})
    with pytest.raises(CombineError, match="has 2 numbers for"):
        combine.prepare(problem.layout, {**problem.inputs, name: np.zeros(2)})
    with pytest.raises(CombineError, match=r"y_logp.*may not be absent"):
        combine.prepare(problem.layout, {**problem.inputs, "y_logp": np.full(15, np.nan)})
    prepared = combine.prepare(problem.layout, problem.inputs)
    with pytest.raises(CombineError, match=r"read \d+ is missing"):
        combine.coefficients(problem.layout, 0, 1, problem.inputs, prepared=prepared, reads={})


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25, 400))
def test_many_random_graphs_agree(seed: int) -> None:
    _agree(random_case(seed, 30 + seed % 40), optimise=seed % 2 == 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", OBJECTIVES)
def test_numba_agrees_on_every_objective(name: str) -> None:
    case = OBJECTIVES[name](Case())
    problem = Problem.of(case)
    assert_same(problem.by("numba"), oracle(case, problem.staged))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_numba_agrees_on_random_graphs(seed: int) -> None:
    case = random_case(1000 + seed, 40)
    problem = Problem.of(case)
    combine = Combine(problem.staged)
    whole = problem.combined(combine)
    assert_same(whole, oracle(case, problem.staged))
    cut = problem.combined(combine, 3)
    assert all(np.array_equal(cut.coefficients[key], whole.coefficients[key], equal_nan=True) for key in cut.coefficients)
