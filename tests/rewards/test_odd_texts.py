"""Texts that nobody expects, through every verifier and text function: each has a value, is absent, or has failed by name."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest

from rldsl.data.signatures import Form, Parameter
from rldsl.graph.model import Foreign
from rldsl.rewards.run import HostCalls
from rldsl.rewards.signatures import PRIMITIVES, Primitive
from rldsl.types import Element
from tests.sandbox.bench import refusal

TEN_MEGABYTES = 10 * 2**20
TEXTS = {
    "empty": "", "blank": " \n\t", "NUL": "\0", "NUL inside": "a\0b \\boxed{1\0}", "a lone surrogate": "\ud83d",
    "two of them": "x\udc00y\ud800", "marks without letters": "\u0301" * 1000,
    "right to left": "\u202e1 #### 2", "a byte order mark": "\ufeff1",
}
LARGE = {
    "letters": "a" * TEN_MEGABYTES, "digits": "7" * TEN_MEGABYTES, "brackets": "[" * TEN_MEGABYTES,
    "braces": "\\boxed{" * (TEN_MEGABYTES // 7),
    "ticks": "```" * (TEN_MEGABYTES // 3), "tags": "<a>" * (TEN_MEGABYTES // 3), "lines": "1\n" * (TEN_MEGABYTES // 2),
    "thousands": "1," * (TEN_MEGABYTES // 2), "marks": "#" * TEN_MEGABYTES, "blanks": " " * TEN_MEGABYTES,
}
CONSTANTS: dict[str, Any] = {"function": "rewards:half", "range": (0.0, 1.0), "tags": "think answer", "isolate": "process",
                             "timeout": 2.0}
REFERENCES: dict[str, Any] = {
    "answer": "1", "pattern": "(a+)+$", "schema": '{"type": "array"}',
    "entry": {"metadata": {"source_dataset": "chain_sum"}, "answer": "1"}, "tests": ["assert f(1) == 1"],
    "cases": [{"input": "", "output": ""}], "setup": "create table t(a)", "expected": [[1]], "part": "a",
    "other": "b", "start": "<", "end": ">", "share": 0.5,
}
NEEDED = {"verify.json_schema": "jsonschema", "verify.math": "math_verify", "verify.reasoning_gym": "reasoning_gym"}
ON_CODE = ("verify.tests", "verify.program", "verify.sql")


def call_of(primitive: Primitive) -> tuple[Foreign, list[Any]]:
    """The operation with what it needs, and the references behind the text."""
    constants = {name: CONSTANTS[name] for name in (parameter.name for parameter in primitive.parameters if parameter.constant)
                 if name in CONSTANTS and (name != "isolate" or primitive.name in ON_CODE)}
    inputs = [parameter.name for parameter in primitive.parameters if _is_input(parameter) and parameter.name != "text"]
    operation = Foreign(primitive.name, ("text", *inputs), tuple(sorted(constants.items())))
    return operation, [REFERENCES[name] for name in inputs]


def _is_input(parameter: Parameter) -> bool:
    return not parameter.constant and parameter.name in {**REFERENCES, "text": ""}


@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_every_verifier_has_an_outcome_for_odd_texts(calls: HostCalls, name: str) -> None:
    _run(calls, name, TEXTS)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PRIMITIVES))
def test_every_verifier_has_an_outcome_for_ten_megabytes(calls: HostCalls, name: str) -> None:
    started = time.monotonic()
    _run(calls, name, LARGE)
    assert time.monotonic() - started < 120


def _run(calls: HostCalls, name: str, texts: dict[str, str]) -> None:
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    if name in ON_CODE and (reason := refusal("process")):
        pytest.skip(f"no `isolate: process` here: {reason}")
    primitive = PRIMITIVES[name]
    operation, references = call_of(primitive)
    columns: list[Any] = [list(texts.values()), *([reference] * len(texts) for reference in references)]
    outcome = calls.call(operation, columns)
    assert len(outcome) == len(texts)
    for place, (word, value) in enumerate(zip(texts, outcome.values, strict=True)):
        if place in outcome.failed:
            assert outcome.failed[place].message, word
        elif primitive.result in (Element.TEXT, Element.JSON):
            assert value is None or isinstance(value, str), word
        else:
            assert primitive.optional or not math.isnan(value), word
            assert math.isnan(value) or primitive.interval.contains(float(value)), word


@pytest.mark.parametrize("name", ["verify.equal", "verify.regex", "verify.math", "text.normalize"])
def test_the_text_that_is_asked_for_may_be_odd_too(calls: HostCalls, name: str) -> None:
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    texts = list(TEXTS.values())
    columns = [texts] if name == "text.normalize" else [texts, texts]
    names = ("text", "pattern" if "regex" in name else "answer")
    outcome = calls.call(Foreign(name, names[:len(columns)]), columns)
    assert len(outcome) == len(texts)
    if name == "verify.equal":
        assert list(outcome.values) == [1.0] * len(texts)


def test_a_function_of_the_project_is_given_them_as_they_are(calls: HostCalls, project: Path) -> None:
    texts = [*TEXTS.values(), LARGE["letters"]]
    same = Foreign("verify.python", ("text", "answer"), (("function", "rewards:same"), ("range", (0.0, 1.0)), ("timeout", 20.0)))
    assert list(calls.call(same, [texts, texts]).values) == [1.0] * len(texts)


def test_the_table_of_references_knows_every_input() -> None:
    optional = {"entry", "input", "output"}
    for primitive in PRIMITIVES.values():
        for parameter in primitive.parameters:
            known = {**CONSTANTS, **REFERENCES, "text": ""}
            is_known = parameter.name in known or parameter.name in optional or not parameter.is_required
            assert is_known, (primitive.name, parameter.name)
            assert parameter.form is not Form.ISOLATION or parameter.constant
