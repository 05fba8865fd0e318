"""Runs an `eval`: its rows in place of those that the reported values were written over. Trains nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rldsl.graph.spec import EvalSpec, NamedValue
from rldsl.rollouts.signatures import Sampling
from rldsl.train.rollout_log import Sample
from rldsl.train.samples import samples_of
from rldsl.train.values import Scalars, Values
from rldsl.train.world import World

SAMPLING = ("samples", "greedy", "temperature", "top_p", "top_k", "max_tokens")


@dataclass(frozen=True, slots=True)
class EvalReport:
    """`metrics` are named `eval/<eval>/<label>`."""

    metrics: dict[str, float]
    samples: list[Sample]
    seconds: float


def run_eval(world: World, entry: EvalSpec, scalars: Scalars) -> EvalReport:
    """Measure with the present weights. The draws depend on the run's seed and the eval alone, not on when it runs."""
    began = time.perf_counter()
    rows = world.data[entry.data]
    settings = dict(entry.settings)
    limit = settings.get("rows")
    numbers = np.arange(min(len(rows), limit) if isinstance(limit, int) else len(rows), dtype=np.int64)
    values = Values(world, {entry.instead_of: rows.select(numbers)}, {entry.instead_of: numbers}, scalars,
                    ("eval", entry.name), adjust=lambda sampling: adjusted(sampling, settings))
    reports = [key for _, key in entry.reports]
    needed = world.finder.of(reports).responses
    for name in (response.name for response in world.spec.responses if response.name in needed):
        values.response(name)
    rewards = rewards_within(values, world.spec.rewards)
    values.compute_with(reports, list(rewards.values()))
    found = values.columns(reports)
    metrics = {f"eval/{entry.name}/{label}": float(found[key][0]) for label, key in entry.reports}
    return EvalReport(metrics, samples_of(values, rewards), time.perf_counter() - began)


def adjusted(sampling: Sampling, settings: dict[str, Any]) -> Sampling:
    """A rollout's settings with those of the eval in their place."""
    given = {name: settings[name] for name in SAMPLING if name in settings}
    return replace(sampling, **given)


def rewards_within(values: Values, rewards: tuple[NamedValue, ...]) -> dict[str, NamedValue]:
    """The rewards that need no more rows and responses than there are."""
    finder = values.world.finder
    return {reward.name: reward for reward in rewards if finder.of([reward.key]).within(values.rows, values.tokens)}
