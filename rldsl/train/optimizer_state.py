"""The state of a torch optimizer as one safetensors file, exact and by the names of parameters.

Moves no weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from rldsl.train.durable import StorageError, explained

Named = Iterable[tuple[str, Tensor]]
_NOT_OPTIONS = ("params", "param_names")


def save_optimizer(optimizer: torch.optim.Optimizer, path: Path, named: Named | None = None) -> None:
    """Writes every number of the state (moments, steps) and every option of the groups.

    `named` gives the parameters their names; without it they are those the optimizer was built with
    (`AdamW(model.named_parameters())`).
    """
    groups = _groups_by_name(optimizer, named)
    tensors: dict[str, Tensor] = {}
    states: dict[str, dict[str, object]] = {}
    for parameters in groups:
        for name, parameter in parameters.items():
            states[name] = {
                key: _keep(value, f"{key}/{name}", tensors)
                for key, value in optimizer.state.get(parameter, {}).items()
            }
    options = [
        {
            key: _keep(value, f"option/{index}/{key}", tensors)
            for key, value in group.items()
            if key not in _NOT_OPTIONS
        }
        for index, group in enumerate(optimizer.param_groups)
    ]
    content = {
        "class": type(optimizer).__name__,
        "groups": [
            {"names": list(names), "options": kept} for names, kept in zip(groups, options, strict=True)
        ],
        "states": states,
    }
    with explained("write", path):
        save_file(tensors, path, metadata={"optimizer": json.dumps(content)})


def load_optimizer(optimizer: torch.optim.Optimizer, path: Path, named: Named | None = None) -> None:
    """Puts a saved state back, bit by bit.

    Refuses one of another optimizer, of other parameters or other shapes.
    """
    content, tensors = _read(path)
    groups = _groups_by_name(optimizer, named)
    _check(optimizer, groups, content, tensors, path)
    for group, parameters, saved in zip(optimizer.param_groups, groups, content["groups"], strict=True):
        for key, value in saved["options"].items():
            group[key] = _option(_given(value, tensors), group.get(key))
        for name, parameter in parameters.items():
            state = content["states"][name]
            placed = {
                key: _place(_given(value, tensors), key, parameter, group) for key, value in state.items()
            }
            optimizer.state.pop(parameter, None)
            if placed:
                optimizer.state[parameter] = placed


def _groups_by_name(optimizer: torch.optim.Optimizer, named: Named | None) -> list[dict[str, Tensor]]:
    names = None if named is None else {id(parameter): name for name, parameter in named}
    groups: list[dict[str, Tensor]] = []
    for group in optimizer.param_groups:
        if names is not None:
            missing = sum(id(parameter) not in names for parameter in group["params"])
            if missing:
                raise ValueError(f"{missing} parameters of the optimizer have no name")
            found = [names[id(parameter)] for parameter in group["params"]]
        elif "param_names" in group:
            found = list(group["param_names"])
        else:
            raise ValueError(
                "the optimizer knows no names: build it from `model.named_parameters()` or pass `named`"
            )
        groups.append(dict(zip(found, group["params"], strict=True)))
    if len({name for group in groups for name in group}) != sum(
        len(group["params"]) for group in optimizer.param_groups
    ):
        raise ValueError("two parameters of the optimizer have the same name")
    return groups


def _keep(value: object, place: str, tensors: dict[str, Tensor]) -> object:
    """A tensor goes to the file's tensors, and its place stands for it."""
    match value:
        case Tensor():
            tensors[place] = value.detach().to("cpu", copy=True).contiguous()
            return {"tensor": place}
        case None | bool() | int() | float() | str():
            return value
        case list() | tuple():
            return [_keep(item, f"{place}/{index}", tensors) for index, item in enumerate(value)]
        case _:
            raise TypeError(f"{place} of the optimizer is a {type(value).__name__}, which is not kept")


def _given(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, dict):
        return tensors[value["tensor"]]
    if isinstance(value, list):
        return [_given(item, tensors) for item in value]
    return value


def _option(value: Any, now: object) -> Any:
    """JSON has no tuples, and a rate that is a tensor stays where it is."""
    if isinstance(value, Tensor) and isinstance(now, Tensor):
        return value.to(now.device)
    return tuple(value) if isinstance(value, list) and not isinstance(now, list) else value


def _place(value: Any, key: str, parameter: Tensor, group: Mapping[str, Any]) -> Any:
    """On the parameter's device, in its own precision.

    AdamW keeps `step` on the CPU unless a fused kernel reads it.
    """
    if not isinstance(value, Tensor):
        return value
    on_device = key != "step" or group.get("fused") or group.get("capturable")
    return value.to(parameter.device if on_device else "cpu", copy=True)


def _read(path: Path) -> tuple[Any, dict[str, Tensor]]:
    try:
        with explained("read", path), safe_open(path, "pt") as file:
            content, names = json.loads((file.metadata() or {})["optimizer"]), file.keys()
            return content, {name: file.get_tensor(name) for name in names}
    except (SafetensorError, KeyError, ValueError) as error:
        raise StorageError(f"{path} holds no state of an optimizer: {error}") from error


def _check(
    optimizer: torch.optim.Optimizer,
    groups: list[dict[str, Tensor]],
    content: Any,
    tensors: Mapping[str, Tensor],
    path: Path,
) -> None:
    kind, names = type(optimizer).__name__, [list(group) for group in groups]
    if content["class"] != kind:
        raise StorageError(f"{path} is the state of {content['class']}, not of {kind}")
    saved = [group["names"] for group in content["groups"]]
    if saved != names:
        flat, wanted = ({name for group in side for name in group} for side in (saved, names))
        differing = ", ".join(sorted(flat ^ wanted)[:5]) or "their order or grouping"
        raise StorageError(f"{path} is of other parameters; these differ: {differing}")
    for group in groups:
        for name, parameter in group.items():
            _check_shape(name, parameter, content["states"].get(name, {}), tensors, path)


def _check_shape(
    name: str, parameter: Tensor, state: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path
) -> None:
    for key, value in state.items():
        found = tensors[value["tensor"]] if isinstance(value, dict) else None
        if key != "step" and found is not None and found.ndim and found.shape != parameter.shape:
            shapes = f"{list(found.shape)}, the parameter's is {list(parameter.shape)}"
            raise StorageError(f"{path}: the shape of {key} of {name} is {shapes}")
