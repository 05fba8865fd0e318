"""A reward of a spec as verl calls it: `reward.custom_reward_function.path` and `name`, one completion at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from rldsl.resolve.names import listed
from rldsl.scores.columns import GROUND_TRUTH
from rldsl.scores.faults import ScoreError
from rldsl.scores.live import Scored, load_scores
from rldsl.scores.plan import Plan
from rldsl.scores.states import State

COLUMNS: Final = ("data_source", "completion", "reward_model.ground_truth")
"""What verl hands over beside `extra_info`, as `--map` writes it."""

ComputeScore = Callable[..., dict[str, Any]]


def compute_score(spec: Path | str, reward: str | None = None, *, maps: Mapping[str, str] | None = None,
                  overrides: Mapping[str, str] | None = None) -> ComputeScore:
    """A function `(data_source, solution_str, ground_truth, extra_info=None, **more) -> dict` with the reward as `score`, and
    every reward that it is made of by name (NaN where it has no value), which verl logs.

    The fields of the spec are found as `rldsl score` finds them in verl's rows: an `answer` is `reward_model.ground_truth`,
    others by `maps` (`question=extra_info.question`). A reward that compares completions is refused, since verl hands over
    one at a time. verl has no absent reward: one without a value raises `ScoreError`, as a failed one does.
    """
    scores = load_scores(spec, reward, maps=maps, overrides=overrides, drawn=True).check()
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


def check_columns(plan: Plan, maps: Mapping[str, str]) -> None:
    """Raises `ScoreError` where a field is read from what verl does not hand to a reward function."""
    known = (*COLUMNS, "extra_info.NAME")
    for field, column in maps.items():
        if column not in COLUMNS and not column.startswith(("extra_info.", f"{COLUMNS[-1]}.")):
            raise ScoreError(f"verl hands over no column `{column}`",
                             f"`--map {field}={column}` names it; there are {listed(known)}.",
                             f"`--map {field}={COLUMNS[-1] if column in GROUND_TRUTH else f'extra_info.{column}'}`", exit_status=2)
    owner = plan.data.name if plan.data is not None else ""
    for name in (entry.name for entry in plan.fields):
        if name not in maps and f"{owner}.{name}" not in maps and name not in (*COLUMNS, *GROUND_TRUTH):
            raise ScoreError(f"verl hands over no column `{name}`", f"the spec reads `{owner}.{name}`; there are {listed(known)}.",
                             f"`--map {name}=extra_info.{name}`", exit_status=2)


def _numbers(scored: Scored, rewards: frozenset[str]) -> dict[str, float]:
    """The parts of a reward: of one kind in each row, as verl asks."""
    return {name: float(value) if scored.states[name] == State.VALUE.word else math.nan
            for name, value in scored.values.items() if name in rewards and not isinstance(value, list | str)}
