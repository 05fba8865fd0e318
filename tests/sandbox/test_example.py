"""examples/code.rl on completions that exist: each is worth the share of its row's tests that it passes."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rldsl.commands import app
from tests.sandbox.bench import refusal

EXAMPLES = Path(__file__).parents[2] / "examples"
COMPLETIONS = ["a+b", "a-b", "b-a", "a*b", "a", "b", "0", "a+", "x", "a/0"]


def share(expression: str, tests: list[str]) -> float:
    """What the expression passes, by evaluating it here."""
    space: dict[str, object] = {}
    try:
        exec(f"def f(a, b):\n  return {expression}", space)
    except SyntaxError:
        return 0.0
    passed = 0
    for test in tests:
        try:
            exec(test, space)
        except (AssertionError, NameError, ZeroDivisionError):
            continue
        passed += 1
    return passed / len(tests)


@pytest.mark.slow
def test_completions_are_scored_by_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := refusal("process"):
        pytest.skip(f"no `isolate: process` here: {reason}")
    pytest.importorskip("pyarrow")
    monkeypatch.setenv("RLDSL_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(EXAMPLES))
    rows = list(importlib.import_module("tasks.small_programs").problems(4, seed=5))
    lines = [{**row, "prompt": row["question"], "completion": text} for row in rows for text in COMPLETIONS]
    (tmp_path / "completions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    arguments = ["score", str(EXAMPLES / "code.rl"), str(tmp_path / "completions.jsonl"), "--out", str(tmp_path / "scores")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    from pyarrow import parquet

    found = parquet.read_table(tmp_path / "scores" / "scores.parquet").to_pylist()
    wanted = [share(str(line["completion"]), list(line["tests"])) for line in lines]
    assert [entry["passed"] for entry in found] == pytest.approx(wanted)
    assert {entry["passed.state"] for entry in found} == {"value"}
    assert sum(wanted) > 4
    sys.modules.pop("tasks.small_programs", None)
