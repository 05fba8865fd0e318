"""What models give for an update: hidden states before the vocabulary, values, scores, vectors; run by run, or cached.

An objective that multiplies vectors of the whole update batch needs them all before any gradient is known. With a
micro-batch they are computed twice (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited
Setup"): once without activations, run by run; then the objective gives the gradient by what was cached; then each run again,
with activations, and its part of that gradient flows on. The gradient is that of the whole, to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from rldsl.batch import GroupKey, Run, UpdateBatch, whole
from rldsl.graph.model import Read
from rldsl.graph.spec import Amount
from rldsl.graph.staged import HeadGroup
from rldsl.kernels.device.products import moved_to
from rldsl.kernels.rows import Rows
from rldsl.kernels.supports import Support
from rldsl.rollouts.heads import softcap_of
from rldsl.rollouts.reads import Scored, plain_read
from rldsl.rollouts.score import head_of, hidden_rows
from rldsl.rollouts.tokens import ResponseTokens
from rldsl.train.micro import ranges
from rldsl.train.objectives import Objective, Sight
from rldsl.train.outcome import RunError
from rldsl.train.vectors import Vectors
from rldsl.train.world import World
from rldsl.types import BATCH

Seen: TypeAlias = Mapping[Sight, ResponseTokens]
Given: TypeAlias = dict["GroupKey | int", Tensor]  # by rows of a group, by read, by node of hidden states


@dataclass(frozen=True, slots=True)
class Outputs:
    """The models of an objective over one update batch. `vectors` are those that do not change."""

    world: World
    objective: Objective
    batch: UpdateBatch
    seen: Seen
    vectors: Vectors

    def of(self, run: Run, *, grad: bool) -> Given:
        """What the models under training give for the samples of a run; with `grad`, gradients flow to them."""
        found: Given = {}
        for group in self._groups().values():
            tokens = self.seen[group.model, group.response, group.context]
            found[group.rows] = hidden_rows(self.world.models[group.model], tokens, self._samples(run, group.response),
                                            grad=grad).hidden
        for key, read in self._plain_reads():
            known = Scored(self.world.models[read.model], self.seen[read.model, read.response, read.context])
            found[key] = plain_read(known, read, self._samples(run, read.response), grad=grad)
        return found

    def handed_over(self, run: Run, given: Given) -> tuple[dict[GroupKey, Rows], dict[int, Tensor]]:
        """As the compiled objective takes it: rows with their projections, numbers by read."""
        rows = {key: self._rows(run, group, given[key]) for key, group in self._groups().items()}
        direct = {live.key: given[live.key] for live in self.objective.compiled.staged.direct if live.read.source is None}
        hidden = {key: given[key] for key, _ in self.objective.products.live}
        return rows, direct | self.objective.products.computed(self.world.spec, self.batch.layout, hidden, self.vectors)

    def cut(self, micro_batch: Amount) -> tuple[Run, ...]:
        """Runs of at most so many prompts, rows, samples or tokens, at least one place each, whatever the objective couples."""
        responses = [self.world.responses[name] for name in dict.fromkeys(self._responses())]
        shared = [axis for axis in responses[0].sample_axis.chain()
                  if all(entry.sample_axis.is_within(axis) for entry in responses)]
        axis = next(entry for entry in shared if entry.parent in (None, BATCH)) if micro_batch.unit in ("prompts", "rows") \
            else shared[0]
        held = np.ones(self.batch.layout.size(axis.name), np.int64)
        if micro_batch.unit == "samples":
            held = np.max([np.diff(self.batch.layout.bounds(entry.sample_axis.name, axis.name)) for entry in responses], axis=0)
        elif micro_batch.unit == "tokens":
            held = np.sum([np.diff(self.batch.layout.bounds(entry.token_axis.name, axis.name)) for entry in responses], axis=0)
        return tuple(Run(axis.name, start, stop, {}, {}, is_whole=False) for start, stop in ranges(held, int(micro_batch.number)))

    def _responses(self) -> list[str]:
        return [*(group.response for group in self._groups().values()), *(read.response for _, read in self._plain_reads())]

    def _groups(self) -> dict[GroupKey, HeadGroup]:
        """One of each that share rows."""
        found: dict[GroupKey, HeadGroup] = {}
        for group in self.objective.compiled.staged.groups:
            found.setdefault(group.rows, group)
        return found

    def _plain_reads(self) -> list[tuple[int, Read]]:
        direct = [(live.key, live.read) for live in self.objective.compiled.staged.direct if live.read.source is None]
        return [*direct, *self.objective.products.live]

    def _rows(self, run: Run, group: HeadGroup, hidden: Tensor) -> Rows:
        samples = self._samples(run, group.response)
        others = {name for entry in self.objective.compiled.staged.groups if entry.rows == group.rows for name in entry.others}
        beside = {name: self._beside(name, self.seen[name, group.response, group.context], samples) for name in sorted(others)}
        weight, bias = head_of(self.world.models[group.model])
        tokens = self.seen[group.model, group.response, group.context]
        bounds = slice(int(tokens.offsets[samples.start]), int(tokens.offsets[samples.stop]))
        targets = moved_to(torch.from_numpy(tokens.ids[bounds]), hidden.device)
        return Rows(targets, hidden, weight, bias, others=beside, support=_support(tokens, bounds) if group.within else None,
                    softcap=self._softcap(group.model, sorted(others)))

    def _softcap(self, model: str, others: Sequence[str]) -> float | None:
        """Of the logits of a model, and of those that it is compared with token by token."""
        caps = {name: softcap_of(self.world.models[name].policy_module) for name in (model, *others)}
        for name in others:
            if caps[name] != caps[model]:
                raise RunError(f"`{name}` caps its logits at {caps[name]} and `{model}` at {caps[model]}: a divergence over the "
                               "whole vocabulary needs two models with one cap")
        return caps[model]

    def _beside(self, model: str, tokens: ResponseTokens, samples: range) -> tuple[Tensor, Tensor, Tensor | None]:
        found = hidden_rows(self.world.models[model], tokens, samples, grad=False)
        return found.hidden, *head_of(self.world.models[model])

    def _samples(self, run: Run, response: str) -> range:
        bounds = self.batch.layout.bounds(self.world.responses[response].sample_axis.name, run.axis)
        return range(int(bounds[run.start]), int(bounds[run.stop]))


def _support(tokens: ResponseTokens, bounds: slice) -> Support | None:
    return None if tokens.support is None else tokens.support[bounds]


def differentiate_cached(outputs: Outputs, runs: Sequence[Run]) -> None:
    """Gradients of an objective that needs everything at once, with the activations of one run at a time."""
    compiled, batch = outputs.objective.compiled, outputs.batch
    parts = [outputs.of(run, grad=False) for run in runs]
    cached: Given = {key: torch.cat([part[key] for part in parts]).requires_grad_() for key in parts[0]}
    everything = whole(compiled.staged, batch.layout)
    compiled.piece(batch, everything, *outputs.handed_over(everything, cached)).backward()
    places = dict.fromkeys(cached, 0)
    for run, part in zip(runs, parts, strict=True):
        again = outputs.of(run, grad=True)
        reached = []
        for key, value in again.items():
            start, places[key] = places[key], places[key] + len(part[key])
            gradient = cached[key].grad
            if gradient is not None and value.requires_grad:
                reached.append((value, gradient[start:places[key]]))
        if reached:
            torch.autograd.backward([value for value, _ in reached], [gradient for _, gradient in reached])
