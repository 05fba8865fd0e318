"""What a run asks: only where a reward matters, and the log says where nobody was asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rldsl.data.load import load_data
from rldsl.graph.model import Foreign
from rldsl.rewards.outcome import Cost
from rldsl.rewards.run import Answers, HostCalls
from rldsl.rewards.signatures import Result
from rldsl.train.engine import load_models
from rldsl.train.failures import FailureBook
from rldsl.train.host import call_measures
from rldsl.train.needs import NeedFinder
from rldsl.train.rollout_log import Sample, read_rollouts
from rldsl.train.values import Scalars, Values
from rldsl.train.world import World
from rldsl.types import UNIT, Element
from tests.train.specs import (
    GRPO,
    HEAD,
    TASKS,
    TRAIN,
    lines_of,
    numbers_of,
    project_of,
    run,
    spec_of,
    weights_of,
)

COUNTED = TASKS + '''
def graded(text):
    with open("ASKED", "a") as file:
        file.write(text + "\\n")
    return len(text) / 16
'''
REWARDS = """
extern fn graded(text: Text) -> Real in [0, 1] = python("tasks:graded") { isolate: none }
rollout y ~ actor(problems.question) { samples: 4, max_tokens: 3 }
reward right = where(text.contains(y.text, "b"), 1, 0)
reward style = graded(y.text)
reward places = right * (0.5 + 0.5 * style)
"""


def trained(folder: Path, rewards: str = REWARDS, **arguments: object) -> tuple[list[Sample], list[str]]:
    """The samples of a run, and the texts that were graded."""
    tasks = COUNTED.replace("ASKED", str(folder / "asked"))
    run(HEAD + rewards + GRPO + TRAIN, folder, tasks=tasks, **arguments)  # type: ignore[arg-type]
    asked = (folder / "asked").read_text().split("\n")[:-1] if (folder / "asked").exists() else []
    return [sample for _, sample in read_rollouts(folder / str(arguments.get("out", "run")))], asked


@pytest.mark.slow
def test_a_factor_is_asked_where_its_gate_is_open_and_the_log_says_where_it_is_not(tmp_path: Path) -> None:
    samples, asked = trained(tmp_path)
    opened = [sample for sample in samples if sample.rewards["right"] == 1]
    assert 0 < len(opened) < len(samples)
    assert set(asked) == {sample.response for sample in opened}
    for sample in samples:
        spared = sample.rewards["right"] == 0
        assert sample.not_asked == (("style",) if spared else ()) and not sample.failed
        assert sample.rewards["style"] == (None if spared else len(sample.response) / 16)
        assert sample.rewards["places"] == (0.0 if spared else 0.5 + len(sample.response) / 32)


def test_the_mean_is_over_those_that_were_asked_and_their_share_is_logged(tmp_path: Path) -> None:
    samples, _ = trained(tmp_path)
    for number, line in enumerate(numbers_of(tmp_path / "run")):
        drawn = samples[32 * number:32 * (number + 1)]
        asked = [sample.rewards["style"] for sample in drawn if not sample.not_asked]
        assert line["rewards/style/asked"] == len(asked) / 32
        assert line["rewards/style/mean"] == pytest.approx(np.mean(asked))  # type: ignore[arg-type]
        assert "rewards/right/asked" not in line and "rewards/places/asked" not in line


@pytest.mark.slow
def test_a_reward_that_is_held_out_or_that_nothing_is_made_of_is_asked_everywhere(tmp_path: Path) -> None:
    looked_at = REWARDS.replace(" + 0.5 * style", "") + "reward seen = right * style\n"
    for name, rewards in (("out", looked_at.replace("reward style", "reward style held out")),
                          ("free", REWARDS.replace("+ 0.5 * style", ""))):
        samples, asked = trained(tmp_path / name, rewards)
        assert all(not sample.not_asked for sample in samples)
        assert set(asked) == {sample.response for sample in samples}
    samples, _ = trained(tmp_path / "part", looked_at)
    assert all(bool(sample.not_asked) == (sample.rewards["right"] == 0) for sample in samples)


class Paid:
    """Answers every function of the project, for money."""

    def result(self, operation: Foreign) -> Result:
        """A share."""
        return Result(Element.REAL, UNIT)

    def answer(self, operation: Foreign, columns: Sequence[list[Any]]) -> Answers:
        """Half of everything: a call, 30 tokens and a quarter for each item."""
        count = len(columns[0])
        return Answers([0.5] * count, {}, Cost(count, 20 * count, 10 * count, 0.25 * count), count)


def test_what_was_paid_is_logged_by_name_and_in_all(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    other = "extern fn other(text: Text) -> Real in [0, 1] = python(\"tasks:other\")\nreward more = other(y.text)\n"
    spec = spec_of(HEAD + REWARDS + other, project)
    rows = load_data(spec.data[0], project=project, seed=0).select(np.arange(4))
    with HostCalls(spec.externs, project, services={"extern": Paid()}) as host:
        world = World(spec, project, 0, {}, load_models(spec, project, 0), host, NeedFinder(spec), FailureBook(frozenset()))
        values = Values(world, {"problems": rows}, {"problems": np.arange(4)}, Scalars({}, {}, 0), ("test",))
        values.compute_with((), spec.rewards)
        style = int((values.column(spec.rewards[0].key) == 1).sum())  # 16 answers
        found = call_measures(values)
    costs = {name: value for name, value in found.items() if name.startswith("judge/")}
    assert costs == {"judge/style/calls": style, "judge/style/tokens": 30 * style, "judge/style/money": 0.25 * style,
                     "judge/more/calls": 16, "judge/more/tokens": 480, "judge/more/money": 4,
                     "judge/calls": 16 + style, "judge/tokens": 480 + 30 * style, "judge/money": 4 + 0.25 * style}
    assert {name for name in found if name.startswith("reward_time/")} == {"reward_time/style", "reward_time/more"}


def test_a_run_that_was_stopped_goes_on_exactly_although_not_everything_is_asked(tmp_path: Path) -> None:
    trained(tmp_path, stop_after=2)
    trained(tmp_path, resume=True)
    trained(tmp_path, out="whole")
    assert weights_of(tmp_path / "run") == weights_of(tmp_path / "whole")
    assert lines_of(tmp_path / "run")[-2:] == lines_of(tmp_path / "whole")[-2:]
