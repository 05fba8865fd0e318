"""Models that follow a trained one: averages after each optimizer step, stored versions of earlier iterations, both resumed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rldsl.graph.steps import Update
from rldsl.rollouts.models import LoadedModel
from rldsl.train.engine import Engine, load_models
from rldsl.train.outcome import Ending
from tests.train.specs import HEAD, ROLLOUT, lines_of, numbers_of, project_of, run, spec_of, weights_of

FOLLOWED = HEAD + ROLLOUT + """
import std.surrogate (clipped)
import std.divergence (k3)
import std.reference (mixture)
policy ref = ema(actor, rate: 0.25)
policy old = stored(actor, lag: 2)
policy last = stored(actor, lag: 1)
scorer rm from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"))
scorer slow = ema(rm, rate: 0.5)
let advantage = places - mean(places, per: prompt) + 0.1 * (score(slow, y) - mean(score(slow, y), per: prompt))
objective pg for actor {
  maximize surrogate: mean(clipped(exp(logp(actor, y) - y.logp), advantage, 0.8 .. 1.28))
  minimize pull: 0.1 * mean(k3(actor, ref, y)) + 0.1 * mean(kl(actor, old, y))
  minimize mixed: 0.1 * mean((logp(actor, y) - mixture(ref, last, y, 0.5)) ^ 2)
}
objective fit for rm { minimize error: mean((score(rm, y) - places) ^ 2) }
train { repeat 6 { draw 8 prompts
  update actor with pg { EVERY, optimizer: adamw(lr: 1e-2) }
  update rm with fit { optimizer: adamw(lr: 1e-2) }
  save } }
"""
ONE_STEP = FOLLOWED.replace("EVERY", "minibatch: 8 prompts")
TWO_STEPS = FOLLOWED.replace("EVERY", "minibatch: 4 prompts")
STEPS = 6


def saved(run_folder: Path, iteration: int, model: str) -> dict[str, torch.Tensor]:
    """The weights of a model after an iteration; before the first, those that it was loaded with."""
    return load_file(run_folder / f"checkpoints/checkpoint-{iteration}/models/{model}/model.safetensors")


def first(folder: Path, model: str) -> dict[str, torch.Tensor]:
    """As the run loads it."""
    module = load_models(spec_of(ONE_STEP, project_of(folder / "project")), folder / "project", 0)[model].module
    return {name: tensor.detach().clone() for name, tensor in module.named_parameters()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one optimizer step an iteration, every checkpoint kept."""
    folder = tmp_path_factory.mktemp("followed")
    run(ONE_STEP, folder)
    return folder


@pytest.mark.slow
@pytest.mark.wide(1)
@pytest.mark.parametrize(("model", "follower", "rate"), [("actor", "ref", 0.25), ("rm", "slow", 0.5)])
def test_an_average_is_the_decaying_mean_of_all_weights_since_the_start(finished: Path, model: str, follower: str,
                                                                       rate: float) -> None:
    """`(1 - r)^n w_0 + r sum_i (1 - r)^(n - i) w_i` in float64, against what was kept; and it is not the model itself."""
    begin = first(finished, model)
    for name, tensor in saved(finished / "run", STEPS, follower).items():
        wanted = (1 - rate) ** STEPS * begin[name].double()
        for step in range(1, STEPS + 1):
            wanted += rate * (1 - rate) ** (STEPS - step) * saved(finished / "run", step, model)[name].double()
        torch.testing.assert_close(tensor.double(), wanted, atol=1e-6, rtol=0)
    gap = max(float((tensor - saved(finished / "run", STEPS, model)[name]).abs().max())
              for name, tensor in saved(finished / "run", STEPS, follower).items())
    assert gap > 1e-3


@pytest.mark.parametrize(("follower", "lag"), [("last", 1), ("old", 2)])
def test_a_stored_version_is_the_policy_of_that_many_iterations_ago(finished: Path, follower: str, lag: int) -> None:
    """After iteration n it is what iteration n + 1 will read: the weights with which iteration n + 1 - lag began."""
    begin = first(finished, "actor")
    for iteration in range(1, STEPS + 1):
        source = iteration - lag
        wanted = begin if source <= 0 else saved(finished / "run", source, "actor")
        assert all(torch.equal(tensor, wanted[name]) for name, tensor in saved(finished / "run", iteration, follower).items())


def test_what_is_read_of_a_stored_version_is_the_old_policy(tmp_path: Path) -> None:
    """What `logp(last, …)` gives is what the policy gave an iteration earlier."""
    text = HEAD + """
policy last = stored(actor, lag: 1)
response shown = problems.answer given problems.question
state now: Real = 0
state before: Real = 0
now <- mean(logp(actor, shown))
before <- mean(logp(last, shown))
objective imitation for actor { minimize nll: -mean(logp(actor, shown)) }
train { repeat 4 { draw 48 prompts  update actor with imitation { optimizer: adamw(lr: 1e-2) } } }
"""
    run(text, tmp_path)
    lines = numbers_of(tmp_path / "run")
    assert lines[0]["state/before"] == lines[0]["state/now"]
    for earlier, later in zip(lines[:-1], lines[1:], strict=True):
        assert later["state/before"] == pytest.approx(earlier["state/now"], abs=1e-6)
        assert later["state/now"] > earlier["state/now"] + 1e-3


def test_an_average_moves_after_every_optimizer_step_whatever_the_gradient(tmp_path: Path) -> None:
    spec = spec_of(TWO_STEPS, project_of(tmp_path))
    models = load_models(spec, tmp_path, 0)
    engine = Engine(spec, models)
    update = next(step for step in spec.train[0].body if isinstance(step, Update) and step.model == "actor")  # type: ignore[union-attr]
    weight, averaged = (_weight(models[name]) for name in ("actor", "ref"))
    wanted = averaged.detach().double().clone()
    for _ in range(3):
        weight.grad = torch.ones_like(weight)
        engine.step(update, 0)
        wanted += 0.25 * (weight.detach().double() - wanted)
        engine.clear("actor")
    engine.step(update, 0)
    wanted += 0.25 * (weight.detach().double() - wanted)
    torch.testing.assert_close(averaged.detach().double(), wanted, atol=1e-6, rtol=0)
    assert averaged.grad is None and not averaged.requires_grad


def _weight(model: LoadedModel) -> torch.nn.Parameter:
    found: torch.nn.Parameter = model.body.layers[0].mlp.up_proj.weight
    return found


@pytest.mark.slow
@pytest.mark.parametrize("text", [ONE_STEP, TWO_STEPS], ids=["one step", "two steps"])
def test_a_run_with_followers_that_was_stopped_is_the_run_that_was_not(tmp_path: Path, text: str) -> None:
    run(text, tmp_path, out="whole")
    for place, stop in enumerate([1, 2, 1]):
        assert run(text, tmp_path, out="cut", resume=place > 0, stop_after=stop).ending is Ending.INTERRUPTED
    assert run(text, tmp_path, out="cut", resume=True).ending is Ending.FINISHED
    assert weights_of(tmp_path / "cut") == weights_of(tmp_path / "whole")
    assert lines_of(tmp_path / "cut") == lines_of(tmp_path / "whole")
    kept = weights_of(tmp_path / "whole").keys()
    assert {"trainer/start-old-0.safetensors", "trainer/start-old-1.safetensors", "trainer/start-last-0.safetensors"} <= kept


def test_a_reset_between_iterations_is_where_the_next_one_starts(tmp_path: Path) -> None:
    """So a stored version of it is the weights that were put there, not those that the update had left."""
    text = HEAD + """
policy home = frozen(actor)
policy last = stored(actor, lag: 1)
response shown = problems.answer given problems.question
objective imitation for actor { minimize nll: -mean(logp(actor, shown)) }
train {
  repeat 2 { draw 8 prompts  update actor with imitation { optimizer: adamw(lr: 1e-2) } }
  reset actor to home
  repeat 1 { draw 8 prompts  update actor with imitation { optimizer: adamw(lr: 1e-2) }  save }
}
"""
    run(text, tmp_path)
    last, home = (saved(tmp_path / "run", 3, name) for name in ("last", "home"))
    assert all(torch.equal(tensor, home[name]) for name, tensor in last.items())


def test_the_explanation_gives_the_rule(tmp_path: Path) -> None:
    run(ONE_STEP, tmp_path, stop_after=1)
    said = (tmp_path / "run/explain.json").read_text()
    assert "ref <- (1 - 0.25) ref + 0.25 actor, after each optimizer step of actor" in said
    assert "old = actor at the start of the iteration 2 back" in said
