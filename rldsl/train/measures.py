"""The numbers that are logged of an iteration's values, under TRL's names. Computes rewards nowhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from rldsl.graph.spec import NamedValue
from rldsl.rollouts.tokens import ResponseTokens
from rldsl.train.failures import Unhandled
from rldsl.train.host import node_name, sample_at
from rldsl.train.needs import NeedFinder
from rldsl.train.values import Values
from rldsl.types import NUMERIC, Axis, Level

Numbers = npt.NDArray[np.float64]
ZERO: Final = 1e-9  # a group whose rewards differ by less says nothing


def check_rewards(values: Values, rewards: Iterable[NamedValue]) -> None:
    """Refuses rewards that are infinite: nothing can be learned from them."""
    for reward in rewards:
        node = values.world.spec.graph[reward.key]
        if node.type.element not in NUMERIC:
            continue
        numbers = values.seen_numbers(reward.key)
        wrong = np.flatnonzero(np.isinf(numbers))
        if len(wrong):
            raise Unhandled(f"{node_name(values, node)} is infinite for {len(wrong)} of {len(numbers)}\n"
                            f"  {sample_at(values, node, int(wrong[0]))}\n  bound it, for example with "
                            f"`clip(…, -10 .. 10)`, or guard the division or logarithm in it")


def check_inputs(values: Values, keys: Iterable[int]) -> None:
    """Refuses values that are no numbers although their type says that they are never absent."""
    for key in keys:
        node = values.world.spec.graph[key]
        wrong = np.flatnonzero(np.isnan(values.numbers(key)))
        if len(wrong) and not node.type.optional:
            raise Unhandled(f"{node_name(values, node)} is not a number for {len(wrong)} of {len(values.numbers(key))}\n"
                            f"  {sample_at(values, node, int(wrong[0]))}\n  an input was absent, or 0 was divided by 0; "
                            "write `else 0` or `else skip` where that may happen")


def reward_metrics(values: Values, rewards: Sequence[NamedValue]) -> dict[str, float]:
    """Mean and spread of each reward, over those places that were asked, and which share that is where some may not be;
    `reward` is the one that is learned from."""
    numeric = [reward for reward in rewards if values.world.spec.graph[reward.key].type.element in NUMERIC]
    found: dict[str, float] = {}
    for reward in numeric:
        numbers = values.seen_numbers(reward.key)
        found[f"rewards/{reward.name}/mean"], found[f"rewards/{reward.name}/std"] = mean_of(numbers), std_of(numbers)
        if values.may_be_unasked(reward.key):
            unasked = values.unasked(reward.key)
            found[f"rewards/{reward.name}/asked"] = 1.0 if unasked is None else 1.0 - float(unasked.mean())
    leading = leading_reward(values.world.finder, [reward for reward in numeric if not reward.held_out])
    return found if leading is None else {**found, **_leading(values, leading)}


def leading_reward(finder: NeedFinder, rewards: Sequence[NamedValue]) -> NamedValue | None:
    """Of the rewards that objectives depend on (of all, where they depend on none) the one that no other of them is made of; of
    several such the last."""
    learned = finder.of([term.key for objective in finder.spec.objectives for term in objective.terms]).keys
    found = [reward for reward in rewards if reward.key in learned] or list(rewards)
    whole = [reward for reward in found
             if not any(reward.key in finder.of([other.key]).keys for other in found if other.key != reward.key)]
    return whole[-1] if whole else None


def _leading(values: Values, reward: NamedValue) -> dict[str, float]:
    numbers, axis = values.seen_numbers(reward.key), values.world.spec.graph[reward.key].type.axis
    found = {"reward": mean_of(numbers)}
    group = group_axis(values, axis)
    if group is None:
        return {**found, "reward_std": std_of(numbers)}
    owners, count = values.layout.owners(axis.name, group.name), values.layout.size(group.name)
    spread = group_stds(numbers, owners, count)
    return {**found, "reward_std": mean_of(spread), "frac_reward_zero_std": mean_of(np.where(
        np.isnan(spread), np.nan, (spread < ZERO).astype(np.float64)))}


def group_axis(values: Values, axis: Axis) -> Axis | None:
    """The prompts of the samples that a reward is given to."""
    response = values.world.responses.get(axis.owner)
    if response is None or not response.is_sampled or axis.level < Level.SAMPLE:
        return None
    return response.prompt_axis


def group_stds(numbers: Numbers, owners: npt.NDArray[np.int64], count: int) -> Numbers:
    """Standard deviation (n - 1) of each group's present values; NaN for fewer than two."""
    there = ~np.isnan(numbers)
    sizes = np.bincount(owners[there], minlength=count).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.bincount(owners[there], numbers[there], minlength=count) / sizes
        squares = np.bincount(owners[there], (numbers[there] - means[owners[there]]) ** 2, minlength=count)
        return np.where(sizes > 1, np.sqrt(squares / np.maximum(sizes - 1, 1)), np.nan)


def response_metrics(rollouts: Mapping[str, ResponseTokens]) -> dict[str, float]:
    """Lengths of sampled answers; with several rollouts those of the first, and of each under its name."""
    found: dict[str, float] = {}
    for index, (name, tokens) in enumerate(rollouts.items()):
        lengths = {"mean_length": float(tokens.lengths.mean()), "min_length": float(tokens.lengths.min()),
                   "max_length": float(tokens.lengths.max()), "clipped_ratio": 1.0 - float(tokens.finished.mean())}
        if index == 0:
            found.update((f"completions/{kind}", value) for kind, value in lengths.items())
        if len(rollouts) > 1:
            found.update((f"completions/{name}/{kind}", value) for kind, value in lengths.items())
    return found


def mean_of(numbers: Numbers | Sequence[float]) -> float:
    """Mean of what is there; NaN of nothing."""
    there = np.asarray(numbers, dtype=np.float64)
    there = there[~np.isnan(there)]
    return float(there.mean()) if len(there) else math.nan


def std_of(numbers: Numbers) -> float:
    """Standard deviation (n - 1) of what is there; NaN for fewer than two."""
    there = numbers[~np.isnan(numbers)]
    return float(there.std(ddof=1)) if len(there) > 1 else math.nan


def means_of(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each name over several updates."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: mean_of([part[name] for part in parts if name in part]) for name in names}


def without_absent(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """NaN as None: a number that is absent."""
    return {name: None if math.isnan(value) else value for name, value in metrics.items()}
