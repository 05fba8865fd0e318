"""A run that was killed and resumed is the run that was not: the same weights to the bit, the same numbers."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from rldsl.train.outcome import Ending, RunError
from rldsl.train.rollout_log import read_file
from tests.train.specs import GRPO, HEAD, ROLLOUT, WHOLE, lines_of, project_of, run, weights_of

SPEC = HEAD + ROLLOUT + GRPO + """
policy ref = frozen(actor)
data unseen from python("tasks:problems", count: 12) { question: Text  answer: Text target  number: Int }
critic v from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"))
response shown = problems.answer given problems.question
state strength: Real in [0, 1] = 0.5
strength <- 0.9 * strength + 0.1 * mean(places)
objective imitation for actor { minimize nll: -strength * mean(logp(actor, shown)) }
objective values for v { minimize error: mean((value(v, y) - places) ^ 2) }
eval heldout on unseen { samples: 2 report mean(places) }
train {
  stage warm { repeat 4 { draw 8 prompts  update actor with imitation { optimizer: adamw(lr: 1e-2) } } }
  reset ref to actor
  evaluate heldout
  stage main { repeat 8 { draw 8 prompts
    update actor with grpo { minibatch: 4 prompts, epochs: 2, optimizer: adamw(lr: cosine(1e-2 -> 0, steps: 8)) }
    update v with values { optimizer: adamw(lr: 1e-2) }
    when mean(places) < 0.7 { update actor with imitation { optimizer: adamw(lr: 1e-3) } }
    every 3 { evaluate heldout  save } } }
}
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nothing happened to."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run(SPEC, folder)
    return folder / "run"


def everything(run_folder: Path) -> dict[str, Any]:
    """What two runs must have in common."""
    samples = {path.name: list(read_file(path)) for path in sorted((run_folder / "rollouts").glob("*.parquet"))}
    states = {path.parent.parent.name: json.loads(path.read_text()) for path in
              (run_folder / "checkpoints").glob("checkpoint-12/trainer/state.json")}
    for state in states.values():
        del state["metrics_bytes"], state["automatic"]
    return {"lines": lines_of(run_folder), "weights": weights_of(run_folder), "samples": samples, "states": states}


def disturbed(folder: Path, moments: list[float | str], text: str = SPEC) -> Path:
    """The same run, killed at each of the moments."""
    project = project_of(folder / "project")
    done = subprocess.run([sys.executable, "-m", "tests.train.killer", str(project), str(folder / "run"), text,
                           json.dumps(moments)], capture_output=True, text=True, timeout=570, check=False,
                          cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


@pytest.mark.slow
@pytest.mark.wide(1)
@pytest.mark.parametrize("stops", [[1, 2], [3, 4, 1, 1], [5]])
def test_stopping_between_iterations_changes_nothing(tmp_path: Path, undisturbed: Path, stops: list[int]) -> None:
    for place, stop in enumerate(stops):
        result = run(SPEC, tmp_path, resume=place > 0, stop_after=stop)
        assert (result.ending, result.exit_status) == (Ending.INTERRUPTED, 130)
    assert run(SPEC, tmp_path, resume=True).ending is Ending.FINISHED
    assert everything(tmp_path / "run") == everything(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("moments", [
    ["_fill:1", "write_manifest:2", "_put:1"],
    pytest.param(["write_atomically:3", "_put:2", "write_atomically:1", "write_manifest:3"], marks=pytest.mark.slow),
])
def test_a_kill_within_a_write_changes_nothing(tmp_path: Path, undisturbed: Path, moments: list[float | str]) -> None:
    assert everything(disturbed(tmp_path, moments)) == everything(undisturbed)


@pytest.mark.slow
def test_kills_at_random_moments_change_nothing(tmp_path: Path, undisturbed: Path) -> None:
    source = random.Random(0)
    moments: list[float | str] = [source.uniform(0.5, 3.0) for _ in range(3)]
    assert everything(disturbed(tmp_path, moments)) == everything(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_many_kills_at_random_moments_change_nothing(tmp_path: Path, undisturbed: Path, seed: int) -> None:
    source = random.Random(seed + 1)
    moments: list[float | str] = [source.uniform(0.2, 6.0) for _ in range(10)]
    assert everything(disturbed(tmp_path, moments)) == everything(undisturbed)


@pytest.mark.slow
def test_a_wish_to_stop_is_heard_after_the_iteration(tmp_path: Path, undisturbed: Path) -> None:
    project = project_of(tmp_path / "project")
    (tmp_path / "test.rl").write_text(SPEC)
    code = f"""
import sys
from pathlib import Path
import torch
from rldsl.train.runner import run_spec
from tests.train.specs import spec_of
torch.set_num_threads(1)
project = Path({str(project)!r})
spec = spec_of(Path({str(tmp_path / 'test.rl')!r}).read_text(), project)
result = run_spec(spec, project=project, out=Path({str(tmp_path / 'run')!r}), quiet=True)
print(result.message)
sys.exit(result.exit_status)
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
    metrics = tmp_path / "run/metrics.jsonl"
    while child.poll() is None and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGTERM)
    said, _ = child.communicate(timeout=300)
    assert child.returncode == 130 and "SIGTERM" in said
    assert run(SPEC, tmp_path, resume=True).ending is Ending.FINISHED
    assert everything(tmp_path / "run") == everything(undisturbed)


def test_a_finished_run_stays_finished(tmp_path: Path) -> None:
    run(WHOLE, tmp_path)
    before = weights_of(tmp_path / "run"), lines_of(tmp_path / "run")
    again = run(WHOLE, tmp_path, resume=True)
    assert again.ending is Ending.FINISHED and again.iteration == 4
    assert (weights_of(tmp_path / "run"), lines_of(tmp_path / "run")) == before


def test_comments_and_plans_may_change_before_a_run_goes_on(tmp_path: Path) -> None:
    run(WHOLE, tmp_path, stop_after=2)
    assert run(WHOLE + "\n# a remark\n\n\n", tmp_path, resume=True).ending is Ending.FINISHED


@pytest.mark.wide(2)
@pytest.mark.parametrize(("change", "said"), [
    ({"text": WHOLE.replace("1e-2", "2e-2")}, "was changed"),
    ({"text": WHOLE.replace("places - mean", "correct - mean")}, "was changed"),
    ({"overrides": {"beta": "0.2"}}, "was changed"),
    ({"seed": 5}, "`--seed 0`"),
    ({"backend": "torch"}, "`--backend numba`"),
])
def test_another_run_cannot_go_on_with_it(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    parameter = "\nparam beta: Real in [0, 1] = 0.1\n"
    text = WHOLE + parameter if "overrides" in change else WHOLE
    run(text, tmp_path, stop_after=1)
    with pytest.raises(RunError) as caught:
        run(**{"text": text, "folder": tmp_path, "resume": True, **change})
    assert said in caught.value.message and "cannot go on" in caught.value.message


def test_there_must_be_a_run_to_resume(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="holds no run"):
        run(WHOLE, tmp_path, resume=True)


def test_a_flipped_bit_in_the_newest_checkpoint_falls_back_to_the_one_before(tmp_path: Path) -> None:
    run(WHOLE, tmp_path, out="whole")
    run(WHOLE, tmp_path, checkpoint_every=1, stop_after=3)
    newest = tmp_path / "run/checkpoints/checkpoint-3/models/actor/model.safetensors"
    damaged = bytearray(newest.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    newest.write_bytes(damaged)
    assert run(WHOLE, tmp_path, resume=True, checkpoint_every=1).ending is Ending.FINISHED
    assert weights_of(tmp_path / "run") == weights_of(tmp_path / "whole")
