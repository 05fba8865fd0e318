"""The watch over rewards: what is logged of each at every iteration, and that it goes on after a stop as if there was none."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from rldsl.train.watch import BASELINE, correlation, disagreement, means_by, saturation
from tests.train.specs import GRPO, HEAD, ROLLOUT, TRAIN, numbers_of, run

MAIN = HEAD + ROLLOUT + GRPO + TRAIN.replace("repeat 4", "repeat 6")
NAN = math.nan


def array(*values: float) -> np.ndarray:
    """Numbers as rewards are held."""
    return np.array(values, dtype=np.float64)


def test_a_correlation_is_that_of_numpy_over_what_is_there() -> None:
    x, y = np.random.default_rng(0).normal(size=(2, 50))
    assert correlation(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert correlation(array(1, 2, NAN, 4), array(2, 4, 9, 8)) == pytest.approx(1)
    assert math.isnan(correlation(array(1, 1), array(1, 2)))
    assert math.isnan(correlation(array(1, NAN), array(1, 2)))


def test_saturation_is_the_share_at_the_more_frequent_end() -> None:
    assert saturation(array(0, 1, 1, 0.5), 0, 1) == 0.5
    assert saturation(array(0, 0, 1, NAN), 0, 1) == pytest.approx(2 / 3)
    assert saturation(array(0, 3), 0, math.inf) == 0.5
    assert math.isnan(saturation(array(0, 3), -math.inf, math.inf))
    assert math.isnan(saturation(array(NAN), 0, 1))


def test_members_disagree_by_their_deviation_at_each_place() -> None:
    owners = np.array([0, 0, 1, 1, 2, 2])
    # 1, 0, and a place with one member
    assert disagreement(array(1, 3, 5, 5, 7, NAN), owners, 3) == 0.5
    assert means_by(array(1, 3, 5, 6, NAN, NAN), owners, 3).tolist()[:2] == [2, 5.5]
    assert math.isnan(means_by(array(1, 3, 5, 6, NAN, NAN), owners, 3)[2])


def test_every_reward_is_watched_without_being_asked_for(tmp_path: Path) -> None:
    run(MAIN, tmp_path)
    lines = numbers_of(tmp_path / "run")
    assert any("watch/places/length_correlation" in line for line in lines)
    for line in lines:
        varies = line["rewards/places/std"] > 0 and line["completions/min_length"] < line["completions/max_length"]
        assert ("watch/places/length_correlation" in line) == varies
        assert -1 <= line.get("watch/places/length_correlation", 0) <= 1
        assert 0 <= line["watch/places/no_signal"] <= 1
        assert 0 < line["watch/correct/saturation"] <= 1
        assert not any(name.endswith(("/drift", "/disagreement")) for name in line)
        mean = line["rewards/correct/mean"]
        assert line["watch/correct/saturation"] == pytest.approx(max(mean, 1 - mean))  # of 0 and 1
        assert line["watch/places/no_signal"] == pytest.approx(line["frac_reward_zero_std"])


@pytest.mark.slow
def test_a_reward_that_is_the_length_correlates_with_it(tmp_path: Path) -> None:
    run(MAIN + "\nreward long held out = y.length / 3\nreward short held out = where(y.length > 0, 1 / y.length, 1)\n", tmp_path)
    seen = [line for line in numbers_of(tmp_path / "run") if "watch/long/length_correlation" in line]
    assert seen
    for line in seen:
        assert line["watch/long/length_correlation"] == pytest.approx(1)
        assert line["watch/short/length_correlation"] < -0.8


def test_drift_is_measured_against_what_is_held_out_and_goes_on_after_a_stop(tmp_path: Path) -> None:
    text = MAIN + '\nreward honest held out = text.contains(y.text, "a") * 1.0\n'
    run(text, tmp_path)
    lines = numbers_of(tmp_path / "run")
    assert [("watch/places/drift" in line, "watch/honest/drift" in line) for line in lines] == \
        [(False, False)] * BASELINE + [(True, False)] * 2
    # groups of one size: pooled over the first iterations, each mean and deviation counts alike
    start = {name: [line[f"rewards/{name}/mean"] for line in lines[:BASELINE]] for name in ("places", "honest")}
    count = 32  # answers of an iteration

    def moved(name: str, line: dict[str, float]) -> float:
        squares = [(count - 1) * early[f"rewards/{name}/std"] ** 2 + count * early[f"rewards/{name}/mean"] ** 2
                   for early in lines[:BASELINE]]
        mean = float(np.mean(start[name]))
        then, now = sum(squares) / (BASELINE * count) - mean ** 2, line[f"rewards/{name}/std"] ** 2 * (count - 1) / count
        deviation = math.sqrt((then + now) / 2)
        return (line[f"rewards/{name}/mean"] - mean) / deviation

    for line in lines[BASELINE:]:
        assert line["watch/places/drift"] == pytest.approx(moved("places", line) - moved("honest", line), abs=1e-9)
    run(text, tmp_path, out="again", stop_after=2)
    run(text, tmp_path, out="again", resume=True)
    assert numbers_of(tmp_path / "again") == lines


def test_what_is_held_out_and_never_moves_has_moved_by_nothing(tmp_path: Path) -> None:
    run(MAIN + '\nreward never held out = text.contains(y.text, "?") * 1.0\n', tmp_path)
    lines = numbers_of(tmp_path / "run")
    assert all("watch/places/drift" in line for line in lines[BASELINE:])


@pytest.mark.slow
def test_an_ensemble_is_watched_for_disagreement(tmp_path: Path) -> None:
    run(MAIN + "\nreward worst = min(each(correct, places, 0.5 * places), per: sample)\n", tmp_path)
    for line in numbers_of(tmp_path / "run"):
        assert 0 <= line["watch/worst/disagreement"] <= 0.5
        assert "watch/places/disagreement" not in line


def test_the_report_has_a_chapter_for_it(tmp_path: Path) -> None:
    run(MAIN + '\nreward honest held out = text.contains(y.text, "a") * 1.0\n', tmp_path)
    report = (tmp_path / "run/report.html").read_text()
    assert "Is a reward being gamed?" in report
    assert "drift from what is held out" in report or "watch/places/drift" in report
    assert "watch/places/length_correlation" in report


@pytest.mark.slow
def test_guards_read_the_same_as_expressions(tmp_path: Path) -> None:
    text = "import std.watch (correlation, saturation)\n" + MAIN + """
guard correlation(places, y.length) <= 1 else warn
guard saturation(correct, 0, 1) < 0.01 else stop
"""
    result = run(text, tmp_path)
    assert "saturation(correct, 0, 1) < 0.01" in result.message
    text = "import std.watch (correlation)\n" + MAIN + "\nguard correlation(places, y.length) <= 2 else stop\n"
    assert run(text, tmp_path, out="whole").iteration == 6
    lines = [line for line in numbers_of(tmp_path / "whole") if line["guard/correlation(places, y.length) <= 2"] is not None]
    assert lines
    for line in lines:
        assert line["guard/correlation(places, y.length) <= 2"] == pytest.approx(line["watch/places/length_correlation"], abs=1e-6)


def test_what_nobody_was_asked_for_is_left_out(tmp_path: Path) -> None:
    run(MAIN + "\nreward strict = verify.regex(y.text, \"a.*\", match: whole) else 0\n"
        "reward gated = text.starts_with(y.text, \"a\") * strict\n", tmp_path)
    for line in numbers_of(tmp_path / "run"):
        if "watch/strict/saturation" in line:
            assert line["watch/strict/saturation"] == 1  # it is asked where it is sure to hold
