"""Random reward graphs: asking only what is needed gives what asking everything gives, absent values included."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rldsl.compiler import check_source
from rldsl.emit.arrays import ARRAYS
from rldsl.emit.evaluate import evaluate
from rldsl.emit.evaluation import Evaluation
from rldsl.graph.model import Foreign, Node
from rldsl.loading import project_loader
from rldsl.rewards.engine.run import plain
from rldsl.source import Source
from tests.rewards.engine.host import HEAD, Table, key_of, run_of

FEW, MANY = 120, 3000
SAYS = {"verdict": lambda text: float(text[0]) / 2, "truth": lambda text: float(text[1]) > 0,
        "judge": lambda text: float(text[2]) / 2, "grade": lambda text: 0.1 + float(text[3]) / 3,
        "ruling": lambda text: float(text[4]) > 0, "finding": lambda text: float(text[5]) > 0,
        "remark": lambda text: None if text[6] == "0" else float(text[6]), "note": lambda text: text[::-1]}
ZERO = "0 * text.length(y.text)"
NUMBERS = ("verdict(y.text)", "judge(y.text)", "grade(y.text)", "zero", "(0.5 + zero)", "(remark(y.text) else 0)",
           "judge(note(y.text))", "verify.equal(y.text, problems.answer)", "grade(problems.answer) + zero")
TRUTHS = ("truth(y.text)", "ruling(y.text)", "finding(y.text)")


def number(draw: random.Random, depth: int) -> str:
    """An expression that is a number at each sample."""
    if depth == 0 or draw.random() < 0.15:
        return draw.choice(NUMBERS)
    a, b, c, fact = *(number(draw, depth - 1) for _ in range(3)), truth(draw, depth - 1)
    return draw.choice([
        f"({a} * {b})", f"({a} * {b} * {c})", f"({a} + {b})", f"({a} - {b} * {c})", f"where({fact}, {a}, {b})",
        f"min({a}, {b})", f"({a} * log(0.1 + abs({b})))", f"(remark(y.text) * {a} else {b})", f"(remark(y.text) * {a})",
        f"(mean({a}, per: prompt) + zero)",
        f"((mean({a}, per: prompt, where: {fact}) else {b}) + zero)",
        f"(max(others({a}, per: prompt) * {b}, per: sample) else {c})",
        f"({a} * mean(each({b}, {c}), per: sample))", f"({a} * rank({b}, per: prompt))",
        f"({a} * sum({b}) * {c})", f"({a} * next({b}, per: prompt, fill: 0))"])


def truth(draw: random.Random, depth: int) -> str:
    """An expression that is true or false at each sample."""
    if depth == 0 or draw.random() < 0.15:
        return draw.choice(TRUTHS)
    a, b, x = truth(draw, depth - 1), truth(draw, depth - 1), number(draw, depth - 1)
    return draw.choice([f"({a} and {b})", f"({a} or {b})", f"(not {a})", f"({x} > 0.4)", "is_missing(remark(y.text))"])


@pytest.mark.wide(1)
@pytest.mark.parametrize("chunk", range(4))
def test_demand_changes_no_number_and_asks_no_more(chunk: int) -> None:
    assert sum(check(seed) for seed in range(chunk, FEW, 4)) > 0


@pytest.mark.slow
@pytest.mark.parametrize("chunk", range(8))
def test_demand_changes_no_number_of_many_graphs(chunk: int) -> None:
    for seed in range(FEW + chunk, MANY, 8):
        check(seed)


def check(seed: int) -> int:
    """How many calls one random graph was spared."""
    draw = random.Random(seed)
    text = f"{HEAD}let zero = {ZERO}\nlet a = {number(draw, 3)}\nlet b = {number(draw, 2)}\nlet c = a * b\n"
    result = check_source(Source("test.rl", text), project_loader(Path()), {})
    assert result.spec is not None and not result.errors, (text, [(entry.title, entry.why) for entry in result.errors])
    spec, roots = result.spec, draw.choice([["a"], ["a", "b"], ["c"], ["c", "b"]])
    texts = ["".join(draw.choice("012") for _ in range(7)) for _ in range(6)]
    answers = [texts[0], texts[4]]
    freely, table = Table(SAYS), Table(SAYS)
    run, whole = (run_of(spec, one, texts, samples=3, answers=answers) for one in (table, freely))

    def asked(node: Node, inputs: Sequence[Any]) -> Any:
        assert isinstance(node.operation, Foreign)
        return freely.call(node.operation, [list(plain(value)) for value in inputs]).values
    keys, all_keys = ([key_of(spec, name) for name in names] for names in (roots, ["a", "b", "c"]))
    expected = evaluate(spec.graph, all_keys, whole.layout(), whole.known, foreign=asked)
    plainly = Evaluation(spec.graph, whole.layout(), whole.known, ARRAYS, foreign=asked)
    for key in all_keys:  # without torch, as kept values are computed anew
        np.testing.assert_allclose(plainly.value(key), np.asarray(expected[key]), rtol=1e-12, atol=0, err_msg=text)
    run.run(keys, all_keys)
    spared = sum(map(len, freely.asked.values())) - sum(map(len, table.asked.values()))
    for key in keys:
        np.testing.assert_allclose(np.asarray(run.known[key]), np.asarray(expected[key]), rtol=1e-12, atol=0, err_msg=text)
    for name, places in table.asked.items():
        assert set(places) <= set(freely.asked.get(name, ())), text
    run.run(all_keys)  # what was observed before is asked for where it was not
    for key in all_keys:
        np.testing.assert_allclose(np.asarray(run.known[key]), np.asarray(expected[key]), rtol=1e-12, atol=0, err_msg=text)
    return spared
