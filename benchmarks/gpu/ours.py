"""Loss and gradients by the Triton back end, called as a trainer calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.gpu.contest import Answer
from benchmarks.gpu.problems import Problem
from rldsl.batch import GroupKey, whole
from rldsl.kernels.layout import Layout
from rldsl.kernels.rows import Rows
from rldsl.program import CompiledObjective


@dataclass(frozen=True, slots=True)
class Ours:
    """An objective, an update batch, and its rows. The values are read at the end, which waits for the device."""

    objective: CompiledObjective
    name: str
    layout: Layout
    inputs: Mapping[str, Tensor]  # on the host, where a trainer has them: fetching them would wait for the device
    rows: Mapping[GroupKey, Rows]
    leaves: tuple[Tensor, ...]
    in_place: bool = False

    def __call__(self) -> Answer:
        """The loss, and the gradients by the leaves."""
        batch = self.objective.batch(self.layout, self.inputs)
        gradient = self.objective.piece(batch, whole(self.objective.staged, self.layout), self.rows, in_place=self.in_place)
        loss = self.objective.finish(batch)["loss"]
        return loss, tuple(leaf.grad if leaf.grad is not None else gradient.by(leaf) for leaf in self.leaves)

    def clear(self) -> None:
        """No gradients from before, which new ones would be added to."""
        for leaf in self.leaves:
            leaf.grad = None

    def release(self) -> None:
        """As at its first call: the buffers of chunks are given back too."""
        self.clear()
        self.objective.release()


def _of(objective: CompiledObjective, name: str, problem: Problem, rows: Mapping[GroupKey, Rows], *leaves: Tensor,
        in_place: bool = False) -> Ours:
    return Ours(objective, name, problem.layout(name), problem.inputs(name), rows, leaves, in_place)


def from_logits(objective: CompiledObjective, name: str, problem: Problem, logits: Tensor, places: Tensor | None = None) -> Ours:
    """Logits become their gradient."""
    rows = Rows(problem.targets, logits=logits, places=places)
    return _of(objective, name, problem, {("actor", "y"): rows}, logits, in_place=True)


def from_hidden(objective: CompiledObjective, name: str, problem: Problem, hidden: Tensor, weight: Tensor,
                other: tuple[Tensor, Tensor] | None = None) -> Ours:
    """Hidden states [T, H] of all samples. In pairs the first half of them is preferred."""
    leaf = hidden.detach()
    if name != "dpo":
        own = leaf.requires_grad_()
        rows = Rows(problem.targets, own, weight, others={} if other is None else {"ref": other})
        return _of(objective, name, problem, {("actor", "y"): rows}, own, weight)
    halves = tuple(part.requires_grad_() for part in leaf.chunk(2))
    given = {("actor", response): Rows(targets, half, weight) for response, half, targets in
             zip(("win", "lose"), halves, problem.targets.chunk(2), strict=True)}
    return _of(objective, name, problem, given, *halves, weight)


def as_one(gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Gradients by halves of the hidden states as one."""
    *halves, weight = gradients
    return torch.cat(halves), weight
