"""The models of a run and the optimizers of those that are trained: stepping, resetting, keeping. Computes no gradient.

Each model has one optimizer. It lasts from update to update, whatever the objective, and begins anew with each `stage`:
what the moments know of imitation is nothing that reinforcement should start from.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from rldsl.graph.spec import Invocation, ModelSpec, Role, Spec
from rldsl.graph.steps import Update
from rldsl.rewards.judging.signatures import as_policy
from rldsl.rollouts.models import LoadedModel, load_model
from rldsl.rollouts.placement import CPU, Placement
from rldsl.rollouts.signatures import ModelError
from rldsl.rollouts.weights import copy_weights, load_weights, save_model
from rldsl.train.checkpoint import LoadedCheckpoint
from rldsl.train.followers import Followers
from rldsl.train.optimizer_state import load_optimizer, save_optimizer
from rldsl.train.outcome import RunError, place_of
from rldsl.train.schedule import number_at
from rldsl.train.world import root_model

BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True, slots=True)
class StepReport:
    """What an optimizer step did. `moved` is False where the gradient was exactly 0: nothing was to be learned."""

    gradient_norm: float
    rate: float
    moved: bool


@dataclass(slots=True)
class Engine:
    """`models` by name; other roles of the same weights share a module with their root."""

    spec: Spec
    models: Mapping[str, LoadedModel]
    optimizers: dict[str, torch.optim.Optimizer] = field(default_factory=dict)
    followers: Followers = field(init=False)

    def __post_init__(self) -> None:
        self.followers = Followers(self.spec, self.models)

    def trained(self, model: str) -> list[tuple[str, Tensor]]:
        """The parameters that an update of a model moves, by name: in float32, whatever they are computed in."""
        module = self.models[root_model(self.spec, model)].kept
        return [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]

    def clear(self, model: str) -> None:
        """No gradients."""
        for parameter in self.models[root_model(self.spec, model)].module.parameters():
            parameter.grad = None
        for _, kept in self.trained(model):
            kept.grad = None

    def gradient_norm(self, model: str) -> Tensor:
        """The Euclidean norm of the gradient of a model, where it is computed: nobody waits for it here."""
        return total_norm(self._gradients(model))

    def step(self, update: Update, passes: int, norm: float | None = None) -> StepReport:
        """Clip and step, after `passes` passes of the enclosing `repeat`; averages of the model follow. A gradient that is
        not finite is refused. `norm` is its norm, where that is known."""
        settings = dict(update.settings)
        norm = float(self.gradient_norm(update.model)) if norm is None else norm
        if not math.isfinite(norm):
            raise NotFinite(f"the norm of the gradient is {norm}")
        limit = settings.get("clip_gradient")
        if isinstance(limit, int | float) and norm > limit:
            torch._foreach_mul_(self._gradients(update.model), float(limit) / norm)
        call = settings["optimizer"]
        assert isinstance(call, Invocation)
        rate = number_at(call.get("lr"), passes)
        if norm > 0:
            self._prepared(update.model, call, rate).step()
            self.models[root_model(self.spec, update.model)].settle()
        self.followers.after_step(root_model(self.spec, update.model))
        return StepReport(norm, rate, norm > 0)

    def reset(self, model: str, to: str) -> None:
        """Copy the weights of `to` into `model`."""
        copy_weights(self.models[to], self.models[model])

    def begin_stage(self) -> None:
        """Moments of the stage before are forgotten."""
        self.optimizers.clear()

    def _gradients(self, model: str) -> list[Tensor]:
        return [parameter.grad for _, parameter in self.trained(model) if parameter.grad is not None]

    def _prepared(self, model: str, call: Invocation, rate: float) -> torch.optim.Optimizer:
        root = root_model(self.spec, model)
        if root not in self.optimizers:
            self.optimizers[root] = new_optimizer(self.trained(root))
        optimizer = self.optimizers[root]
        betas, epsilon, decay = call.get("betas"), call.get("epsilon", EPSILON), call.get("weight_decay", 0.0)
        for group in optimizer.param_groups:
            group["lr"], group["eps"], group["weight_decay"] = rate, epsilon, decay
            group["betas"] = tuple(betas) if isinstance(betas, tuple) else BETAS
        return optimizer

    # ------------------------------------------------------------------ keeping
    def write(self, folder: Path) -> None:
        """Into a checkpoint's folder: each model that has weights of its own, each optimizer."""
        for name in self._roots():
            save_model(self.models[name], folder / "models" / name)
        for name, optimizer in self.optimizers.items():
            save_optimizer(optimizer, folder / "trainer" / f"optimizer-{name}.safetensors")
        self.followers.write(folder / "trainer")

    def read(self, checkpoint: LoadedCheckpoint) -> None:
        """What `write` wrote, to the bit."""
        for name in self._roots():
            load_weights(self.models[name], checkpoint.model(name))
        self.optimizers.clear()
        for name in self._roots():
            path = checkpoint.trainer / f"optimizer-{name}.safetensors"
            if path.is_file():
                self.optimizers[name] = new_optimizer(self.trained(name))
                load_optimizer(self.optimizers[name], path)
        self.followers.read(checkpoint.trainer)

    def _roots(self) -> Iterable[str]:
        return [entry.name for entry in self.spec.models if entry.name in self.models and not entry.shares_weights]


class NotFinite(Exception):
    """A loss or a gradient that must not reach the weights."""


def load_models(spec: Spec, project: Path, seed: int, placement: Placement = CPU) -> dict[str, LoadedModel]:
    """Every policy, critic, scorer and embedder of the spec. A judge is loaded where it is first asked, unless answers are drawn
    from it or it is made from a model that is here: then it is here too, as the policy that it is, and kept in checkpoints."""
    models: dict[str, LoadedModel] = {}
    drawn = {response.model for response in spec.responses}
    for entry in spec.models:
        if entry.role is not Role.JUDGE:
            models[entry.name] = _load(spec, entry, models, project, seed, placement)
        elif entry.name in drawn or entry.base in models:
            models[entry.name] = _load(spec, as_policy(entry), models, project, seed, placement)
    return models


def _load(spec: Spec, entry: ModelSpec, models: Mapping[str, LoadedModel], project: Path, seed: int,
          placement: Placement) -> LoadedModel:
    base = models[entry.base] if entry.base is not None else None
    try:
        return load_model(entry, seed=seed, base=base, root=project, placement=placement)
    except ModelError as fault:
        raise RunError(f"{place_of(spec, entry.span)}: {entry.role} `{entry.name}`: {fault.message}") from fault


def new_optimizer(named: list[tuple[str, Tensor]]) -> torch.optim.Optimizer:
    """AdamW (decoupled weight decay; Loshchilov and Hutter 2019); its settings are put before each step."""
    fused = all(parameter.dtype is torch.float32 for _, parameter in named)
    return torch.optim.AdamW(named, lr=0.0, betas=BETAS, eps=EPSILON, weight_decay=0.0, fused=fused)


def total_norm(gradients: list[Tensor]) -> Tensor:
    """The Euclidean norm of all gradients together, a number where they are."""
    if not gradients:
        return torch.zeros(())
    norms = torch._foreach_norm([gradient.float() for gradient in gradients])
    found: Tensor = torch.linalg.vector_norm(torch.stack(list(norms)))
    return found
