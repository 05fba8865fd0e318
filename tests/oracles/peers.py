"""Where the peers' code comes from, and what stands in for the machinery around it.

A peer's own function or method is called, unchanged. What a trainer reads of itself (its settings, its accelerator, the model's
outputs) is set on a bare instance of its own class: no model is loaded and nothing is trained.
"""

from __future__ import annotations

import importlib
import warnings
from collections import defaultdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

PACKAGES = {"TRL": "trl", "verl": "verl"}


@cache
def version_of(peer: str) -> str | None:
    """The version that is installed, or None."""
    try:
        return version(PACKAGES[peer])
    except PackageNotFoundError:
        return None


def missing(peer: str) -> str:
    """Why a peer cannot be asked; empty if it can."""
    return "" if version_of(peer) else f"{PACKAGES[peer]} is not installed: `make oracles` compares"


@cache
def peer_module(name: str) -> Any:
    """A module of a peer. Peers warn of all kinds of things when they are imported, which is theirs to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


class Accelerator:
    """One process: what is gathered is what there is."""

    num_processes = 1
    sync_gradients = True
    is_main_process = True
    device = torch.device("cpu")

    def gather(self, x: Any) -> Any:
        """Itself."""
        return x

    gather_for_metrics = gather

    def reduce(self, x: Any, reduction: str = "sum") -> Any:
        """Itself."""
        return x

    def pad_across_processes(self, x: Any, **_: Any) -> Any:
        """Itself."""
        return x


class Model:
    """Gives the outputs that it was made with, whatever goes in. In training mode."""

    training = True
    is_gradient_checkpointing = False

    def __init__(self, *outputs: Any) -> None:
        self.outputs = list(outputs)

    def __call__(self, *_: Any, **__: Any) -> Any:
        return self.outputs[0] if len(self.outputs) == 1 else self.outputs.pop(0)


def bare(kind: type, **attributes: Any) -> Any:
    """An instance of a peer's class on which nothing is set but what is given: its methods are the peer's own."""
    made = object.__new__(kind)
    made.__dict__.update({"accelerator": Accelerator(), "model": Model(None), "aux_loss_enabled": False,
                          "current_gradient_accumulation_steps": 1, "_metrics": defaultdict(lambda: defaultdict(list)),
                          "_total_train_tokens": 0, "_tp_size": 1, **attributes})
    return made


def outputs(log_probs: Tensor, **others: Any) -> SimpleNamespace:
    """What TRL's fused head returns: numbers of each token. Those that only metrics use are zeros."""
    zeros = torch.zeros_like(log_probs).detach()
    given = {"log_probs": log_probs, "entropy": zeros, "mean_logits": zeros, "is_top1": zeros.bool(), **others}
    return SimpleNamespace(**given)
