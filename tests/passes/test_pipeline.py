"""The line of passes: its order, its dumps, that it is the same each time, and quick."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import process_time

import numpy as np
import pytest

from rldsl.graph.model import Function, Read
from rldsl.graph.order import ancestors, descendants, is_in_order, pruned, sorted_graph, topological_order
from rldsl.graph.show import show_graph
from rldsl.passes import PASSES
from tests.passes.cases import Case, finite_differences
from tests.passes.generator import random_case
from tests.passes.objectives import OBJECTIVES

ROOT = Path(__file__).parents[2]
SHOW_ALL = """
from rldsl.graph.show import show_graph
from tests.passes.cases import Case
from tests.passes.generator import random_case
from tests.passes.objectives import OBJECTIVES
cases = [known.build(Case()) for known in OBJECTIVES.values()] + [random_case(seed, 30) for seed in range(5)]
for case in cases:
    staged = case.compile()
    print(show_graph(staged.graph, staged.values), staged)
"""


def _run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, **environment}, check=True,
                          capture_output=True, text=True, timeout=60)


def test_the_same_spec_gives_the_same_graph_under_two_hash_seeds() -> None:
    first, second = (_run(SHOW_ALL, PYTHONHASHSEED=seed).stdout for seed in ("1", "2"))
    assert len(first) > 1000
    assert first == second


def test_every_pass_has_a_reason_and_a_documented_contract() -> None:
    for step in PASSES:
        assert step.reason
        documentation = sys.modules[step.run.__module__].__doc__ or ""
        for word in ("What:", "Requires:", "Ensures:", "Not its job:"):
            assert word in documentation, step.name


def test_a_dump_shows_the_graph_after_a_pass(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("RLDSL_DUMP", "after:differentiate")
    OBJECTIVES["ratio of means"].build(Case()).compile()
    written = capsys.readouterr().err
    assert written.startswith("# after differentiate\n%")
    assert written.count("# after") == 1
    assert "d loss / d %" in written


def test_nothing_is_printed_without_being_asked(capsys: pytest.CaptureFixture[str]) -> None:
    OBJECTIVES["ratio of means"].build(Case()).compile()
    assert capsys.readouterr() == ("", "")


def test_a_graph_is_shown_one_line_a_node() -> None:
    case = Case().at_update()
    ratio = case.make(Function.EXP, case.make(Function.SUBTRACT, case.logp(), case.recorded_logp()))
    case.builder.rename(ratio, "ratio")
    assert show_graph(case.graph, [("root", ratio)]) == (
        "%0 = logp(actor, y, current) : Real in (-inf, 0] @ y.token  live(actor)\n"
        "%1 = recorded y.logp : Real in (-inf, 0] @ y.token\n"
        "%2 = subtract %0 %1 : Real @ y.token  live(actor)\n"
        "%3 = exp %2 : Real in (0, inf) @ y.token  live(actor)  -- ratio\n"
        "root = %3\n")


def test_keys_that_stay_keep_their_nodes() -> None:
    case = OBJECTIVES["clipped surrogate"].build(Case())
    staged = case.compile()
    kept = [node for node in staged.graph.nodes if node.key in case.graph.by_key]
    assert len(kept) >= 5
    assert all(node == case.graph[node.key] for node in kept)


def test_orders_are_orders() -> None:
    graph = random_case(11, 40).graph
    assert is_in_order(graph)
    assert topological_order(graph) == tuple(node.key for node in graph.nodes)
    assert sorted_graph(reversed(graph.nodes)) == graph
    last = graph.nodes[-1].key
    assert is_in_order(pruned(graph, [last]))
    for key in ancestors(graph, [last]):
        assert last in descendants(graph, [key])


@pytest.mark.slow
def test_an_objective_of_ten_thousand_nodes_is_compiled_in_seconds() -> None:
    case = Case().at_update()
    keys = [case.logp(), case.entropy(), case.recorded_logp()]
    functions = (Function.ADD, Function.MULTIPLY, Function.SUBTRACT, Function.MINIMUM)
    while len(case.builder) < 3_500:
        made = case.make(functions[len(keys) % 4], keys[-1], keys[-3])
        keys.append(case.make(Function.SIGMOID, made) if len(keys) % 5 == 0 else made)
    case.minimize(case.mean(keys[-1]))
    started = process_time()
    staged = case.compile()
    assert process_time() - started < 5
    assert len(staged.graph) > 9_000


def test_a_read_that_only_a_derivative_of_zero_is_left_of_is_not_read() -> None:
    """The loss of this graph depends on the entropy until adjoints are simplified."""
    case = random_case(12, 37)
    staged = case.compile()
    assert [read.read.kind.value for group in staged.groups for read in group.reads] == ["logp"]
    entropy = next(node.key for node in case.graph.nodes if isinstance(node.operation, Read) and node.operation.kind == "entropy")
    slopes = finite_differences(case, entropy)
    np.testing.assert_allclose(slopes[np.isfinite(slopes)], 0.0, atol=1e-9)
