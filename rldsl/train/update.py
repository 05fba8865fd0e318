"""One optimizer step: an update batch cut out of an iteration, its gradient run by run, clipping, the step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from torch import Tensor

from rldsl.batch import Run, UpdateBatch
from rldsl.graph.model import Read, ReadKind
from rldsl.graph.spec import Amount
from rldsl.graph.steps import Update
from rldsl.kernels.rows import Rows
from rldsl.kernels.supports import Support
from rldsl.rollouts.score import head_of, hidden_rows
from rldsl.rollouts.tokens import ResponseTokens
from rldsl.train.compare import logp_difference
from rldsl.train.engine import Engine, NotFinite, StepReport
from rldsl.train.micro import runs_of
from rldsl.train.objectives import Objective, Sight
from rldsl.train.parts import Indices, Part, part_of
from rldsl.train.scoring import Scored, plain_read
from rldsl.train.values import Numbers, Values
from rldsl.train.vectors import Vectors
from rldsl.train.world import World

Seen: TypeAlias = Mapping[Sight, ResponseTokens]
Inputs: TypeAlias = dict[str, Numbers]


@dataclass(frozen=True, slots=True)
class UpdateReport:
    """What one step came to. `metrics` are the objective's values and what its reads say beside."""

    objective: str
    metrics: Mapping[str, float]
    step: StepReport
    tokens: int
    logp_difference: Mapping[str, float] = field(default_factory=dict)


def update_once(world: World, engine: Engine, values: Values, objective: Objective, update: Update,
                rows: Mapping[str, Indices], *, passes: int, compare: frozenset[str]) -> UpdateReport:
    """Train on the named rows. `compare` names rollouts whose recorded log-probabilities are to be held against those
    that are read here; no weights may have moved since they were drawn."""
    part = part_of(values.layout, rows)
    seen = {sight: _cut_tokens(world, values, sight, part) for sight in objective.seen}
    inputs = _inputs(values, objective, part)
    batch = objective.compiled.batch(part.layout, inputs)
    engine.clear(update.model)
    found = _differentiate(world, objective, update, batch, seen, _vectors(values, objective, part))
    if not math.isfinite(found["loss"]):
        raise NotFinite(f"the loss is {found['loss']}")
    difference = logp_difference(world, objective, batch, seen, compare)
    report = engine.step(update, passes)
    metrics = {**found, **_read_metrics(world, objective, batch, inputs),
               **({} if objective.clip is None else objective.clip.shares(objective.meaning, batch))}
    tokens = sum(int(found.offsets[-1]) for found in seen.values())
    return UpdateReport(objective.spec.name, metrics, report, tokens, difference)


def _cut_tokens(world: World, values: Values, sight: Sight, part: Part) -> ResponseTokens:
    model, response, context = sight
    spec = world.responses[response]
    axis = spec.prompt_axis if context is None else spec.sample_axis  # another context is one prompt for each sample
    return values.as_seen_by(model, response, context).select(part.places[axis.name])


def _inputs(values: Values, objective: Objective, part: Part) -> Inputs:
    known = values.columns([key for _, _, key in objective.sources])
    cut = {name: part.take(axis, np.asarray(known[key], dtype=np.float64)) for name, axis, key in objective.sources}
    return {**cut, **{name: np.array([values.scalars.parameters[own]]) for name, own in objective.parameters}}


def _vectors(values: Values, objective: Objective, part: Part) -> Vectors:
    """The vectors that do not change."""
    known = values.columns([key for key, _ in objective.products.known])
    return {key: part.take(axis.name, np.asarray(known[key])) for key, axis in objective.products.known}


def _differentiate(world: World, objective: Objective, update: Update, batch: UpdateBatch,
                   seen: Seen, vectors: Vectors) -> dict[str, float]:
    """Gradients into `.grad`; the objective's values."""
    wanted = dict(update.settings).get("micro_batch")
    micro_batch = wanted if isinstance(wanted, Amount) else None
    runs = runs_of(objective.compiled, batch, micro_batch, world.models[update.model])
    if runs.passes == 2:
        for run in runs:
            objective.compiled.read_piece(batch, run, *_rows(world, objective, batch, run, seen, vectors, grad=False))
    for run in runs:
        objective.compiled.piece(batch, run, *_rows(world, objective, batch, run, seen, vectors, grad=True)).backward()
    return objective.compiled.finish(batch)


def _rows(world: World, objective: Objective, batch: UpdateBatch, run: Run, seen: Seen, vectors: Vectors, *,
          grad: bool) -> tuple[dict[tuple[str, str], Rows], dict[int, Tensor]]:
    """Hidden states and projections for each group of reads; what critics and scorers say."""
    staged = objective.compiled.staged
    rows: dict[tuple[str, str], Rows] = {}
    for group in staged.groups:
        if group.rows in rows:
            continue
        samples = _samples(world, batch, run, group.response)
        others = {name for entry in staged.groups if entry.rows == group.rows for name in entry.others}
        beside = {name: _hidden(world, name, seen[name, group.response, group.context], samples) for name in sorted(others)}
        found = hidden_rows(world.models[group.model], seen[group.model, group.response, group.context], samples, grad=grad)
        weight, bias = head_of(world.models[group.model])
        support = _support(seen[group.model, group.response, group.context], samples) if group.within else None
        rows[group.rows] = Rows(found.targets, found.hidden, weight, bias, others=beside, support=support)
    direct = {live.key: _plain(world, batch, run, seen, live.read, grad=grad) for live in staged.direct
              if live.read.source is None}
    hidden = {key: _plain(world, batch, run, seen, read, grad=grad) for key, read in objective.products.live}
    return rows, direct | objective.products.computed(world.spec, batch.layout, hidden, vectors)


def _plain(world: World, batch: UpdateBatch, run: Run, seen: Seen, read: Read, *, grad: bool) -> Tensor:
    known = Scored(world.models[read.model], seen[read.model, read.response, read.context])
    return plain_read(known, read, _samples(world, batch, run, read.response), grad=grad)


def _hidden(world: World, model: str, tokens: ResponseTokens, samples: range) -> tuple[Tensor, Tensor, Tensor | None]:
    found = hidden_rows(world.models[model], tokens, samples, grad=False)
    weight, bias = head_of(world.models[model])
    return found.hidden, weight, bias


def _support(tokens: ResponseTokens, samples: range) -> Support | None:
    return None if tokens.support is None else tokens.support[int(tokens.offsets[samples.start]):int(tokens.offsets[samples.stop])]


def _samples(world: World, batch: UpdateBatch, run: Run, response: str) -> range:
    bounds = batch.layout.bounds(world.responses[response].sample_axis.name, run.axis)
    return range(int(bounds[run.start]), int(bounds[run.stop]))


def _read_metrics(world: World, objective: Objective, batch: UpdateBatch, inputs: Inputs) -> dict[str, float]:
    """Mean entropy and divergence of the tokens, where the objective reads what they take."""
    found: dict[str, float] = {}
    for live in objective.reads_of(ReadKind.ENTROPY)[:1]:
        found["entropy"] = float(batch.reads[live.key].mean())
    for live in objective.reads_of(ReadKind.KL)[:1]:
        found["kl"] = float(batch.reads[live.key].mean())
    if "kl" in found:
        return found
    for live in objective.reads_of(ReadKind.LOGP):
        if not world.responses[live.read.response].is_sampled:
            continue  # k3 estimates a divergence from the policy's own tokens alone
        for name in objective.frozen_logps(world.spec, live.read.response)[:1]:
            ratio = inputs[name] - batch.reads[live.key]
            found["kl"] = float(np.mean(np.expm1(ratio) - ratio))
            return found
    return found
