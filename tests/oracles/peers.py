"""Where the peers' code comes from, and what stands in for the machinery around it.

A peer's own function or method is called, unchanged. What a trainer reads of itself (its settings, its accelerator, the model's
outputs) is set on a bare instance of its own class: no model is loaded and nothing is trained.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor

PACKAGES = {
    "TRL": "trl",
    "verl": "verl",
    "OpenRLHF": "openrlhf",
    "Liger": "liger-kernel",
    "TorchRL": "torchrl",
    "torch": "torch",
    "numpy": "numpy",
    "SkyRL": "skyrl",
    "AReaL": "areal",
    "scoringrules": "scoringrules",
    "ms-swift": "ms-swift",
    "choix": "choix",
    "scipy": "scipy",
    "torchmetrics": "torchmetrics",
    "TRL 1.0": "trl-1.0.0",
    "OpenRLHF 0.8": "openrlhf-0.8.11",
}
OLDER = ("TRL 1.0", "OpenRLHF 0.8")  # versions that had what the present one dropped, each in a folder of the environment
_MODULES: dict[str, dict[str, ModuleType]] = {}


def _folder(peer: str) -> Path:
    return Path(sys.prefix) / PACKAGES[peer]


@cache
def version_of(peer: str) -> str | None:
    """The version that is installed, or None."""
    if peer in OLDER:
        return next((entry.version for entry in distributions(path=[str(_folder(peer))])), None)
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


@cache
def older_module(peer: str, name: str) -> Any:
    """A module of an older version of a peer, beside the present one."""
    with _instead_of(name.split(".", maxsplit=1)[0], peer), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


class Unused:
    """Stands in for what the losses we call import and do not use, or use to log: a type, a function, a decorator, a context."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __call__(self, given: Any = None, *_: Any, **__: Any) -> Any:
        return given

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


class Nothing(ModuleType):
    """Stands in for a module: any name can be imported from it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Unused


@cache
def loss_module(peer: str, name: str, *unused: str) -> Any:
    """A module without the starts of the packages that it is in, and without those that it imports and the losses we call do not
    use: they ask for what only a GPU has (`deepspeed`) or for whole trainers."""
    package, *inner = name.split(".")
    with _instead_of(package, peer), warnings.catch_warnings(), _standing_in(unused):
        warnings.simplefilter("ignore")
        found = None if peer in OLDER else importlib.machinery.PathFinder.find_spec(package)
        folder = _folder(peer) / package if found is None or found.origin is None else Path(found.origin).parent
        empty = [".".join([package, *inner[:depth]]) for depth in range(len(inner))]
        for depth, parent in enumerate(empty):
            sys.modules[parent] = ModuleType(parent)
            sys.modules[parent].__path__ = [str(folder.joinpath(*inner[:depth]))]
        try:
            return importlib.import_module(name)
        finally:
            for parent in empty:
                del sys.modules[parent]


@contextmanager
def _standing_in(names: tuple[str, ...]) -> Iterator[None]:
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update({name: Nothing(name) for name in names})
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


@contextmanager
def _instead_of(package: str, peer: str) -> Iterator[None]:
    """The modules of a package are those of the older version."""
    present = _taken(package)
    sys.modules.update(_MODULES.get(peer, {}))
    before = list(sys.path)
    sys.path[:0] = [str(_folder(peer))] if peer in OLDER else []
    try:
        yield
    finally:
        sys.path[:] = before
        _MODULES[peer] = _taken(package)
        sys.modules.update(present)


def _taken(package: str) -> dict[str, ModuleType]:
    """The modules of a package, out of those that are imported."""
    names = [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
    return {name: sys.modules.pop(name) for name in names}


class Accelerator:
    """One process: what is gathered is what there is."""

    num_processes = 1
    process_index = 0
    use_distributed = False
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
    made.__dict__.update(
        {
            "accelerator": Accelerator(),
            "model": Model(None),
            "aux_loss_enabled": False,
            "current_gradient_accumulation_steps": 1,
            "_metrics": defaultdict(lambda: defaultdict(list)),
            "_total_train_tokens": 0,
            "_tp_size": 1,
            **attributes,
        }
    )
    return made


def outputs(log_probs: Tensor, **others: Any) -> SimpleNamespace:
    """What TRL's fused head returns: numbers of each token. Those that only metrics use are zeros."""
    zeros = torch.zeros_like(log_probs).detach()
    given = {"log_probs": log_probs, "entropy": zeros, "mean_logits": zeros, "is_top1": zeros.bool(), **others}
    return SimpleNamespace(**given)
