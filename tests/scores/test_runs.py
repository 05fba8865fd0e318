"""The rollouts of a real run, scored again: what the run logged is what `rldsl score` says."""

from __future__ import annotations

from pathlib import Path

import pytest

import rldsl
from rldsl.train.rollout_log import read_rollouts
from tests.scores.conftest import column
from tests.train.specs import WHOLE, run

MORE = """
reward ended = where(y.finished, 1, 0)
reward size = y.length
"""


@pytest.mark.slow
def test_the_rollouts_of_a_run_have_the_rewards_that_it_logged(tmp_path: Path) -> None:
    run(WHOLE + MORE, tmp_path, seed=1)
    ordered = sorted((WHOLE + MORE).splitlines(), key=lambda line: not line.startswith("import"))
    report = rldsl.score("\n".join(ordered), tmp_path / "run", out=tmp_path / "scores", project=tmp_path / "project")
    logged = list(read_rollouts(tmp_path / "run"))
    assert report.count == len(logged) > 0
    for name in ("correct", "places", "ended", "size"):
        assert column(report, name) == [sample.rewards[name] for _, sample in logged]
    assert column(report, "prompt") == [sample.prompt for _, sample in logged]
    places = [(iteration, sample.prompt_index) for iteration, sample in logged]
    groups = column(report, "group")
    assert [groups[0] == group for group in groups] == [places[0] == place for place in places]
    assert report.groups == len(set(places))


@pytest.mark.slow
def test_what_a_run_does_not_log_is_said_and_evaluations_are_no_rollouts(tmp_path: Path) -> None:
    run(WHOLE, tmp_path, seed=1)
    ordered = sorted(WHOLE.splitlines(), key=lambda line: not line.startswith("import"))
    numbered = "\n".join([*ordered, "reward high = where(problems.number > 3, 1, 0)"])
    with pytest.raises(rldsl.scores.faults.ScoreError, match=r"(?s)no column `number`.*keeps the prompt and the target fields"):
        rldsl.score(numbered, tmp_path / "run", out=tmp_path / "none", project=tmp_path / "project")
    report = rldsl.score("\n".join(ordered), tmp_path / "run" / "rollouts", out=tmp_path / "scores", project=tmp_path / "project")
    assert report.count == len(list(read_rollouts(tmp_path / "run")))
    with pytest.raises(rldsl.scores.faults.ScoreError, match="there are no rollouts in"):
        rldsl.score("\n".join(ordered), tmp_path / "project", out=tmp_path / "other", project=tmp_path / "project")
