"""Moves weights: from one model into another, to and from folders in Hugging Face layout. Exact, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from rldsl.rollouts.critics import Critic, load_critic, load_value_head, save_critic
from rldsl.rollouts.folders import check_loaded, silently
from rldsl.rollouts.models import LoadedModel
from rldsl.rollouts.signatures import ModelError


@torch.no_grad()
def copy_weights(source: LoadedModel, target: LoadedModel) -> None:
    """Makes `target`'s weights those of `source`, as `reset ref to actor` says. Both need the same shapes."""
    given, taken = dict(_tensors(source.kept)), dict(_tensors(target.kept))
    different = [name for name in {**given, **taken}
                 if name not in given or name not in taken or given[name].shape != taken[name].shape]
    if different:
        raise ModelError(f"the weights of `{source.name}` do not fit `{target.name}`: they differ in {different[0]}"
                         f"{f' and {len(different) - 1} more' if len(different) > 1 else ''}")
    for name, tensor in taken.items():
        tensor.copy_(given[name])
    target.settle()


@torch.no_grad()
def average_weights(source: LoadedModel, target: LoadedModel, rate: float) -> None:
    """`target <- (1 - rate) target + rate source`, number by number."""
    given = dict(source.kept.named_parameters())
    for name, tensor in target.kept.named_parameters():
        tensor.lerp_(given[name].to(tensor.dtype), rate)
    target.settle()


@torch.no_grad()
def weights_now(model: LoadedModel) -> dict[str, torch.Tensor]:
    """A copy of a model's weights, on the CPU."""
    return {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.kept.named_parameters()}


@torch.no_grad()
def put_weights(model: LoadedModel, kept: Mapping[str, torch.Tensor]) -> None:
    """What `weights_now` of a model of the same shapes gave."""
    for name, tensor in model.kept.named_parameters():
        tensor.copy_(kept[name])
    model.settle()


def save_model(model: LoadedModel, folder: Path) -> None:
    """Config, weights (safetensors) and tokenizer; of a critic the body and, beside it, the value head."""
    folder.mkdir(parents=True, exist_ok=True)
    with silently():
        if isinstance(model.kept, Critic):
            save_critic(model.kept, folder)
        else:
            model.kept.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)


@torch.no_grad()
def load_weights(model: LoadedModel, folder: Path) -> None:
    """The weights that `save_model` wrote, into `model`. `ModelError` if one is missing, left over or misshapen."""
    if not (folder / "config.json").is_file():
        raise ModelError(f"`{folder}` holds no saved model: it has no config.json")
    saved = _loaded(model, folder)
    given = dict(_tensors(saved))
    for name, tensor in _tensors(model.kept):
        if name not in given or given[name].shape != tensor.shape:
            raise ModelError(f"the weights in `{folder}` do not fit `{model.name}`: they differ in {name}")
        tensor.copy_(given.pop(name))
    if given:
        raise ModelError(f"the weights in `{folder}` do not fit `{model.name}`: it has no {next(iter(given))}")
    model.settle()


def _loaded(model: LoadedModel, folder: Path) -> Any:
    if isinstance(model.kept, Critic):
        critic = load_critic(folder, model.kept.backbone.dtype)
        load_value_head(critic, folder)
        return critic
    loader: Any = type(model.kept)
    with silently():
        module, found = loader.from_pretrained(folder, dtype=model.kept.dtype, local_files_only=True,
                                               output_loading_info=True)
    check_loaded(folder, found)
    return module


def _tensors(module: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [*module.named_parameters(), *module.named_buffers()]
