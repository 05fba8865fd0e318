"""Specs and random batches that the tests of the head share; each objective is compiled once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

import rldsl
from rldsl.batch import GroupKey, Numbers
from rldsl.kernels.layout import Layout
from rldsl.kernels.rows import Rows
from rldsl.program import CompiledObjective

HEAD = """
import std.surrogate (clipped)
import std.divergence (k3)
import std.preference (dpo, implicit_reward)

data problems from jsonl("problems.jsonl") { question: Text  answer: Text target }
data pairs from jsonl("pairs.jsonl") { prompt: Text  chosen: Text  rejected: Text }
policy actor from tiny(layers: 1, width: 32, heads: 2, tokenizer: characters("abcdefgh>"))
policy ref = frozen(actor)
critic baseline from tiny(layers: 1, width: 32, heads: 2, tokenizer: characters("abcdefgh>"))
scorer rm from tiny(layers: 1, width: 32, heads: 2, tokenizer: characters("abcdefgh>"))
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 16, temperature: 0.7 }
response win = pairs.chosen given pairs.prompt
response lose = pairs.rejected given pairs.prompt
reward correct = verify.equal(y.text, problems.answer)
let advantage = correct - mean(correct, per: prompt)
"""
LOGP = "logp(actor, y, temperature: 0.7)"
OBJECTIVES = {
    "token": f"""objective main for actor {{
      maximize surrogate: mean(clipped(exp({LOGP} - y.logp), advantage, 0.8 .. 1.2))
      maximize bonus: 0.01 * mean(entropy(actor, y, temperature: 0.7))
    }}""",
    "plain": f"""objective main for actor {{
      maximize surrogate: mean(clipped(exp({LOGP} - y.logp), advantage, 0.8 .. 1.2))
    }}""",
    "elsewhere": f"""objective main for actor {{
      maximize surrogate: mean(clipped(exp({LOGP} - y.logp), advantage, 0.8 .. 1.2))
      maximize elsewhere: 0.1 * mean(advantage * logp(actor, y given problems.answer, temperature: 0.7))
    }}""",
    "sample": f"""objective main for actor {{
      maximize surrogate: mean(clipped(exp(mean({LOGP} - y.logp, per: sample)), advantage, 0.8 .. 1.2))
    }}""",
    "prompt": f"""objective main for actor {{
      let s = sum({LOGP} - y.logp, per: sample)
      maximize likelihood: mean(log_sigmoid((2 * correct - 1) * (s - frozen(others_mean(s, per: prompt)))))
    }}""",
    "batch": f"""objective main for actor {{
      let spread = entropy(actor, y, temperature: 0.7)
      let fork = spread >= quantile(spread, 0.6)
      maximize surrogate: mean(clipped(exp({LOGP} - y.logp), advantage, 0.8 .. 1.2), where: fork)
    }}""",
    "pairs": """objective main for actor {
      minimize loss: mean(dpo(implicit_reward(actor, ref, win) - implicit_reward(actor, ref, lose), 0.1))
    }""",
    "exact": """objective main for actor {
      minimize forward: mean(kl(actor, ref, y))
      minimize backward: 0.5 * mean(kl(ref, actor, y))
    }""",
    "generalised": """objective main for actor {
      minimize first: mean(js(ref, actor, y, weight: 0.2)) + 0.5 * mean(js(actor, ref, y, weight: 0.9))
      minimize second: mean(alpha_divergence(actor, ref, y, alpha: 0.7)) + mean(alpha_divergence(ref, actor, y, alpha: 0.95))
      minimize third: 0.3 * mean(alpha_divergence(actor, ref, y, alpha: 0.4, temperature: 0.7))
    }""",
    "heavy": """objective main for actor {
      minimize pearson: 0.1 * mean(alpha_divergence(actor, ref, y, alpha: 2))
      minimize neyman: 0.1 * mean(alpha_divergence(actor, ref, y, alpha: -1))
    }""",
    "value": """objective main for baseline {
      let gap = value(baseline, y) - advantage
      minimize loss: mean(gap * gap)
    }""",
    "preferred": """objective main for rm {
      minimize loss: -mean(log_sigmoid(score(rm, win) - score(rm, lose)))
    }""",
    "scored": """objective main for rm {
      minimize whole: mean((score(rm, y) - correct) ^ 2)
      minimize steps: 0.1 * mean((score(rm, y, per: token) - advantage) ^ 2)
    }""",
}


@cache
def program(name: str) -> rldsl.Program:
    """The spec with one of the objectives."""
    return rldsl.compile(HEAD + OBJECTIVES[name])


def compiled(name: str) -> CompiledObjective:
    """The objective, with chunks of the usual size."""
    return program(name).objective()


def reference(name: str) -> CompiledObjective:
    """The same in float64 torch, differentiated on the spec's own graph."""
    objective = compiled(name)
    return CompiledObjective(objective.staged, "torch", dtype=torch.float64, meaning=objective.meaning)


@dataclass(frozen=True, slots=True)
class Batch:
    """A ragged batch: layout, inputs, and rows of hidden states that require gradients."""

    layout: Layout
    inputs: dict[str, Numbers]
    rows: dict[GroupKey, Rows]

    def leaves(self) -> list[torch.Tensor]:
        """What requires a gradient, once each."""
        found = {id(tensor): tensor for entry in self.rows.values()
                 for tensor in (entry.hidden, entry.weight, entry.bias, entry.logits)
                 if tensor is not None and tensor.requires_grad}
        return list(found.values())


TOKENS = (5, 0, 1, 9, 4, 3, 7, 12, 2)  # of nine samples, one of them empty
SAMPLES = (4, 1, 4)                    # of three prompts, one with a single sample


def ragged(name: str, vocabulary: int = 300, width: int = 16, seed: int = 0, bias: bool = False,
           repeat: int = 1) -> Batch:
    """A batch for one of the objectives."""
    rng = np.random.default_rng(seed)
    staged = compiled(name).staged
    parents = {axis.name: axis.parent.name for axis in staged.axes if axis.parent is not None}
    counts = {"problems": [3 * repeat], "y.sample": SAMPLES * repeat, "y.token": TOKENS * repeat, "pairs": [3 * repeat],
              "win.token": (4, 0, 6) * repeat, "lose.token": (1, 7, 3) * repeat}
    layout = Layout.of(parents, {axis: counts[axis] for axis in parents})
    weight = _normal(rng, vocabulary, width).requires_grad_()
    offset = _normal(rng, vocabulary).requires_grad_() if bias else None
    rows = {}
    for group in staged.groups:
        count = layout.size(group.axis.name)
        hidden = _normal(rng, count, width)
        others = {other: (hidden + 0.3 * _normal(rng, count, width), weight.detach()) for other in group.others}
        targets = torch.from_numpy(rng.integers(0, vocabulary, count))
        rows[group.model, group.response] = Rows(targets, hidden.requires_grad_(), weight, offset, others=others)
    inputs = {given.name: _input(given.name, layout.size(given.axis.name), rows, rng) for given in staged.inputs}
    return Batch(layout, inputs, rows)


def _normal(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    """Of a size that gives logits of about 2."""
    drawn = torch.from_numpy(rng.standard_normal(shape).astype(np.float32))
    return drawn / (shape[-1] ** 0.25 if len(shape) > 1 else 1.0)


def _input(name: str, count: int, rows: dict[GroupKey, Rows], rng: np.random.Generator) -> Numbers:
    if "logp" not in name:
        return rng.integers(0, 2, count).astype(np.float64) if name == "correct" else rng.standard_normal(count)
    entry = next(entry for (_, response), entry in rows.items() if response in name)
    assert entry.hidden is not None and entry.weight is not None
    logits = (entry.hidden @ entry.weight.t()).detach().double() / 0.7
    exact = torch.log_softmax(logits, -1).gather(1, entry.targets[:, None])[:, 0].numpy()
    return exact + 0.2 * rng.standard_normal(count)


def as_logits(batch: Batch) -> Batch:
    """The same rows given as logits."""
    rows = {}
    for key, entry in batch.rows.items():
        assert entry.hidden is not None and entry.weight is not None
        others = {name: (other[0] @ other[1].t()).detach() for name, other in entry.others.items()}
        logits = (entry.hidden @ entry.weight.t()).detach().requires_grad_()
        rows[key] = Rows(entry.targets, logits=logits, others=others)
    return Batch(batch.layout, batch.inputs, rows)


def gradients(objective: CompiledObjective, batch: Batch, scale: float = 1.0,
              in_place: bool = False) -> list[torch.Tensor]:
    """By each leaf, from one call."""
    leaves = batch.leaves()
    for leaf in leaves:
        leaf.grad = None
    loss, _ = objective.loss(objective.batch(batch.layout, batch.inputs), batch.rows, in_place=in_place)
    (scale * loss).backward()
    return [leaf.grad for leaf in leaves if leaf.grad is not None]


def in_runs(objective: CompiledObjective, batch: Batch,
            rows: int) -> tuple[int, list[torch.Tensor], dict[str, float]]:
    """Passes, gradients by each leaf and values, from runs of at most `rows` tokens."""
    for leaf in batch.leaves():
        leaf.grad = None
    update = objective.batch(batch.layout, batch.inputs)
    runs = objective.pieces(update, rows=rows)
    micro = [{key: entry[run.tokens[key[1]]] for key, entry in batch.rows.items()} for run in runs]
    if runs.passes == 2:
        for run, part in zip(runs, micro, strict=True):
            objective.read_piece(update, run, part)
    for run, part in zip(runs, micro, strict=True):
        objective.piece(update, run, part).backward()
    values = objective.finish(update)
    return runs.passes, [leaf.grad for leaf in batch.leaves() if leaf.grad is not None], values


def close(found: list[torch.Tensor], wanted: list[torch.Tensor], vocabulary: int = 300) -> bool:
    """Within float32: 16 roundings of the largest number, and of sums in GEMMs the square root of their length more."""
    roundings = 2.0**-24 * (16 + 2 * vocabulary**0.5)
    return len(found) == len(wanted) and all(
        float((a.double() - b.double()).abs().max()) <= roundings * float(b.abs().max()) + 1e-12
        for a, b in zip(found, wanted, strict=True))
