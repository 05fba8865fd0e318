"""What an objective does not depend on is asked of nobody, on any back end."""

from __future__ import annotations

import pytest
import torch

import rldsl
from rldsl.certify import certify
from rldsl.kernels.layout import Layout

SPEC = """
data problems from jsonl("p.jsonl") { question: Text }
policy actor from hf("nowhere")
critic v from hf("nowhere")
rollout y ~ actor(problems.question) { samples: 2, max_tokens: 8 }
objective main for v { minimize l: sum((3 + 0 * text.length(y.text)) * sum(value(v, y), per: sample)) }
"""
PARENTS = {"problems": "batch", "y.sample": "problems", "y.token": "y.sample"}
COUNTS = {"problems": [1], "y.sample": [2], "y.token": [2, 1]}


@pytest.mark.parametrize("backend", ["torch", "numba"])
def test_a_text_whose_length_counts_nothing_is_not_read(backend: str) -> None:
    """`3 + 0 * length` places 3 at each answer: 3 (0.5 - 1 + 2) = 4.5, and a slope of 3 at every token."""
    objective = rldsl.compile(SPEC, backend=backend).objective()
    assert not objective.staged.inputs
    values = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    read, = objective.staged.direct
    loss, _ = objective.loss(objective.batch(Layout.of(PARENTS, COUNTS), {}), {}, {read.key: values})
    loss.backward()
    assert loss.item() == pytest.approx(4.5)
    assert values.grad is not None and values.grad.tolist() == [3, 3, 3]


def test_and_is_certified_without_it() -> None:
    report = certify(rldsl.compile(SPEC).objective(), cases=2, seed=1)
    assert report.passed, str(report)
