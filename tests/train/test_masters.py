"""Models computed in bf16 over float32 weights: small steps are not lost, checkpoints go on in either number format."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rldsl.graph.steps import Update
from rldsl.rollouts.placement import Placement
from rldsl.train.devices import Chosen
from rldsl.train.engine import Engine, load_models
from rldsl.train.outcome import Ending
from tests.train.specs import HEAD, ROLLOUT, WHOLE, numbers_of, project_of, run, spec_of, weights_of

BF16 = Chosen(Placement(dtype=torch.bfloat16))
SMALL_STEPS = WHOLE.replace("lr: 1e-2", "lr: 1e-6").replace("repeat 4", "repeat 8")
FOLLOWED = HEAD + ROLLOUT + """
policy ref = frozen(actor)
policy slow = ema(actor, rate: 0.001)
critic v from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("abcd>"))
objective values for v { minimize error: mean((value(v, y) - places) ^ 2) }
objective pg for actor { maximize gain: mean(logp(actor, y) * (places - 1)) - mean(logp(slow, y)) - mean(logp(ref, y)) }
train { repeat 3 { draw 8 prompts
  update actor with pg { micro_batch: 2 prompts, optimizer: adamw(lr: 1e-3) }
  update v with values { optimizer: adamw(lr: 1e-2) } } }
"""


def saved(run_folder: Path, iteration: int, model: str = "actor") -> dict[str, torch.Tensor]:
    """Weights of a checkpoint."""
    return load_file(run_folder / f"checkpoints/checkpoint-{iteration}/models/{model}/model.safetensors")


def engine_of(text: str, folder: Path, placement: Placement) -> Engine:
    """The models of a spec, as a run loads them."""
    project = project_of(folder / "models")
    spec = spec_of(text, project)
    return Engine(spec, load_models(spec, project, 0, placement))


def test_steps_that_a_bf16_weight_cannot_take_are_taken(tmp_path: Path) -> None:
    """A step of AdamW is about `lr` a weight: 1e-6, where neighbours of a bf16 weight of 0.04 are 2^-12 apart. Sixteen of them in
    bf16 move nothing but weights near 0; in float32 beside, they move all that have a gradient, by up to 1.6e-5."""
    run(SMALL_STEPS, tmp_path, chosen=BF16)
    before = dict(engine_of(SMALL_STEPS, tmp_path, BF16.placement).trained("actor"))
    after = saved(tmp_path / "run", 8)
    far = after["model.layers.0.mlp.up_proj.weight"] - before["model.layers.0.mlp.up_proj.weight"].detach()
    assert float(far.abs().median()) > 1e-6 and float(far.abs().max()) < 2e-5

    lost = before["model.layers.0.mlp.up_proj.weight"].detach().bfloat16().requires_grad_()
    start = lost.detach().clone()
    optimizer = torch.optim.AdamW([lost], lr=1e-6, weight_decay=0.0)
    for _ in range(16):
        lost.grad = torch.ones_like(lost)
        optimizer.step()
    moved = lost.detach() != start
    assert float(moved.float().mean()) < 0.05 and float(start[moved].abs().max() if moved.any() else 0.0) < 1e-3


def test_the_computed_weights_are_the_kept_ones_rounded_after_every_step(tmp_path: Path) -> None:
    engine = engine_of(WHOLE, tmp_path, BF16.placement)
    model = engine.models["actor"]
    update = next(step for step in engine.spec.train[0].body if isinstance(step, Update))  # type: ignore[union-attr]
    for _ in range(2):
        for _, weight in engine.trained("actor"):
            weight.grad = torch.ones_like(weight)
        engine.step(update, 0)
        for (name, kept), (other, computed) in zip(model.kept.named_parameters(), model.module.named_parameters(), strict=True):
            assert (name, computed.dtype, kept.dtype) == (other, torch.bfloat16, torch.float32)
            assert torch.equal(computed, kept.bfloat16())
        engine.clear("actor")


def test_gradients_of_micro_batches_add_up_in_float32(tmp_path: Path) -> None:
    """256 + 1 has no bf16: 257 times 1 would stand still at 256."""
    engine = engine_of(WHOLE, tmp_path, BF16.placement)
    model = engine.models["actor"]
    computed = next(iter(model.module.parameters()))
    for _ in range(300):
        computed.sum().backward()
    kept = dict(engine.trained("actor"))[next(iter(model.module.named_parameters()))[0]]
    assert computed.grad is None
    assert kept.grad is not None and kept.grad.dtype is torch.float32 and torch.equal(kept.grad, torch.full_like(kept, 300.0))
    engine.clear("actor")
    assert kept.grad is None


def test_followers_and_snapshots_of_a_bf16_policy(tmp_path: Path) -> None:
    """A frozen copy needs no second weights; an average moves by a thousandth of the way, which bf16 would lose; a critic
    is trained in float32."""
    engine = engine_of(FOLLOWED, tmp_path, BF16.placement)
    kinds = {name: (model.body.dtype, model.master is not None) for name, model in engine.models.items()}
    assert kinds == {"actor": (torch.bfloat16, True), "ref": (torch.bfloat16, False), "slow": (torch.bfloat16, True),
                     "v": (torch.bfloat16, True)}
    begin = {name: weight.detach().clone() for name, weight in engine.models["slow"].kept.named_parameters()}
    run(FOLLOWED, tmp_path, chosen=BF16)
    after, actor = saved(tmp_path / "run", 3, "slow"), saved(tmp_path / "run", 3)
    for name, weight in after.items():
        assert weight.dtype is torch.float32
        assert float((weight - begin[name]).abs().max()) < 0.01 * float((actor[name] - begin[name]).abs().max()) + 1e-12
    assert any(not torch.equal(weight, begin[name]) for name, weight in after.items())
    ref = saved(tmp_path / "run", 3, "ref")
    assert all(torch.equal(weight, begin[name].bfloat16()) for name, weight in ref.items())


@pytest.mark.slow
def test_a_bf16_run_that_was_stopped_ends_in_the_same_weights(tmp_path: Path) -> None:
    run(FOLLOWED, tmp_path, out="whole", chosen=BF16)
    assert run(FOLLOWED, tmp_path, chosen=BF16, stop_after=1).ending is Ending.INTERRUPTED
    assert run(FOLLOWED, tmp_path, chosen=BF16, resume=True).ending is Ending.FINISHED
    assert weights_of(tmp_path / "run") == weights_of(tmp_path / "whole")
    assert numbers_of(tmp_path / "run") == numbers_of(tmp_path / "whole")


def test_a_checkpoint_goes_on_in_another_number_format(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The optimizer and the trained weights are float32 in both; the line that says so is the only difference."""
    run(FOLLOWED, tmp_path, chosen=BF16, stop_after=1)
    first = saved(tmp_path / "run", 1)
    assert run(FOLLOWED, tmp_path, resume=True).ending is Ending.FINISHED
    assert "changed since the run began, so numbers may differ: dtype bf16 -> fp32" in capsys.readouterr().err
    last = saved(tmp_path / "run", 3)
    assert all(0 < float((last[name] - weight).abs().max()) < 1e-2 for name, weight in first.items())
