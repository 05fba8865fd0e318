"""A reward of a spec as verl calls it: `reward.custom_reward_function.path` and `name`, one completion at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rldsl.scores.faults import ScoreError
from rldsl.scores.live import Scored, load_scores
from rldsl.scores.states import State

ComputeScore = Callable[..., dict[str, Any]]


def compute_score(spec: Path | str, reward: str | None = None, *, maps: Mapping[str, str] | None = None,
                  overrides: Mapping[str, str] | None = None) -> ComputeScore:
    """A function `(data_source, solution_str, ground_truth, extra_info=None, **more) -> dict` with the reward as `score`, and
    every reward that it is made of by name (NaN where it has no value), which verl logs.

    The fields of the spec are found as `rldsl score` finds them in verl's rows: an `answer` is `reward_model.ground_truth`,
    others by `maps` (`question=extra_info.question`). A reward that compares completions is refused, since verl hands over
    one at a time. verl has no absent reward: one without a value raises `ScoreError`, as a failed one does.
    """
    scores = load_scores(spec, reward, maps=maps, overrides=overrides)
    name = scores.reward.name
    if scores.meets_others:
        scores.close()
        raise compares(name)

    def call(data_source: Any, solution_str: str, ground_truth: Any, extra_info: Any = None, **more: Any) -> dict[str, Any]:
        row = {"data_source": data_source, "completion": solution_str, "reward_model": {"ground_truth": ground_truth},
               "extra_info": extra_info or {}, **more}
        scoring = scores.score([row])
        value, = scores.values_of(scoring)
        if value is None:
            raise ScoreError(f"`{name}` has no value for a completion", "verl has no absent reward.",
                             f"say in the spec what it is then: `({name}) else 0`")
        return {"score": value, **_numbers(scoring.completions[0], scores.plan.rewards)}

    call.__name__ = call.__qualname__ = "compute_score"
    call.__doc__ = f"`{name}` of {spec}."
    return call


def compares(name: str) -> ScoreError:
    """Why verl cannot be given a reward."""
    return ScoreError(f"`{name}` depends on other completions", "verl hands over one completion at a time.",
                      "take a reward that it is made of, and let verl's advantage compare")


def _numbers(scored: Scored, rewards: frozenset[str]) -> dict[str, float]:
    """The parts of a reward: of one kind in each row, as verl asks."""
    return {name: float(value) if scored.states[name] == State.VALUE.word else math.nan
            for name, value in scored.values.items() if name in rewards and not isinstance(value, list | str)}
