"""Float32 weights beside those that a model is computed with in fewer bits: what is trained and averaged is the former.

A step of AdamW is mostly smaller than half the distance between two bf16 numbers (2^-9 of the weight): added to a bf16 weight it
is lost. Here gradients of the computed weights are added up in float32, an optimizer moves the float32 weights, and the
computed ones are those, rounded.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from rldsl.rollouts.critics import Critic

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True, slots=True, eq=False)
class Master:
    """`module` holds the float32 weights of a model, and is never run. The computed ones follow when `publish` is called."""

    module: nn.Module
    _kept: tuple[Tensor, ...]
    _computed: tuple[Tensor, ...]

    @torch.no_grad()
    def publish(self) -> None:
        """The computed weights become the float32 ones, rounded."""
        torch._foreach_copy_(self._computed, self._kept)


def rounded(module: nn.Module, dtype: torch.dtype) -> None:
    """Weights in another number format, in place. The angles of positions and a critic's last layer stay as they are."""
    body = module.backbone if isinstance(module, Critic) else module
    for parameter in body.parameters():
        parameter.data = parameter.data.to(dtype)


def with_master(module: Module, dtype: torch.dtype) -> tuple[Module, Master | None]:
    """The module to compute with, and the float32 weights beside it; `module` itself and None where one will do."""
    if dtype is torch.float32:
        return module, None
    computed = copy.deepcopy(module)
    rounded(computed, dtype)
    kept = dict(module.named_parameters())
    pairs = [(kept[name], parameter) for name, parameter in computed.named_parameters()]
    for master, parameter in pairs:
        if parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(_handing_over(master))  # type: ignore[no-untyped-call]
    return computed, Master(module, tuple(pair[0].detach() for pair in pairs), tuple(pair[1].detach() for pair in pairs))


def _handing_over(master: Tensor) -> Callable[[Tensor], None]:
    """A gradient goes to the float32 weight as soon as it is whole, so that micro-batches add up in float32."""
    def hand_over(parameter: Tensor) -> None:
        gradient, parameter.grad = parameter.grad, None
        if gradient is None:
            return
        if master.grad is None:
            master.grad = gradient.to(master.dtype)
        else:
            master.grad.add_(gradient)
    return hand_over
