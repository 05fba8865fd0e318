"""Loss and gradients by the Triton back end, called as a trainer calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.gpu.contest import Answer
from benchmarks.gpu.problems import Problem
from rldsl.batch import GroupKey, whole
from rldsl.kernels.rows import Rows
from rldsl.program import CompiledObjective


@dataclass(frozen=True, slots=True)
class Ours:
    """An objective, an update batch, and its rows. The values are read at the end, which waits for the device."""

    objective: CompiledObjective
    problem: Problem
    name: str
    rows: Mapping[GroupKey, Rows]
    leaves: tuple[Tensor, ...]
    in_place: bool = False

    def __call__(self) -> Answer:
        """The loss, and the gradients by the leaves."""
        layout = self.problem.layout(self.name)
        batch = self.objective.batch(layout, self.problem.inputs(self.name))
        gradient = self.objective.piece(batch, whole(self.objective.staged, layout), self.rows, in_place=self.in_place)
        loss = self.objective.finish(batch)["loss"]
        return loss, tuple(leaf.grad if leaf.grad is not None else gradient.by(leaf) for leaf in self.leaves)


def from_logits(objective: CompiledObjective, name: str, problem: Problem, logits: Tensor, places: Tensor | None = None) -> Ours:
    """Logits become their gradient."""
    rows = Rows(problem.targets, logits=logits, places=places)
    return Ours(objective, problem, name, {("actor", "y"): rows}, (logits,), in_place=True)


def from_hidden(objective: CompiledObjective, name: str, problem: Problem, hidden: Tensor, weight: Tensor,
                other: tuple[Tensor, Tensor] | None = None) -> Ours:
    """Hidden states [T, H] of all samples. In pairs the first half of them is preferred."""
    leaf = hidden.detach()
    if name != "dpo":
        own = leaf.requires_grad_()
        rows = Rows(problem.targets, own, weight, others={} if other is None else {"ref": other})
        return Ours(objective, problem, name, {("actor", "y"): rows}, (own, weight))
    halves = tuple(part.requires_grad_() for part in leaf.chunk(2))
    given = {("actor", response): Rows(targets, half, weight) for response, half, targets in
             zip(("win", "lose"), halves, problem.targets.chunk(2), strict=True)}
    return Ours(objective, problem, name, given, (*halves, weight))


def as_one(gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Gradients by halves of the hidden states as one."""
    *halves, weight = gradients
    return torch.cat(halves), weight
