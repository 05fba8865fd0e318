"""A reward of a spec as TRL calls it: `GRPOTrainer(reward_funcs=reward_function("mine.rl"), …)`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rldsl.scores.faults import ScoreError
from rldsl.scores.live import load_scores

RewardFunction = Callable[..., list[float | None]]


def reward_function(spec: Path | str, reward: str | None = None, *, maps: Mapping[str, str] | None = None,
                    overrides: Mapping[str, str] | None = None) -> RewardFunction:
    """A function `(prompts, completions, **columns) -> list[float | None]`, named as the reward is; None is an absent reward,
    which TRL leaves out.

    Columns of the data set are the fields that the spec reads, by their names or by `maps`. A completion is a text, or a chat
    of one message. Completions of equal prompt and columns are one group: a reward that compares within a group sees those
    of one call, so that a process has to hold whole groups (`num_generations` divides the batch of each device). Raises
    `ScoreError` where a call has failed and the spec does not say what that means.
    """
    scores = load_scores(spec, reward, maps=maps, overrides=overrides, drawn=True).check()

    def call(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float | None]:
        return scores.values(rows_of(prompts, completions, columns))

    call.__name__ = call.__qualname__ = scores.reward.name
    call.__doc__ = f"`{scores.reward.name}` of {spec}."
    return call


def rows_of(prompts: Sequence[Any], completions: Sequence[Any], columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row for each completion. What is no list of their number (the trainer's state, its loggers) is no column."""
    count = len(completions)
    if len(prompts) != count:
        raise ScoreError(f"there are {len(prompts)} prompts and {count} completions", "each completion has a prompt.",
                         "hand over lists of one length")
    fields = {name: values for name, values in columns.items() if isinstance(values, list | tuple) and len(values) == count}
    return [{**{name: values[place] for name, values in fields.items()}, "prompt": prompts[place],
             "completion": completions[place]} for place in range(count)]
