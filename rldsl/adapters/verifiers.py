"""Rewards of a spec as a rubric of verifiers: `SingleTurnEnv(dataset=…, rubric=rubric("mine.rl"))`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rldsl.scores.faults import ScoreError
from rldsl.scores.live import LiveScores, load_scores
from rldsl.scores.states import State

INSTALL: Final = "`pip install 'verifiers<0.2'`"
KEPT: Final = "rldsl"  # of a rollout's state: the values of its rewards


def rubric(spec: Path | str, reward: str | None = None, *, maps: Mapping[str, str] | None = None,
           overrides: Mapping[str, str] | None = None) -> Any:
    """A `verifiers.Rubric`: the reward with weight 1, every reward that it is made of with weight 0, for the metrics.

    `prompt`, `completion`, `answer`, `task` and what is in `info` are the columns; others by `maps` (`tests=info.tests`).
    Rollouts that are scored as a group are one batch, so that a reward may compare within it. verifiers takes an exception of
    a reward function for a 0: here scoring comes before its functions run, so that a failed call raises `ScoreError` out of
    `score_rollout` and `score_group`. Needs a version of verifiers that has `Rubric`.
    """
    try:
        import verifiers
        base = verifiers.Rubric
    except ImportError:
        raise ScoreError("verifiers is not installed", "its rubric is what is made here.", INSTALL) from None
    except AttributeError:
        version = getattr(verifiers, "__version__", "")
        raise ScoreError(f"verifiers {version} has no `Rubric`", "its later versions score otherwise.",
                         f"{INSTALL}, or let its own code ask `rldsl score --serve`") from None
    scores = load_scores(spec, reward, maps=maps, overrides=overrides, drawn=True).check()
    return _made(base, scores)


def _made(base: Any, scores: LiveScores) -> Any:
    class RewardGraph(base):  # type: ignore[misc]
        """Scores first, by one call for all rollouts; the functions of the rubric then read what was found."""

        async def score_rollout(self, state: Any, *more: Any, **others: Any) -> Any:
            if scores.meets_others:
                raise ScoreError(f"`{scores.reward.name}` depends on other completions", "one rollout is scored alone here.",
                                 "score by groups: `score_group`")
            await _score(scores, [state])
            return await super().score_rollout(state, *more, **others)

        async def score_group(self, states: Sequence[Any], *more: Any, **others: Any) -> Any:
            await _score(scores, states)
            return await super().score_group(states, *more, **others)

    names = [scores.reward.name, *sorted(scores.plan.rewards - {scores.reward.name})]
    return RewardGraph(funcs=[_reader(name) for name in names], weights=[1.0, *(0.0 for _ in names[1:])])


async def _score(scores: LiveScores, states: Sequence[Any]) -> None:
    """Off the event loop: verifiers, judges and child processes are waited for on a thread."""
    import asyncio
    scoring = await asyncio.to_thread(scores.score, [_row(state) for state in states])
    for state, value, entry in zip(states, scores.values_of(scoring), scoring.completions, strict=True):
        if value is None:
            raise ScoreError(f"`{scores.reward.name}` has no value for a completion", "verifiers has no absent reward.",
                             f"say in the spec what it is then: `({scores.reward.name}) else 0`")
        state[KEPT] = {name: float(number) if entry.states[name] == State.VALUE.word else float("nan")
                       for name, number in entry.values.items()
                       if name in scores.plan.rewards and not isinstance(number, list | str)}


def _row(state: Any) -> dict[str, Any]:
    info = state.get("info") or {}
    found = {name: state[name] for name in ("prompt", "completion", "answer", "task") if name in state}
    return {**(info if isinstance(info, Mapping) else {}), "info": info, **found}


def _reader(name: str) -> Callable[..., float]:
    def read(state: Any) -> float:
        return float(state[KEPT][name])

    read.__name__ = read.__qualname__ = name
    return read
