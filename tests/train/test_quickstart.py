"""The first example: its task is what it says, and it learns it on every seed."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from rldsl.compiler import check_source
from rldsl.graph.steps import Repeat, StageStep
from rldsl.loading import project_loader
from rldsl.source import Source
from rldsl.train.outcome import Ending
from rldsl.train.runner import run_spec
from tests.train.specs import numbers_of

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def task() -> ModuleType:
    """`examples/tasks/sort_letters.py`."""
    spec = importlib.util.spec_from_file_location("sort_letters", EXAMPLES / "tasks/sort_letters.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_answers_are_the_letters_in_order(task: ModuleType) -> None:
    for row in task.problems(100, 5, seed=3):
        assert row["answer"] == "".join(sorted(row["question"][:-1])) and row["question"].endswith(">")


def test_demonstrations_have_the_right_letters_and_teach_no_order(task: ModuleType) -> None:
    rows = list(task.demonstrations(2000, 4))
    assert all(sorted(row["demonstration"]) == sorted(row["question"][:-1]) for row in rows)
    right = sum(row["demonstration"] == "".join(sorted(row["demonstration"])) for row in rows)
    assert 0.02 < right / len(rows) < 0.07  # one of 24 orders


def test_pairs_prefer_the_right_order(task: ModuleType) -> None:
    assert all(row["chosen"] == "".join(sorted(row["prompt"][:-1])) != row["rejected"] for row in task.pairs(100, 3))


def test_held_out_questions_are_in_no_other_data(task: ModuleType) -> None:
    held_out = {row["question"] for row in task.problems(200, 4, held_out=True)}
    assert len(held_out) == 200
    assert held_out.isdisjoint(row["question"] for row in task.problems(4096, 4))
    assert held_out.isdisjoint(row["question"] for row in task.demonstrations(4096, 4))


def test_the_same_seed_gives_the_same_rows(task: ModuleType) -> None:
    assert list(task.problems(50, 4, seed=1)) == list(task.problems(50, 4, seed=1)) != list(task.problems(50, 4, seed=2))


def test_it_can_be_shortened_from_outside() -> None:
    """`--set steps=3`, the first thing that many try."""
    path = EXAMPLES / "quickstart.rl"
    checked = check_source(Source(path.name, path.read_text()), project_loader(EXAMPLES), {"steps": "3"})
    assert checked.errors == () and checked.spec is not None
    stages = {step.name: step.body for step in checked.spec.train if isinstance(step, StageStep)}
    assert [step.count for step in stages["grpo"] if isinstance(step, Repeat)] == [3]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_rises_from_a_few_percent_to_above_ninety(tmp_path: Path, seed: int) -> None:
    path = EXAMPLES / "quickstart.rl"
    spec = check_source(Source(path.name, path.read_text()), project_loader(EXAMPLES)).spec
    assert spec is not None
    result = run_spec(spec, project=EXAMPLES, out=tmp_path / "run", seed=seed, quiet=True)
    curve = [line["eval/heldout/success"] for line in numbers_of(tmp_path / "run") if "eval/heldout/success" in line]
    assert result.ending is Ending.FINISHED
    assert curve[0] < 0.1 and curve[-1] > 0.9
    assert result.logp_difference is not None and result.logp_difference <= 1e-5
