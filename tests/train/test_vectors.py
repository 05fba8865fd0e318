"""Vectors of models: contrast is learned, products have the gradients of plain torch, nothing is split that meets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load
from torch import Tensor

from rldsl.emit.evaluate import evaluate
from rldsl.graph.model import Read, ReadKind
from rldsl.graph.spec import Spec
from rldsl.kernels.layout import Layout
from rldsl.kernels.vectors import Taken, averaged, end_of, products
from rldsl.meaning import Meaning
from rldsl.passes import compile_objective
from rldsl.program import CompiledObjective
from rldsl.train import outputs
from rldsl.train.outcome import Ending
from rldsl.train.vectors import Products
from tests.train.specs import HEAD, ROLLOUT, numbers_of, run, spec_of, weights_of

TASKS = '''
def problems(count=64, letters=2):
    import itertools
    words = ["".join(word) for word in itertools.permutations("abcd", letters)]
    for place in range(count):
        word = words[place % len(words)]
        yield {"question": word + ">", "answer": "".join(sorted(word)), "number": place}

def matches(count=64, seed=0):
    import itertools, random
    words = ["".join(word) for word in itertools.permutations("abcd", 3)] * 8
    random.Random(seed).shuffle(words)
    for word in words[:count]:
        yield {"query": word + ">", "passage": word[::-1]}
'''
MATCHES = """
import std.contrastive (infonce)
data pairs from python("tasks:matches", count: 24) { query: Text  passage: Text }
data unseen from python("tasks:matches", count: 24, seed: 1) { query: Text  passage: Text }
embedder enc from tiny(layers: 1, width: 32, heads: 2, tokenizer: characters("abcd>"))
response asked = pairs.query given pairs.query for enc
response found = pairs.passage given pairs.passage for enc
let before = cosine(embed(enc, asked), embed(enc, found))
let nearest = before >= max(cosine(embed(enc, asked), others(embed(enc, found), per: batch)), per: sample)
objective contrast for enc {
  let q = embed(enc, asked)
  let p = embed(enc, found)
  let rival = cosine(spread(q, to: pair, per: batch), others(p, per: batch))
  minimize loss: mean(infonce(cosine(q, p) / 0.1, rival / 0.1))
}
"""
TRAIN = """
eval heldout on unseen { report hit: mean(nearest) }
train { repeat 60 { draw 24 rows from pairs
  update enc with contrast { optimizer: adamw(lr: 1e-2) MICRO }  every 60 { evaluate heldout } } }
"""


@pytest.mark.slow
def test_an_embedder_learns_which_texts_belong_together(tmp_path: Path) -> None:
    assert run(MATCHES + TRAIN.replace("MICRO", ""), tmp_path, tasks=TASKS).ending is Ending.FINISHED
    lines = numbers_of(tmp_path / "run")
    assert lines[-1]["loss"] < 0.5 * lines[0]["loss"]
    assert np.isfinite([line["grad_norm"] for line in lines]).all()


@pytest.mark.wide(1)
@pytest.mark.parametrize("amount", ["5 rows", "1 rows", "7 samples", "20 tokens", "24 rows"])
def test_a_micro_batch_of_vectors_gives_the_gradient_of_the_whole(amount: str, tmp_path: Path) -> None:
    """Pairs of the whole update batch, whose texts go through the model a few at a time."""
    text = MATCHES + TRAIN.replace("repeat 60", "repeat 2").replace("every 60 { evaluate heldout }", "")
    run(text.replace("MICRO", ""), tmp_path / "whole", tasks=TASKS)
    with at_once() as sizes:
        run(text.replace("MICRO", f", micro_batch: {amount}"), tmp_path / "cut", tasks=TASKS)
    whole, cut = (numbers_of(tmp_path / name / "run") for name in ("whole", "cut"))
    for name in ("loss", "grad_norm"):
        assert [line[name] for line in cut] == pytest.approx([line[name] for line in whole], rel=2e-5)
    first, second = (weights_of(tmp_path / name / "run") for name in ("whole", "cut"))
    for name in (name for name in first if name.startswith("models")):
        for key, value in load(first[name]).items():
            torch.testing.assert_close(load(second[name])[key], value, atol=3e-5, rtol=1e-3)
    number, unit = amount.split()
    assert max(sizes) <= (int(number) if unit != "tokens" else 20)  # rows that keep activations at once


@contextmanager
def at_once() -> Iterator[list[int]]:
    """How many samples go through a model with activations kept, call by call."""
    found: list[int] = []
    plain = outputs.plain_read

    def spying(seen: Any, read: Read, samples: range, *, grad: bool) -> Tensor:
        if grad:
            found.append(len(samples))
        return plain(seen, read, samples, grad=grad)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outputs, "plain_read", spying)
        yield found


@pytest.mark.slow
@pytest.mark.wide(1)
@pytest.mark.parametrize("amount", ["1 prompts", "2 samples", "5 tokens"])
def test_hidden_states_beside_probabilities_are_cut_as_well(amount: str, tmp_path: Path) -> None:
    run(HIDDEN, tmp_path / "whole", tasks=TASKS)
    run(HIDDEN.replace("lr: 1e-2)", f"lr: 1e-2), micro_batch: {amount}"), tmp_path / "cut", tasks=TASKS)
    whole, cut = (numbers_of(tmp_path / name / "run") for name in ("whole", "cut"))
    for name in ("loss", "grad_norm", "objective/drift", "objective/rivals", "objective/reward"):
        assert [line[name] for line in cut] == pytest.approx([line[name] for line in whole], rel=1e-4, abs=1e-6)


HIDDEN = HEAD + ROLLOUT + """
policy fixed = frozen(actor)
let anchor = mean(hidden(fixed, y), per: sample)
let apart = cosine(last(hidden(fixed, y), per: sample), others(anchor, per: prompt))
reward novelty = 1 - max(apart, per: sample) else 0
objective shape for actor {
  let now = mean(hidden(actor, y), per: sample, where: position(y) > 0)
  let drift = 1 - cosine(now, anchor)
  let rival = dot(spread(now, to: pair, per: prompt), frozen(others(now, per: prompt)))
  minimize drift: mean(drift)
  minimize rivals: 0.1 * mean(tanh(rival))
  maximize reward: 0.01 * mean(novelty * mean(logp(actor, y), per: sample))
}
train { repeat 2 { draw 6 prompts  update actor with shape { optimizer: adamw(lr: 1e-2) } } }
"""


def test_a_policy_is_trained_through_its_hidden_states_beside_its_probabilities(tmp_path: Path) -> None:
    assert run(HIDDEN, tmp_path, tasks=TASKS).ending is Ending.FINISHED
    first, second = numbers_of(tmp_path / "run")
    assert first["grad_norm"] > 0
    assert second["objective/drift"] > 0  # 0 at first only where one token is the whole answer


# ------------------------------------------------------------------ gradients
def layout() -> Layout:
    """Groups of three and one; an answer of one token, and one of none."""
    return Layout.of({"problems": "batch", "y.sample": "problems", "y.token": "y.sample"},
                     {"problems": [2], "y.sample": [3, 1], "y.token": [2, 1, 3, 4]})


def by_hand(now: Tensor, anchor: Tensor, offsets: list[int]) -> tuple[Tensor, Tensor]:
    """Drift and rivals of `HIDDEN`, sample by sample."""
    ends = zip(offsets[:-1], offsets[1:], strict=True)
    means = [now[start + 1:stop].mean(0) if stop - start > 1 else None for start, stop in ends]
    drift = torch.stack([1 - torch.cosine_similarity(mean, anchor[place], dim=0)
                         for place, mean in enumerate(means) if mean is not None]).mean()
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j and means[i] is not None and means[j] is not None]
    rivals = torch.stack([torch.tanh((means[i] * means[j].detach()).sum()) for i, j in pairs])  # type: ignore[operator, union-attr]
    return drift, rivals.mean()


@pytest.mark.parametrize("backend", ["numba", "torch"])
def test_products_have_the_gradients_of_plain_torch(tmp_path: Path, backend: Any) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    spec: Spec = spec_of(HIDDEN, tmp_path)
    objective = spec.objectives[0]
    staged = compile_objective(spec, objective)
    read = Products.of(spec, staged)
    assert len(read.sources) == 2 and len(read.live) == 1 and len(read.known) == 1
    torch.manual_seed(0)
    states = torch.randn(10, 5, dtype=torch.float32, requires_grad=True)
    anchor = torch.randn(4, 5, dtype=torch.float32)
    direct = read.computed(spec, layout(), {read.live[0][0]: states}, {read.known[0][0]: anchor.numpy()})
    compiled = CompiledObjective(staged, backend, dtype=torch.float64, meaning=Meaning(spec, objective))
    inputs = {given.name: np.zeros(layout().size(given.axis.name)) for given in staged.inputs}
    rows = _rows(staged)
    batch = compiled.batch(layout(), inputs)
    run_, = compiled.pieces(batch, rows=3)
    compiled.piece(batch, run_, rows, direct).backward()
    values = compiled.finish(batch)
    other = states.detach().double().requires_grad_()
    drift, rivals = by_hand(other, anchor.double(), [0, 2, 3, 6, 10])
    (drift + 0.1 * rivals).backward()
    assert values["objective/drift"] == pytest.approx(drift.item(), abs=1e-6)
    assert values["objective/rivals"] == pytest.approx(0.1 * rivals.item(), abs=1e-6)
    torch.testing.assert_close(states.grad.double(), other.grad, atol=1e-6, rtol=1e-5)  # type: ignore[union-attr]


def _rows(staged: Any) -> Any:
    from rldsl.kernels.rows import Rows
    return {group.rows: Rows(torch.zeros(10, dtype=torch.int64), logits=torch.zeros(10, 7)) for group in staged.groups}


def test_pairs_of_vectors_are_a_product_of_matrices_or_of_rows() -> None:
    torch.manual_seed(1)
    x, y = torch.randn(6, 3), torch.randn(6, 3)
    i, j = torch.triu_indices(6, 6, 1)
    for places in (slice(None), slice(0, 4)):
        first, second = Taken(x, i[places]), Taken(y, j[places])
        torch.testing.assert_close(products(first, second, is_cosine=False), (x[i[places]] * y[j[places]]).sum(-1))
        torch.testing.assert_close(products(first, second, is_cosine=True),
                                   torch.cosine_similarity(x[i[places]], y[j[places]], dim=-1))


def test_a_vector_of_length_0_has_a_cosine_and_a_gradient_of_0() -> None:
    x = torch.zeros(1, 3, requires_grad=True)
    found = products(x, torch.ones(1, 3), is_cosine=True)
    found.sum().backward()
    assert float(found.detach()) == 0 and x.grad is not None and x.grad.abs().max() == 0
    gone = torch.full((1, 3), torch.nan)
    assert torch.isnan(products(gone, torch.ones(1, 3), is_cosine=True)).all()


def test_means_and_ends_of_nothing_are_absent() -> None:
    x, owners = torch.arange(8.0).reshape(4, 2), torch.tensor([0, 0, 2, 2])
    keep = torch.tensor([True, False, False, False])
    assert averaged(x, owners, 3, None).tolist()[0] == [1, 2] and torch.isnan(averaged(x, owners, 3, None)[1]).all()
    assert end_of(x, owners, 3, None, is_last=True)[2].tolist() == [6, 7]
    assert end_of(x, owners, 3, keep, is_last=True)[0].tolist() == [0, 1]
    assert torch.isnan(end_of(x, owners, 3, keep, is_last=False)[1:]).all()


def test_frozen_products_are_computed_with_the_rewards(tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(TASKS)
    spec = spec_of(HIDDEN, tmp_path)
    key = next(entry.key for entry in spec.lets if entry.name == "apart")
    states = torch.randn(10, 4)
    reads = {node.key: states for node in spec.graph.nodes
             if isinstance(node.operation, Read) and node.operation.kind is ReadKind.HIDDEN}
    found = evaluate(spec.graph, [key], layout(), reads)
    ends, means = states[[1, 2, 5]], torch.stack([states[0:2].mean(0), states[2], states[3:6].mean(0)])
    wanted = [torch.cosine_similarity(ends[i], means[j], dim=0) for i in range(3) for j in range(3) if i != j]
    torch.testing.assert_close(found[key].float(), torch.stack(wanted))  # type: ignore[union-attr]
