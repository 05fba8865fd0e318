"""What emitters write: deterministic, quick, and made of nothing that a spec says."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rldsl.emit.combine import Combine
from rldsl.emit.names import Names, comment, identifier
from rldsl.emit.sources import digest
from rldsl.emit.to_head import RowRead, RowShape, emit_sweep
from rldsl.emit.to_numba import emit_numba
from rldsl.emit.to_torch import emit_torch
from rldsl.graph.model import Function, Reduction
from rldsl.graph.staged import StagedObjective
from rldsl.kernels.layout import Layout
from rldsl.source import Source, Span
from rldsl.types import BATCH
from tests.differential.combining import Problem, Result, assert_same, oracle
from tests.emit.hostile import ATTACKS, SOURCE, attacked, named
from tests.passes.cases import LAYOUT, SAMPLE, Case
from tests.passes.generator import random_case
from tests.passes.objectives import OBJECTIVES

EMITTERS = {"numba": lambda staged, sources: emit_numba(staged, sources).text, "torch": emit_torch}
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules of a test run go to a folder of their own."""
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path_factory.getbasetemp() / "modules"))


def _staged(name: str) -> StagedObjective:
    return OBJECTIVES[name].build(Case()).compile()


# ------------------------------------------------------------------ names
def test_identifiers_are_plain_and_never_taken() -> None:
    names = Names({"exp"})
    given = [names.fresh(text) for text in (*ATTACKS, *ATTACKS)]
    assert len(set(given)) == len(given)
    assert all(name.isidentifier() and name.isascii() and name not in dir(__builtins__) for name in given)
    assert "exp" not in given and "lambda" not in given


def test_names_resemble_what_the_user_wrote() -> None:
    assert identifier("y.token") == "y_token"
    assert identifier("advantage") == "advantage"
    assert Names().fresh("ratio", suffix="_at") == "ratio_at"


def test_comments_stay_on_their_line() -> None:
    line = comment("a\nb\rc\u2028d\u202ee\x0cf")
    assert line.isprintable() and "\n" not in line


@pytest.mark.parametrize("backend", EMITTERS)
@pytest.mark.parametrize("name", ["clipped surrogate", "preference", "live baseline"])
def test_nothing_of_a_spec_becomes_code(name: str, backend: str) -> None:
    text = EMITTERS[backend](attacked(_staged(name)), {"a": SOURCE})
    plain = EMITTERS[backend](named(_staged(name)), {})
    assert _shape(text) == _shape(plain)


def _shape(text: str) -> list[str]:
    """The kinds of syntax in order, and every name that is called, imported or taken from a module."""
    found = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Call(func=ast.Name(id=called)):
                found.append(f"call {called}")
            case ast.Attribute(attr=attribute):
                found.append(f"attribute {attribute}")
            case ast.Import() | ast.ImportFrom():
                found.append(ast.dump(node))
            case ast.Constant(value=value):
                found.append(f"constant {value!r}")
            case _:
                found.append(type(node).__name__)
    return sorted(found)


def test_hostile_names_compute_the_same() -> None:
    case = OBJECTIVES["clipped surrogate"].build(Case())
    plain = Problem.of(case)
    staged = attacked(plain.staged)
    moved = {old.name: new.name for old, new in zip(plain.staged.axes, staged.axes, strict=True)}
    layout = Layout.of({moved[axis.name]: moved[axis.parent.name] for axis in plain.staged.axes if axis.parent},
                       {moved[axis.name]: [int(n) for n in _counts(LAYOUT, axis.name)]
                        for axis in plain.staged.axes if axis.parent})
    hostile = Problem(staged, layout, plain.given)
    found = oracle(case, plain.staged)
    labels = {old: new for (old, _), (new, _) in zip(plain.staged.values, staged.values, strict=True)}
    expected = Result(found.coefficients, {labels.get(name, name): value for name, value in found.values.items()})
    assert_same(hostile.by("torch"), expected)
    assert_same(hostile.by_plain_python(), expected)


def _counts(layout: Layout, axis: str) -> list[int]:
    offsets = layout.offsets[axis]
    return [int(b - a) for a, b in zip(offsets[:-1], offsets[1:], strict=True)]


# ------------------------------------------------------------------ text
@pytest.mark.parametrize("backend", EMITTERS)
def test_the_users_names_and_lines_are_kept(backend: str) -> None:
    case = Case().at_update()
    difference = case.make(Function.SUBTRACT, case.logp(), case.recorded_logp())
    ratio = case.builder.elementwise(Function.EXP, difference, span=Span("test", 12, 15))
    case.builder.rename(ratio, "ratio")
    text = EMITTERS[backend](case.minimize(case.mean(ratio)).compile(),
                             {"test": Source("grpo.rl", "let ratio = exp(...)\n")})
    assert "    ratio = exp(" in text
    assert "# grpo.rl:1: let ratio = exp(...)" in text
    assert "Objective test for actor." in text


def test_torch_modules_import_torch_alone() -> None:
    tree = ast.parse(emit_torch(_staged("live baseline")))
    imported = {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"math", "torch"}
    assert {node.module for node in tree.body if isinstance(node, ast.ImportFrom)} == {"__future__", "typing", "torch"}


def test_token_coupling_is_one_loop_without_arrays() -> None:
    text = emit_numba(_staged("clipped surrogate")).text
    body = text[text.index("def coefficients"):text.index("def values")]
    assert "np.empty" not in body and body.count("for ") == 2  # runs of tokens that share a sample


def test_sample_coupling_keeps_nothing() -> None:
    text = emit_numba(_staged("sequence ratio")).text
    body = text[text.index("def coefficients"):text.index("def values")]
    assert "np.empty" not in body and body.count("for ") == 3


@pytest.mark.slow
def test_the_same_objective_gives_the_same_bytes_under_any_hash_seed() -> None:
    program = ("from tests.passes.generator import random_case\nfrom rldsl.emit.to_numba import emit_numba\n"
               "from rldsl.emit.to_torch import emit_torch\nfrom rldsl.emit.sources import digest\n"
               "for seed in range(4):\n    staged = random_case(seed, 60).compile()\n"
               "    print(digest(emit_numba(staged).text), digest(emit_torch(staged)))\n")
    outputs = [subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT,
                              env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}, timeout=120).stdout
               for seed in ("1", "2")]
    staged = random_case(0, 60).compile()
    assert outputs[0] == outputs[1]
    assert outputs[0].startswith(f"{digest(emit_numba(staged).text)} {digest(emit_torch(staged))}")


def test_a_thousand_nodes_are_emitted_at_once() -> None:
    case = Case().at_update()
    x = case.logp()
    for step in range(250):
        x = case.make(Function.ADD, case.make(Function.TANH, case.make(Function.MULTIPLY, x, 0.99)), 0.01 * step)
        if step % 50 == 49:
            x = case.make(Function.SUBTRACT, x, case.builder.reduce(Reduction.MEAN, x, SAMPLE))
    staged = case.minimize(case.builder.reduce(Reduction.MEAN, x, BATCH)).compile(optimise=False)
    assert len(staged.graph) > 1000
    start = time.process_time()
    emit_numba(staged)
    emit_torch(staged)
    assert time.process_time() - start < 1.5


def test_an_objective_of_nothing_live_has_no_coefficients() -> None:
    case = Case()
    total = case.leaf("total", SAMPLE)
    case.at_update().minimize(case.mean(total))
    combine = Combine(case.compile(), "torch")
    assert [parameter.kind for parameter in combine.parameters["coefficients"]] == []


def test_a_sweep_writes_the_rows_of_the_groups_that_have_a_gradient_and_of_no_others() -> None:
    """As in KTO: a response that is read frozen stands before the one that is trained."""
    frozen, live = RowShape((RowRead("logp"),)), RowShape((RowRead("logp", gradient=True),))
    text = emit_sweep("main", "combine", ["first", "second"], [frozen, live])
    called = {node.func.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    imported = {alias.asname for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert {"read0", "read1", "write1"} <= called & imported and "write0" not in called | imported
