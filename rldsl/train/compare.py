"""The sampler's log-probabilities against the trainer's for the same tokens: two programs that must be one policy.

Compared where the two mean the same: without truncation, at one temperature. On a CPU they differ by rounding alone,
which grows with the size of a log-probability: see `greatest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from rldsl.batch import UpdateBatch
from rldsl.graph.model import Read, ReadKind
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.signatures import Sampling
from rldsl.rollouts.tokens import ResponseTokens
from rldsl.train.objectives import Objective, Sight
from rldsl.train.scoring import Numbers, Scored, score_reads
from rldsl.train.world import World
from rldsl.types import Version

EVERY: Final = 25      # iterations
SAMPLES: Final = 64    # scored for a comparison


def comparable_temperature(settings: Sampling) -> float | None:
    """The temperature at which the recorded log-probabilities can be computed again; None where they cannot."""
    if settings.greedy:
        return 1.0
    if settings.top_p < 1.0 or settings.top_k > 0 or settings.min_tokens > 0:
        return None
    return settings.temperature


def logp_difference(world: World, objective: Objective, batch: UpdateBatch,
                    seen: Mapping[Sight, ResponseTokens], names: frozenset[str]) -> dict[str, float]:
    """For each of the named rollouts that an update has just read, the greatest difference."""
    found: dict[str, float] = {}
    for live in objective.reads_of(ReadKind.LOGP):
        spec, sight = world.responses[live.read.response], (live.read.model, live.read.response, live.read.context)
        tokens = seen[sight]
        if spec.name not in names or tokens.logp is None or live.read.model != spec.model or live.read.context is not None:
            continue
        if comparable_temperature(Sampling.of(spec.settings)) == live.read.temperature:
            found[spec.name] = greatest(batch.reads[live.key], tokens.logp)
    return found


def reads(world: World, objective: Objective, response: str) -> bool:
    """Whether an update with the objective compares a rollout by the way."""
    spec = world.responses[response]
    temperature = comparable_temperature(Sampling.of(spec.settings))
    return any(live.read.response == response and live.read.model == spec.model and live.read.temperature == temperature
               and live.read.context is None for live in objective.reads_of(ReadKind.LOGP))


def compared_by_scoring(model: LoadedModel, tokens: ResponseTokens, settings: Sampling) -> float | None:
    """The greatest difference over the first samples, or None where the two cannot be compared."""
    temperature = comparable_temperature(settings)
    if temperature is None or tokens.logp is None:
        return None
    places = np.flatnonzero(np.cumsum(tokens.counts) <= max(SAMPLES, int(tokens.counts[:1].sum())))
    few = tokens.select(places)
    read = Read(ReadKind.LOGP, model.name, "", Version.ITERATION, temperature)
    trained, = score_reads(Scored(model, few), {}, [read])
    assert few.logp is not None
    return greatest(trained, few.logp)


def greatest(trained: Numbers, sampled: Numbers) -> float:
    """The greatest difference: absolute up to 1 nat, relative to the log-probability beyond, as float32 rounds."""
    return float(np.max(np.abs(trained - sampled) / np.maximum(1.0, np.abs(sampled)), initial=0.0))
