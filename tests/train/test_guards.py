"""Guards: what stop, skip and warn do, and that a guard without its values is silent."""

from __future__ import annotations

from pathlib import Path

import pytest

from rldsl.train.outcome import Ending
from tests.train.specs import GRPO, HEAD, ROLLOUT, TRAIN, lines_of, numbers_of, run, weights_of

MAIN = HEAD + ROLLOUT + GRPO + TRAIN


def events(folder: Path) -> list[tuple[str, int]]:
    """Kind and iteration of each event."""
    return [(line["event"], line["iteration"]) for line in lines_of(folder) if "event" in line]


@pytest.mark.slow
def test_stop_ends_the_run_with_its_own_status_and_a_checkpoint(tmp_path: Path) -> None:
    result = run(MAIN + "\nguard iteration() < 2 else stop\n", tmp_path)
    assert (result.ending, result.exit_status, result.iteration) == (Ending.STOPPED, 3, 2)
    assert "guard `iteration() < 2`" in result.message and "test.rl:" in result.message
    assert (tmp_path / "run/checkpoints/checkpoint-2").is_dir()
    assert (tmp_path / "run/report.html").is_file()
    again = run(MAIN + "\nguard iteration() < 2 else stop\n", tmp_path, resume=True)
    assert again.ending is Ending.STOPPED


@pytest.mark.slow
def test_skip_leaves_the_weights_as_they_are(tmp_path: Path) -> None:
    run(MAIN + "\nguard iteration() < 2 else skip\n", tmp_path, checkpoint_every=1)
    run(MAIN, tmp_path, out="short", stop_after=2)
    models = {name: data for name, data in weights_of(tmp_path / "run").items() if name.startswith("models")}
    assert models == {name: data for name, data in weights_of(tmp_path / "short").items() if name.startswith("models")}
    assert [("loss" in line) for line in numbers_of(tmp_path / "run")] == [True, True, False, False]
    assert events(tmp_path / "run")[:2] == [("guard", 2), ("guard", 3)]


def test_warn_is_logged_and_changes_nothing(tmp_path: Path) -> None:
    run(MAIN + "\nguard mean(correct) > 2 else warn\n", tmp_path)
    run(MAIN, tmp_path, out="plain")
    assert weights_of(tmp_path / "run") == weights_of(tmp_path / "plain")
    assert [kind for kind, _ in events(tmp_path / "run")] == ["guard"] * 4 + ["finished"]
    assert all("guard/mean(correct) > 2" in line for line in numbers_of(tmp_path / "run"))


def test_a_guard_on_a_rollout_is_silent_where_none_is_drawn(tmp_path: Path) -> None:
    text = HEAD + ROLLOUT + """
response shown = problems.answer given problems.question
objective imitation for actor { minimize nll: -mean(logp(actor, shown)) }
guard mean(correct) > 2 else stop
train { repeat 2 { draw 8 prompts  update actor with imitation { optimizer: adamw(lr: 1e-2) } } }
"""
    assert run(text, tmp_path).ending is Ending.FINISHED


@pytest.mark.wide(1)
@pytest.mark.parametrize(("divergence", "ending"), [("k1", Ending.FINISHED), ("k3", Ending.FINISHED)])
def test_guards_read_models_as_they_are_when_the_iteration_begins(tmp_path: Path, divergence: str, ending: Ending) -> None:
    text = MAIN + f"""
import std.divergence ({divergence})
policy ref = frozen(actor)
guard mean({divergence}(actor, ref, y)) < 1e-6 else warn
"""
    assert run(text.replace("import std.divergence (k3)\n", "", 1), tmp_path).ending is ending
    measures = [value for line in numbers_of(tmp_path / "run") for name, value in line.items() if name.startswith("guard/")]
    assert measures[0] == 0.0 and all(value != 0.0 for value in measures[1:])
