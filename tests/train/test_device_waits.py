"""A whole optimizer step of a run on a device that is not there: what goes up, what comes down, and who waits for it.

Emitted kernels are interpreted; models, heads, products of vectors and the optimizer go through tensors that say that they lie
on a GPU, so that a tensor of the host among them would be refused as it is there.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

pytest.importorskip("triton", reason="Triton is not installed")

from rldsl.emit.triton.load import interprets
from rldsl.kernels.workspace import Workspaces
from rldsl.rollouts.masters import Master, _handing_over
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.placement import Placement
from rldsl.train import loop
from rldsl.train.devices import Chosen
from rldsl.train.iteration import Iteration
from tests.train.specs import HEAD, ROLLOUT, run
from tests.train.test_vectors import HIDDEN, MATCHES, TASKS
from tests.train.test_waiting import CRITIC, TEXT
from tests.triton.pretended import DEVICE, Pretended, on_device, pretended

TRAIN = "train { repeat 2 { draw 2 prompts  update actor with main { optimizer: adamw(lr: 1e-2) } } }"
ADVANTAGE = "let advantage = places - mean(places, per: prompt)\n"
FORKS = HEAD + ROLLOUT + ADVANTAGE + """
objective main for actor {
  let spread = entropy(actor, y)
  maximize likelihood: mean(advantage * logp(actor, y), where: spread >= quantile(spread, 0.5))
}
""" + TRAIN.replace("lr: 1e-2)", "lr: 1e-2), micro_batch: 2 samples")
WITHIN = HEAD + ROLLOUT.replace("max_tokens: 3", "max_tokens: 3, top_p: 0.8") + ADVANTAGE + """
policy first = frozen(actor)
objective main for actor {
  maximize likelihood: mean(advantage * logp(actor, y, within: y.support))
  minimize change: 0.1 * mean(kl(actor, first, y, within: y.support))
}
""" + TRAIN
EMBEDDER = MATCHES + "train { repeat 2 { draw 6 rows from pairs  update enc with contrast { optimizer: adamw(lr: 1e-2) MICRO } } }"


class Over(Exception):
    """The update is done; the run need not go on."""


class Moving:
    """Tensors to the device; what several modules share they share there too."""

    def __init__(self) -> None:
        self.known: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, tensor: Tensor) -> Tensor:
        if id(tensor) not in self.known:
            found = on_device(tensor)
            is_weight = isinstance(tensor, nn.Parameter)
            self.known[id(tensor)] = tensor, nn.Parameter(found, tensor.requires_grad) if is_weight else found
        return self.known[id(tensor)][1]

    def module(self, module: nn.Module) -> None:
        """Its weights and buffers, in place."""
        for part in module.modules():
            for held in (part._parameters, part._buffers):
                held.update({name: None if tensor is None else self(tensor) for name, tensor in held.items()})

    def model(self, model: LoadedModel) -> None:
        """With its float32 weights, where there are some beside those that are computed with."""
        self.module(model.module)
        if model.master is None:
            return
        kept = model.master.module
        self.module(kept)
        named = dict(kept.named_parameters())
        pairs = [(named[name], parameter) for name, parameter in model.module.named_parameters()]
        for master, parameter in pairs:
            if parameter.requires_grad and not getattr(parameter, "_post_accumulate_grad_hooks", None):
                parameter.register_post_accumulate_grad_hook(_handing_over(master))
        object.__setattr__(model, "master", Master(kept, tuple(pair[0].detach() for pair in pairs),
                                                   tuple(pair[1].detach() for pair in pairs)))


def moved(iteration: Iteration, device: Pretended) -> None:
    """The models of a run and its kernels, to the device."""
    moving = Moving()
    for model in iteration.world.models.values():
        moving.model(model)
    iteration.engine.optimizers.clear()
    for objective in iteration.objectives.values():
        runner: Any = objective.compiled.runner
        functions = {name: device.launched(name, function) for name, function in vars(runner.module.functions).items()
                     if callable(function) and not isinstance(function, type)}
        runner.module = replace(runner.module, functions=SimpleNamespace(**functions))
        runner.device, runner.workspaces = DEVICE, Workspaces(DEVICE)
        runner.options = replace(runner.options, tile=(128, 4, 1))  # else compiled, to see whether it spills
        runner.forget_choices()


def asked(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch, placement: Placement, *, drawn: bool = False) -> Pretended:
    """Of the updates of the second iteration; `drawn`: of what goes before them, too."""
    begin, update = Iteration.prepare, Iteration.update
    found: list[Pretended] = []

    def prepared(iteration: Iteration, *arguments: Any) -> Any:
        if drawn and iteration.number == 1 and not found:
            found.append(held.enter_context(pretended(monkeypatch)))
            moved(iteration, found[0])
        return begin(iteration, *arguments)

    def updated(iteration: Iteration, *arguments: Any) -> int:
        if iteration.number == 0:
            return update(iteration, *arguments)
        if not drawn:
            found.append(held.enter_context(pretended(monkeypatch)))
            moved(iteration, found[0])
        update(iteration, *arguments)
        raise Over

    monkeypatch.setattr(loop.Iteration, "prepare", prepared)
    monkeypatch.setattr(loop.Iteration, "update", updated)
    with ExitStack() as held, pytest.raises(Over):
        run(text, folder, chosen=Chosen(placement, backend="triton"), stop_after=2, tasks=TASKS)
    return found[0]


@pytest.mark.slow
@pytest.mark.skipif(not interprets(), reason="launches kernels on tensors that only say that they lie on a GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
@pytest.mark.parametrize("text", [TEXT, CRITIC, HIDDEN, EMBEDDER.replace("MICRO", ""),
                                  EMBEDDER.replace("MICRO", ", micro_batch: 2 rows"), FORKS, WITHIN],
                         ids=["policy", "critic", "hidden states", "embedder", "embedder in parts", "two passes", "support"])
def test_an_update_waits_for_masks_and_then_for_its_numbers(text: str, dtype: torch.dtype, tmp_path: Path,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of the objective, ids that may lie outside of the vocabulary, the norm; then what is logged of reads."""
    device = asked(text, tmp_path, monkeypatch, Placement(dtype=dtype))
    waits = [place for place, entry in enumerate(device.asked) if entry.what == "wait"]
    assert device.waits[0] == "tolist" and "__float__" in device.waits
    assert set(device.waits) <= {"tolist", "__float__", "copy to the host"}
    assert not any(entry.what in ("launch", "product", "mask") for entry in device.asked[waits[0]:])
    assert len(device.masks) == (text in (HIDDEN, FORKS))  # an entropy or a divergence pulls at every row: nobody asks which
    assert text is not FORKS or device.masks == [True]  # the model computes the first run once more, for its gradient


@pytest.mark.slow
@pytest.mark.skipif(not interprets(), reason="launches kernels on tensors that only say that they lie on a GPU")
@pytest.mark.parametrize("text", [TEXT, CRITIC, HIDDEN, WITHIN], ids=["policy", "critic", "hidden states", "support"])
def test_what_goes_up_for_answers_and_scores_is_not_waited_for(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes down is asked for: who still goes on, what was drawn, scores, and numbers of the update."""
    device = asked(text, tmp_path, monkeypatch, Placement(), drawn=True)
    assert "product" in {entry.what for entry in device.asked}
    assert set(device.waits) <= {"tolist", "__float__", "__int__", "nonzero", "copy to the host"}, device.waits
