"""One optimizer step: an update batch cut out of an iteration, its gradient run by run, clipping, the step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from rldsl.batch import UpdateBatch
from rldsl.graph.model import ReadKind
from rldsl.graph.spec import Amount
from rldsl.graph.steps import Update
from rldsl.rollouts.tokens import ResponseTokens
from rldsl.train.compare import logp_difference
from rldsl.train.engine import Engine, NotFinite, StepReport
from rldsl.train.micro import runs_of
from rldsl.train.objectives import Objective, Sight
from rldsl.train.outputs import Outputs, Seen, differentiate_cached
from rldsl.train.parts import Indices, Part, part_of
from rldsl.train.values import Numbers, Values
from rldsl.train.vectors import Vectors
from rldsl.train.world import World

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
    values.compute(objective.makers)
    part = part_of(values.layout, rows)
    seen = {sight: _cut_tokens(world, values, sight, part) for sight in objective.seen}
    inputs = _inputs(values, objective, part)
    batch = objective.compiled.batch(part.layout, inputs)
    engine.clear(update.model)
    norm, found = _differentiate(world, engine, objective, update, batch, seen, _vectors(values, objective, part))
    if not math.isfinite(found["loss"]):
        raise NotFinite(f"the loss is {found['loss']}")
    difference = logp_difference(world, objective, batch, seen, compare)
    metrics = {**found, **_read_metrics(world, objective, batch, inputs),
               **({} if objective.clip is None else objective.clip.shares(objective.meaning, batch))}
    report = engine.step(update, passes, norm)  # last: a GPU goes on with it while the host prepares what comes next
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


def _differentiate(world: World, engine: Engine, objective: Objective, update: Update, batch: UpdateBatch,
                   seen: Seen, vectors: Vectors) -> tuple[float, dict[str, float]]:
    """Gradients into `.grad`; their norm, and the objective's values. A GPU is waited for at the end of it alone."""
    _form_gradients(world, objective, update, batch, seen, vectors)
    objective.compiled.deliver(batch)
    norm = engine.gradient_norm(update.model)
    found = objective.compiled.values(batch)
    return float(norm), found


def _form_gradients(world: World, objective: Objective, update: Update, batch: UpdateBatch, seen: Seen, vectors: Vectors) -> None:
    wanted = dict(update.settings).get("micro_batch")
    micro_batch = wanted if isinstance(wanted, Amount) else None
    outputs, compiled = Outputs(world, objective, batch, seen, vectors), objective.compiled
    if compiled.staged.multiplies_vectors and micro_batch is not None:
        differentiate_cached(outputs, outputs.cut(micro_batch))
        return
    runs = runs_of(compiled, batch, micro_batch, world.models[update.model])
    if runs.passes == 2:
        for run in runs:
            compiled.read_piece(batch, run, *outputs.handed_over(run, outputs.of(run, grad=False)))
    for run in runs:
        compiled.piece(batch, run, *outputs.handed_over(run, outputs.of(run, grad=True))).backward()


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
