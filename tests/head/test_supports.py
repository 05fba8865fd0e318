"""Rows restricted to the tokens that could be drawn: reads of what is left, renormalised, and no gradient beyond it."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from rldsl.certify import certify
from rldsl.compiler import check_source
from rldsl.graph.model import ReadKind
from rldsl.kernels import supports
from rldsl.kernels.layout import Layout
from rldsl.kernels.rows import Rows
from rldsl.kernels.supports import Support
from rldsl.loading import project_loader
from rldsl.program import CompiledObjective, Program
from rldsl.scoring import score_rows
from rldsl.source import Source

HEAD = """
data problems from jsonl("p.jsonl") { question: Text }
policy actor from hf("a")
policy mask = frozen(actor)
policy ref = frozen(actor)
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 8, within: top_p(mask, 0.9) }
"""
PLAIN = "objective main for actor { maximize s: mean(logp(actor, y, within: y.support)) }"
EVERYTHING = """objective main for actor {
  let ratio = exp(logp(actor, y, within: y.support) - y.logp)
  maximize s: mean(ratio)
  maximize e: mean(entropy(actor, y, within: y.support))
  minimize k: mean(kl(actor, ref, y, within: y.support) + kl(ref, actor, y, within: y.support))
  minimize j: mean(js(ref, actor, y, within: y.support) + tv(ref, actor, y, within: y.support))
  minimize z: mean(logz(actor, y, within: y.support) ^ 2)
  minimize whole: mean(kl(ref, actor, y))
}"""
LOGITS = torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.1, 0.2, 0.3, 0.4]]))
KEY = ("actor", "y within y.support")
LAYOUT = Layout.of({"problems": "batch", "y.sample": "problems", "y.token": "y.sample"},
                   {"problems": [1], "y.sample": [1], "y.token": [2]})


@cache
def objective(text: str) -> CompiledObjective:
    """Compiled for numba."""
    spec = check_source(Source("test.rl", HEAD + text + "\n"), project_loader(Path.cwd())).spec
    assert spec is not None
    return Program(spec).objective("main")


def support(*sets: list[int]) -> Support:
    """One set a place."""
    return Support(np.array([token for one in sets for token in one], dtype=np.int32), np.cumsum([0, *map(len, sets)]))


def test_the_reads_are_those_of_the_renormalised_distribution() -> None:
    rows = Rows(torch.tensor([0, 3]), logits=LOGITS, support=support([0, 1, 2], [3]))
    found = score_rows([ReadKind.LOGP, ReadKind.ENTROPY, ReadKind.LOGZ], rows)
    p = [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95]
    assert found[ReadKind.LOGP] == pytest.approx([math.log(0.5 / 0.95), 0.0], abs=1e-6)
    assert found[ReadKind.ENTROPY] == pytest.approx([-sum(x * math.log(x) for x in p), 0.0], abs=1e-6)
    assert found[ReadKind.LOGZ] == pytest.approx([math.log(0.95), math.log(0.4)], abs=1e-6)
    assert torch.equal(LOGITS, torch.log(torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.1, 0.2, 0.3, 0.4]])))


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_of_a_log_probability_stays_within_the_support(in_place: bool, dtype: torch.dtype) -> None:
    logits = LOGITS.to(dtype, copy=True).requires_grad_()
    rows = {KEY: Rows(torch.tensor([0, 3]), logits=logits, support=support([0, 1, 2], [3]))}
    compiled = objective(PLAIN)
    batch = compiled.batch(LAYOUT, {})
    compiled.loss(batch, rows, in_place=in_place)[0].backward()
    # - (1[j = y] - p_j) / 2 with p = (0.526, 0.316, 0.158), and a token that is alone has no gradient
    wanted = [[(0.5 / 0.95 - 1) / 2, 0.3 / 0.95 / 2, 0.15 / 0.95 / 2, 0], [0, 0, 0, 0]]
    np.testing.assert_allclose(logits.grad.float().numpy(), wanted, atol=1e-6 if dtype is torch.float32 else 2e-3)


def test_what_is_read_within_a_support_agrees_with_autograd_from_logits_and_hidden_states() -> None:
    report = certify(objective(EVERYTHING), seed=3)
    assert report.passed, str(report)
    found = {entry.quantity for entry in report.comparisons}
    assert found >= {"by logits (logits)", "by hidden (hidden)", "by weight (hidden, cut)"}


def test_a_support_of_everything_changes_nothing() -> None:
    everything = Support.of(np.ones((2, 4), np.bool_))
    wanted = score_rows([ReadKind.LOGP, ReadKind.ENTROPY], Rows(torch.tensor([0, 3]), logits=LOGITS))
    found = score_rows([ReadKind.LOGP, ReadKind.ENTROPY], Rows(torch.tensor([0, 3]), logits=LOGITS, support=everything))
    assert all((found[kind] == wanted[kind]).all() for kind in wanted)


def test_a_support_goes_with_its_tokens_into_pieces_and_out_of_order() -> None:
    whole = support([0, 1], [2], [1, 2, 3])
    assert whole[1:3].ids.tolist() == [2, 1, 2, 3] and whole[1:3].offsets.tolist() == [0, 1, 4]
    assert whole[np.array([2, 0])].ids.tolist() == [1, 2, 3, 0, 1]
    assert Support.joined([whole, whole[:1]]).offsets.tolist() == [0, 2, 3, 6, 8]
    rows = Rows(torch.tensor([0, 2, 3]), logits=torch.zeros(3, 4), support=whole)
    cut = rows[1:3].support
    assert cut is not None and cut.ids.tolist() == [2, 1, 2, 3]


@pytest.mark.parametrize("most", [2**31 - 1, 9])
def test_a_support_of_a_tensor_is_that_of_its_array(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looked through at once, or two rows of four at a time."""
    monkeypatch.setattr(supports, "MOST_ELEMENTS", most)
    inside = torch.tensor([[1, 0, 0, 1], [0, 0, 1, 0], [1, 1, 1, 1], [0, 1, 1, 0], [0, 0, 0, 1]], dtype=torch.bool)
    found = Support.drawn(inside)
    assert found.ids.tolist() == [0, 3, 2, 0, 1, 2, 3, 1, 2, 3] and found.offsets.tolist() == [0, 2, 3, 7, 9, 10]
    assert found.ids.dtype == np.int32 and found.offsets.dtype == np.int64
    assert len(Support.drawn(inside[:0])) == 0


def test_rows_with_a_support_of_others_are_refused() -> None:
    with pytest.raises(ValueError, match="2 targets, but the support of 1"):
        Rows(torch.tensor([0, 3]), logits=LOGITS, support=support([0]))
    with pytest.raises(ValueError, match=r"tokens of a support lie in 0 \.\. 3, not in 0 \.\. 4"):
        Rows(torch.tensor([0, 3]), logits=LOGITS, support=support([0], [4]))
    with pytest.raises(ValueError, match="nothing could be drawn at place 1"):
        support([0], [])
    with pytest.raises(ValueError, match="from 0 to the 1 tokens"):
        Support(np.zeros(1, np.int32), np.array([0, 2]))
