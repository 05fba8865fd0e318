"""Several objectives train several models in one block: each its own, from values that were there before any of them moved."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load

from rldsl.train.engine import load_models
from rldsl.train.outcome import Ending
from tests.train.specs import HEAD, ROLLOUT, lines_of, numbers_of, run, spec_of, weights_of

MODELS = HEAD + ROLLOUT + """
critic v from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"))
scorer rm from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"))
policy teacher from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"), initial: 0.3)
let before = value(v, y)
let length = y.length / 3
let good = length + places + 0.1 * score(rm, y)
objective act for actor {
  maximize gain: mean(exp(logp(actor, y) - y.logp) * (good - before))
  minimize distance: mean(kl(teacher, actor, y))
}
objective estimate for v { minimize error: mean((value(v, y) - good) ^ 2) }
objective judge for rm { minimize error: mean((score(rm, y) - length) ^ 2) + 0.1 * mean(score(rm, y, per: token) ^ 2) }
"""
UPDATES = {"actor": "update actor with act", "v": "update v with estimate", "rm": "update rm with judge"}
# Steps that are linear in the gradient: another order of rows then changes weights by rounding alone.
OPTIMIZER = "{ optimizer: adamw(lr: 1e-1, epsilon: 100) }"


def block(*models: str, count: int = 1, settings: str = OPTIMIZER) -> str:
    """A train block that updates these models, in this order."""
    updates = "  ".join(f"{UPDATES[name]} {settings}" for name in models)
    return MODELS + f"train {{ repeat {count} {{ draw 8 prompts  {updates} }} }}\n"


def weights(run_folder: Path, model: str) -> dict[str, torch.Tensor]:
    """After the last iteration."""
    kept = weights_of(run_folder)
    return {name.split("/")[-1] + "/" + key: tensor for name, content in kept.items() if name.startswith(f"models/{model}/")
            for key, tensor in load(content).items()}


@pytest.mark.slow
def test_each_update_moves_its_own_model_as_if_it_were_alone(tmp_path: Path) -> None:
    """In one iteration, whatever the order: what objectives read of the others was read before the first update."""
    run(block("actor", "v", "rm"), tmp_path, out="together")
    run(block("rm", "v", "actor"), tmp_path, out="reversed")
    models = load_models(spec_of(block("actor"), tmp_path / "project"), tmp_path / "project", 0)
    start = {name: {key: tensor.detach() for key, tensor in model.module.named_parameters()} for name, model in models.items()}
    for name in UPDATES:
        run(block(name), tmp_path, out=f"{name} alone")
        alone = weights(tmp_path / f"{name} alone", name)
        moved = max(float((tensor - start[name][_own(key, start[name])]).abs().max()) for key, tensor in alone.items())
        assert moved > 1e-5
        for out in ("together", "reversed"):
            for key, tensor in weights(tmp_path / out, name).items():
                torch.testing.assert_close(tensor, alone[key], atol=1e-7, rtol=0)
        for other in UPDATES.keys() - {name}:
            assert all(torch.equal(tensor, start[other][_own(key, start[other])])
                       for key, tensor in weights(tmp_path / f"{name} alone", other).items())


def _own(key: str, parameters: dict[str, torch.Tensor]) -> str:
    """A tensor of a folder by its name in the module: the body and the head of a critic lie in two files."""
    file, name = key.split("/", 1)
    return next(found for found in (name, f"backbone.{name}", f"value_head.{name}")
                if found in parameters and (file == "value_head.safetensors") == found.startswith("value_head."))


def test_all_three_learn_and_are_logged_by_name(tmp_path: Path) -> None:
    settings = "{ minibatch: 4 prompts, optimizer: adamw(lr: 1e-2) }"
    assert run(block("actor", "v", "rm", count=25, settings=settings), tmp_path).ending is Ending.FINISHED
    lines = numbers_of(tmp_path / "run")
    assert {"loss/act", "loss/estimate", "loss/judge", "grad_norm/judge", "objective/distance"} <= lines[0].keys()
    for name in ("objective/distance", "loss/estimate", "loss/judge"):
        early, late = (sum(line[name] for line in part) / 5 for part in (lines[:5], lines[-5:]))
        assert late < 0.7 * early, name


@pytest.mark.slow
@pytest.mark.parametrize("stops", [[1, 2]])
def test_a_stopped_run_of_all_three_is_the_run_that_was_not(tmp_path: Path, stops: list[int]) -> None:
    text = block("actor", "v", "rm", count=5, settings="{ minibatch: 4 prompts, optimizer: adamw(lr: 1e-2) }")
    run(text, tmp_path, out="whole")
    for place, stop in enumerate(stops):
        run(text, tmp_path, out="cut", resume=place > 0, stop_after=stop)
    run(text, tmp_path, out="cut", resume=True)
    assert weights_of(tmp_path / "cut") == weights_of(tmp_path / "whole")
    assert lines_of(tmp_path / "cut") == lines_of(tmp_path / "whole")
