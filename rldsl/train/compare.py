"""The sampler's log-probabilities against the trainer's for the same tokens: two programs that must be one policy.

Compared where the two mean the same: over the same tokens, at one temperature. On a CPU they differ by rounding alone,
which grows with the size of a log-probability: see `greatest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from rldsl.batch import UpdateBatch
from rldsl.graph.model import Read, ReadKind
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.reads import Numbers, Scored, score_reads
from rldsl.rollouts.signatures import Sampling
from rldsl.rollouts.tokens import ResponseTokens
from rldsl.train.objectives import Objective, Sight
from rldsl.train.world import World
from rldsl.types import Version

EVERY: Final = 25      # iterations
SAMPLES: Final = 64    # scored for a comparison


def is_comparable(settings: Sampling, temperature: float, within: bool) -> bool:
    """Whether a read computes again what the sampler recorded: at its temperature, over the tokens that it could draw."""
    if settings.greedy:
        return temperature == 1.0 and (within or settings.within is None)
    return temperature == settings.temperature and (within or not (settings.truncates or settings.min_tokens > 0))


def logp_difference(world: World, objective: Objective, batch: UpdateBatch,
                    seen: Mapping[Sight, ResponseTokens], names: frozenset[str]) -> dict[str, float]:
    """For each of the named rollouts that an update has just read, the greatest difference."""
    found: dict[str, float] = {}
    for live in objective.reads_of(ReadKind.LOGP):
        tokens = seen[live.read.model, live.read.response, live.read.context]
        if live.read.response in names and tokens.logp is not None and _is_of_sampler(world, live.read):
            found[live.read.response] = greatest(batch.reads[live.key], tokens.logp)
    return found


def reads(world: World, objective: Objective, response: str) -> bool:
    """Whether an update with the objective compares a rollout by the way."""
    return any(live.read.response == response and _is_of_sampler(world, live.read) for live in objective.reads_of(ReadKind.LOGP))


def _is_of_sampler(world: World, read: Read) -> bool:
    """Whether the policy that drew is read, where and as it drew."""
    spec = world.responses[read.response]
    return (spec.is_sampled and read.model == spec.model and read.context is None
            and is_comparable(Sampling.of(spec.settings), read.temperature, read.within))


def compared_by_scoring(model: LoadedModel, tokens: ResponseTokens, settings: Sampling) -> float | None:
    """The greatest difference over the first samples, or None where the two cannot be compared."""
    temperature, within = 1.0 if settings.greedy else settings.temperature, tokens.support is not None
    if tokens.logp is None or not is_comparable(settings, temperature, within):
        return None
    places = np.flatnonzero(np.cumsum(tokens.counts) <= max(SAMPLES, int(tokens.counts[:1].sum())))
    few = tokens.select(places)
    trained, = score_reads(Scored(model, few), {}, [Read(ReadKind.LOGP, model.name, "", Version.ITERATION, temperature,
                                                         within=within)])
    assert few.logp is not None
    return greatest(trained, few.logp)


def greatest(trained: Numbers, sampled: Numbers) -> float:
    """The greatest difference: absolute up to 1 nat, relative to the log-probability beyond, as float32 rounds."""
    return float(np.max(np.abs(trained - sampled) / np.maximum(1.0, np.abs(sampled)), initial=0.0))
