"""The watch over rewards: what shows that a reward is being gamed, of every reward, at every iteration, without being asked for.

Changes nothing that is trained, and asks nobody: of a reward NAME, over all that the iteration drew and somebody was asked for:

- `watch/NAME/length_correlation`: Pearson's correlation of its value with the tokens of the answer, over the answers of a rollout
  (a value finer than an answer: its mean over the answer);
- `watch/NAME/saturation`: of the ends of its range (as its type has it) the share of values that lie on the more frequent one:
  at 1 the reward tells no two answers apart;
- `watch/NAME/no_signal`: the share of groups of two answers or more in which all have the same value;
- `watch/NAME/disagreement`: where it is made of an ensemble (`each`), the standard deviation (over n) of the members of a place,
  averaged over the places, in the reward's own unit; of several ensembles the largest;
- `watch/NAME/drift`: where the spec has rewards that are held out: how far its mean has moved since the first `BASELINE` iterations
  in standard deviations, less the mean of the same over the held-out rewards. The deviation is that of Cohen's d: the root of the
  mean of the variances (over n) then and now; what has not moved at all has moved by 0. What is optimised rises and what is held
  out does not: that is the picture of a reward that is gamed. A held-out reward has no drift itself.

A number that is not defined (a constant reward, one answer) is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from rldsl.graph.model import Node, Reduce
from rldsl.graph.spec import NamedValue
from rldsl.train.measures import ZERO, group_axis, group_stds, mean_of
from rldsl.train.values import Values
from rldsl.types import NUMERIC, Level

Numbers: TypeAlias = npt.NDArray[np.float64]
Baseline: TypeAlias = dict[str, list[float]]
"""By reward: iterations so far, number of values, their mean, the sum of their squared distances from it."""

BASELINE: Final = 4  # iterations that what comes later is compared with


def watch_metrics(values: Values, rewards: Mapping[str, NamedValue], baseline: Baseline) -> dict[str, float]:
    """The numbers of one iteration. `baseline` is kept in the run's state, and grows here in the first iterations."""
    numeric = [reward for reward in rewards.values() if values.world.spec.graph[reward.key].type.element in NUMERIC]
    found: dict[str, float] = {}
    for reward in numeric:
        found |= {f"watch/{reward.name}/{kind}": value for kind, value in _of_one(values, reward) if not math.isnan(value)}
    return found | _drifts(values, numeric, baseline)


def _of_one(values: Values, reward: NamedValue) -> Iterator[tuple[str, float]]:
    node, numbers = values.world.spec.graph[reward.key], values.seen_numbers(reward.key)
    yield "length_correlation", _length_correlation(values, node, numbers)
    interval = node.type.interval
    yield "saturation", saturation(numbers, interval.low, interval.high)
    group = group_axis(values, node.type.axis)
    if group is not None:
        owners, count = values.layout.owners(node.type.axis.name, group.name), values.layout.size(group.name)
        spread = group_stds(numbers, owners, count)
        yield "no_signal", mean_of(np.where(np.isnan(spread), np.nan, (spread < ZERO).astype(np.float64)))
    ensembles = [disagreement(*_members(values, key)) for key in _ensembles(values, reward)]
    yield "disagreement", max((value for value in ensembles if not math.isnan(value)), default=math.nan)


# ------------------------------------------------------------------ one iteration
def correlation(x: Numbers, y: Numbers) -> float:
    """Pearson's, over the places where both are; NaN where one of them does not vary."""
    there = ~(np.isnan(x) | np.isnan(y))
    if there.sum() < 2:
        return math.nan
    dx, dy = x[there] - x[there].mean(), y[there] - y[there].mean()
    size = math.sqrt(float((dx * dx).sum())) * math.sqrt(float((dy * dy).sum()))
    return float((dx * dy).sum()) / size if size > ZERO * ZERO else math.nan


def saturation(x: Numbers, low: float, high: float) -> float:
    """The share of what is there at that end of a range where more of it is; NaN for a range without an end."""
    there = x[~np.isnan(x)]
    if not len(there) or (math.isinf(low) and math.isinf(high)):
        return math.nan
    close = ZERO * max(1.0, abs(low) if math.isfinite(low) else 0.0, abs(high) if math.isfinite(high) else 0.0)
    return max(float((there <= low + close).mean()), float((there >= high - close).mean()))


def disagreement(x: Numbers, owners: npt.NDArray[np.int64], count: int) -> float:
    """The standard deviation (over n) of the members of each place, averaged over the places with two or more."""
    there = ~np.isnan(x)
    sizes = np.bincount(owners[there], minlength=count).astype(np.float64)
    means = np.bincount(owners[there], x[there], minlength=count) / np.maximum(sizes, 1)
    squares = np.bincount(owners[there], (x[there] - means[owners[there]]) ** 2, minlength=count)
    return mean_of(np.where(sizes > 1, np.sqrt(squares / np.maximum(sizes, 1)), np.nan))


def _length_correlation(values: Values, node: Node, numbers: Numbers) -> float:
    axis = node.type.axis
    response = values.world.responses.get(axis.owner)
    if response is None or not response.is_sampled or not axis.is_within(response.sample_axis):
        return math.nan
    owners, count = values.layout.owners(axis.name, response.sample_axis.name), values.layout.size(response.sample_axis.name)
    return correlation(means_by(numbers, owners, count), values.response(response.name).lengths.astype(np.float64))


def means_by(x: Numbers, owners: npt.NDArray[np.int64], count: int) -> Numbers:
    """The mean of what is there in each place; NaN for none."""
    there = ~np.isnan(x)
    sizes = np.bincount(owners[there], minlength=count)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.bincount(owners[there], x[there], minlength=count) / sizes


def _ensembles(values: Values, reward: NamedValue) -> Sequence[int]:
    """The values of members that the reward reduces, or that it is itself."""
    graph = values.world.spec.graph
    below = [graph[key] for key in values.world.finder.of([reward.key]).keys]
    reduced = {node.inputs[0] for node in below if isinstance(node.operation, Reduce)} | {reward.key}
    return sorted(key for key in reduced if graph[key].type.axis.level is Level.MEMBER)


def _members(values: Values, key: int) -> tuple[Numbers, npt.NDArray[np.int64], int]:
    axis = values.world.spec.graph[key].type.axis
    assert axis.parent is not None
    return values.seen_numbers(key), values.layout.owners(axis.name, axis.parent.name), values.layout.size(axis.parent.name)


# ------------------------------------------------------------------ over iterations
def _drifts(values: Values, rewards: Sequence[NamedValue], baseline: Baseline) -> dict[str, float]:
    if not any(reward.held_out for reward in values.world.spec.rewards):
        return {}
    moved = {reward.name: _moved(values.seen_numbers(reward.key), baseline, reward.name) for reward in rewards}
    apart = mean_of([moved[reward.name] for reward in rewards if reward.held_out])
    found = {f"watch/{reward.name}/drift": moved[reward.name] - apart for reward in rewards if not reward.held_out}
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _moved(x: Numbers, baseline: Baseline, name: str) -> float:
    """How far the mean is from that of the first iterations, in their standard deviations; NaN while they last."""
    there = x[~np.isnan(x)]
    if not len(there):
        return math.nan
    iterations, count, average, squares = baseline.get(name, (0.0, 0.0, 0.0, 0.0))
    if iterations < BASELINE:
        own, total = float(there.mean()), count + len(there)
        squares += float(((there - own) ** 2).sum()) + (own - average) ** 2 * count * len(there) / total
        baseline[name] = [iterations + 1, total, average + (own - average) * len(there) / total, squares]
        return math.nan
    moved, deviation = float(there.mean()) - average, math.sqrt((squares / count + float(there.var())) / 2)
    if deviation <= ZERO:
        return 0.0 if abs(moved) <= ZERO else math.nan
    return moved / deviation
