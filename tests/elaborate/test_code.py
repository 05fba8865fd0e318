"""`verify.tests`, `verify.program`, `verify.sql` in a spec: what must be written, and what the value's range is."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.compiler import CheckResult, check_source
from rldsl.diagnostics import Severity
from rldsl.graph.model import Foreign
from rldsl.loading import project_loader
from rldsl.source import Source

HEAD = """
data problems from jsonl("x.jsonl") { question: Text  tests: Json target  rows: Json target  name: Text }
policy actor from tiny(layers: 2, width: 32, heads: 2, tokenizer: characters("abc>"))
rollout y ~ actor(problems.question) { samples: 2, max_tokens: 8 }
"""
CONTAINER = 'container("podman run --rm -i --network none python")'


def checked(text: str) -> CheckResult:
    """What is found of a spec."""
    return check_source(Source("code.rl", HEAD + text), project_loader(Path(__file__).parent))


def findings(text: str) -> list[tuple[str, str, str]]:
    """Code, reason and cure of what is found, but for notes."""
    return [(found.code, found.why, found.fix) for found in checked(text).diagnostics if found.severity is not Severity.NOTE]


@pytest.mark.parametrize("call", [
    "verify.tests(y.text, problems.tests, isolate: process)",
    f"verify.tests(y, problems.tests, entry: problems.name, isolate: {CONTAINER})",
    "verify.program(y.text, cases: problems.tests, isolate: namespace, processes: 8, command: \"node {file}\", file: \"a.js\")",
    "verify.program(y.text, input: problems.question, output: problems.name, isolate: process, tolerance: 0.001)",
    "verify.sql(y.text, problems.question, problems.rows, isolate: process, ordered: true, timeout: 2s, memory: 64)",
])
def test_a_call_that_names_its_isolation_is_fine(call: str) -> None:
    assert findings(f"reward r = {call}") == []


@pytest.mark.parametrize("call", ["tests(y.text, problems.tests)", "program(y.text, cases: problems.tests)",
                                  "sql(y.text, problems.question, problems.rows)"])
def test_without_an_isolation_the_levels_are_listed_with_what_they_protect_from(call: str) -> None:
    [(code, why, fix)] = findings(f"reward r = verify.{call}")
    assert code == "RL021"
    assert why.startswith("`isolate` is missing: ")
    assert all(word in why for word in ("`process`", "`namespace`", "`container(", "no network", "root", "kernel"))
    assert "isolate: process" in fix


@pytest.mark.parametrize(("more", "code", "said"), [
    ("isolate: none", "RL028", "it is `process`, `namespace` or `container("), ("isolate: container", "RL028", "`container("),
    ("isolate: container(\"\")", "RL028", "known when"), ("isolate: container(\"a\", \"b\")", "RL028", "known when"),
    ("isolate: process, processes: 2", "RL021", "allows no further processes"), ("isolate: process, memory: 0", "RL028", "in MiB"),
    ("isolate: process, files: 1.5", "RL028", "whole number"), ("isolate: process, timeout: 5", "RL028", "unit"),
    ("isolate: process, score: half", "RL028", "all, share"), ("isolate: process, from: first", "RL028", "block, whole"),
    ("isolate: process, language: python", "RL021", "no argument is called `language`"),
])
def test_what_does_not_fit_is_said(more: str, code: str, said: str) -> None:
    found = findings(f"reward r = verify.tests(y.text, problems.tests, {more})")
    assert [entry[0] for entry in found] == [code]
    assert said in found[0][1]


@pytest.mark.parametrize("inputs", ["", "input: problems.question", "cases: problems.tests, output: problems.name",
                                    "cases: problems.tests, input: problems.question, output: problems.name"])
def test_a_program_has_cases_or_one_input_with_its_output(inputs: str) -> None:
    [(code, why, _)] = findings(f"reward r = verify.program(y.text, {inputs + ', ' if inputs else ''}isolate: process)")
    assert code == "RL021"
    assert why == "it takes `cases`, or `input` and `output`."


def test_a_share_lies_between_0_and_1_and_all_is_one_of_both() -> None:
    call = "verify.tests(y.text, problems.tests, isolate: process"
    spec = checked(f"reward a = {call})\nreward b = {call}, score: share)").spec
    assert spec is not None
    types = [str(spec.graph[reward.key].type) for reward in spec.rewards]
    assert types == ["Real in {0, 1} @ y.sample", "Real in [0, 1] @ y.sample"]


def test_a_container_is_kept_as_its_command() -> None:
    spec = checked(f"reward r = verify.tests(y.text, problems.tests, isolate: {CONTAINER})").spec
    assert spec is not None
    operation = spec.graph[spec.rewards[0].key].operation
    assert isinstance(operation, Foreign)
    assert dict(operation.settings)["isolate"] == "container: podman run --rm -i --network none python"


@pytest.mark.parametrize(("isolate", "fine"), [
    ("process", True), ("namespace", True), ("none", True), (CONTAINER, True), ("always", False), ("container", False),
    ("container()", False), ("docker(\"x\")", False)])
def test_a_function_of_the_project_may_name_the_same_levels(isolate: str, fine: bool) -> None:
    found = findings(f"extern fn f(text: Text) -> Real in [0, 1] = python(\"m:f\") {{ isolate: {isolate} }}\nreward r = f(y)")
    assert [entry[0] for entry in found] == ([] if fine else ["RL018"])
    in_call = findings(f"reward r = verify.python(\"m:f\", y.text, range: 0 .. 1, isolate: {isolate})")
    assert [entry[0] for entry in in_call] == ([] if fine else ["RL028"])
