"""Foreign functions that may find nothing: `-> Real in [0, 1] or absent`."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.compiler import CheckResult, check_source
from rldsl.loading import project_loader
from rldsl.program import Program
from rldsl.rewarding import RewardError
from rldsl.source import Source
from rldsl.syntax.format import format_module

HEAD = """data problems from jsonl("problems.jsonl") { question: Text }
policy actor from hf("model")
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8 }
"""
PYTHON = 'python("checks:shares")'


def result_of(text: str, project: Path = Path(__file__).parent) -> CheckResult:
    return check_source(Source("test.rl", HEAD + text + "\n"), project_loader(project))


@pytest.mark.parametrize(("written", "shown"), [
    ("Real in [0, 1] or absent", "Real in [0, 1] or absent @ y.sample"), ("Int or absent", "Int or absent @ y.sample"),
    ("Text or absent", "Text or absent @ y.sample"), ("Bool or absent", "Bool or absent @ y.sample"),
    ("Real in [0, 1]", "Real in [0, 1] @ y.sample"),
])
def test_an_extern_says_that_it_may_find_nothing(written: str, shown: str) -> None:
    spec = result_of(f"extern fn share(text: Text) -> {written} = {PYTHON}\nlet found = share(y.text)").spec
    assert spec is not None
    assert str(spec.graph[next(entry.key for entry in spec.lets if entry.name == "found")].type) == shown


def test_what_is_absent_takes_the_alternative_and_a_nan_is_still_a_failure(tmp_path: Path) -> None:
    (tmp_path / "checks.py").write_text("def shares(text):\n    return {'a': 0.5, 'b': None, 'c': float('nan')}[text]\n")
    text = f"extern fn share(text: Text) -> Real in [0, 1] or absent = {PYTHON}\nreward found = share(y.text)"
    plain, kept = result_of(text, tmp_path).spec, result_of(text + " else 0.25", tmp_path).spec
    assert plain is not None and kept is not None
    found, filled = (Program(spec, project=tmp_path).reward("found") for spec in (plain, kept))
    assert list(filled(["a", "b"])) == [0.5, 0.25]
    assert found(["a", "b"]).tolist() == pytest.approx([0.5, float("nan")], nan_ok=True)
    with pytest.raises(RewardError, match="NaN"):
        found(["a", "c"])
    found.close()
    filled.close()


@pytest.mark.parametrize(("body", "title"), [
    ("fn twice(x: Real or absent) -> Real = 2 * x", "a function takes what is absent as it is"),
    ("fn twice(x: Real) -> Real or absent = 2 * x", "a function takes what is absent as it is"),
    ("state best: Real or absent = 0", "a state is not declared as absent"),
    ("param beta: Real or absent = 0", "a parameter is not declared as absent"),
    (f"extern fn share(text: Text or absent) -> Real = {PYTHON}", "what foreign code is given is not declared as absent"),
])
def test_only_the_result_of_foreign_code_is_declared_as_absent(body: str, title: str) -> None:
    errors = result_of(body).errors
    assert [(entry.code, entry.title) for entry in errors] == [("RL029", title)]


def test_absence_is_written_one_way_and_absent_stays_a_value() -> None:
    text = "extern fn share(text: Text) -> Real   in [0,1]  or absent=python(\"checks:shares\")\nlet nothing = absent\n"
    found, faults = format_module(Source("test.rl", text))
    assert not faults
    assert found == ("extern fn share(text: Text) -> Real in [0, 1] or absent = python(\"checks:shares\")\n"
                     "\nlet nothing = absent\n")
