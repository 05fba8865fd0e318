"""A device that is not there: tensors that say that they lie on a GPU, and a record of what a GPU would be asked, in order.

What they compute is computed on the CPU. As on a GPU, a tensor of the host beside one of the device is refused; a copy to
page-locked memory arrives when its event is waited for, and not before; and what would stop the host until the GPU is done
is recorded as a wait, with the name of the operation.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

DEVICE, HOST = torch.device("cuda", 0), torch.device("cpu")
LOOKS = {"item", "tolist", "numpy", "__bool__", "__int__", "__float__", "__index__", "__array__", "nonzero", "argwhere", "equal",
         "masked_select", "unique", "unique_consecutive", "bincount", "is_nonzero", "allclose", "__contains__", "__repr__"}
PRODUCTS = {"mm", "addmm", "addmm_", "matmul", "__matmul__", "linear"}
BESIDE = {"copy_", "__getitem__", "__setitem__", "index_put_", "to", "backward", "__get__", "__set__"}  # of the host, too


class OnDevice(Tensor):
    """A tensor of the device."""

    device = DEVICE
    is_cuda = True
    __torch_function__ = torch._C._disabled_torch_function_impl


class Locked(Tensor):
    """A tensor of the host in page-locked memory."""

    __torch_function__ = torch._C._disabled_torch_function_impl


@dataclass(frozen=True, slots=True)
class Asked:
    """One thing that the device, or the host because of it, was asked: `what` is launch, product, mask, arrived or wait."""

    what: str
    name: str = ""


@dataclass(slots=True)
class Arrival:
    """A copy to the host that is under way."""

    into: Tensor
    values: Tensor


class Within(contextlib.nullcontext[None]):
    """In place of `torch.cuda.device` and others: nothing changes within."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()


class Event:
    """In place of `torch.cuda.Event`: what was copied before it was recorded is there once it was waited for."""

    def __init__(self, record: Pretended) -> None:
        self.owner, self.arrivals = record, list[Arrival]()

    def record(self, stream: object = None) -> None:
        """The mask sets out."""
        self.arrivals, self.owner.travelling = self.owner.travelling, []
        self.owner.asked.append(Asked("mask"))

    def synchronize(self) -> None:
        """It has arrived."""
        with torch._C.DisableTorchFunction():
            for arrival in self.arrivals:
                arrival.into.copy_(arrival.values)
        self.arrivals = []
        self.owner.asked.append(Asked("arrived"))


class Pretended(TorchFunctionMode):
    """While it is entered, `cuda:0` is there. `asked` is what it was asked; `waits` are what the host was stopped by."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Asked] = []
        self.travelling: list[Arrival] = []

    @property
    def waits(self) -> list[str]:
        """Names of what stopped the host, but for the arrival of masks."""
        return [entry.name for entry in self.asked if entry.what == "wait"]

    @property
    def masks(self) -> list[bool]:
        """Of each mask that the host waited for, whether the device had something else to do behind it: a product or a launch."""
        asked, found = [entry.what for entry in self.asked], []
        sent = [place for place, what in enumerate(asked) if what == "mask"]
        for place in (place for place, what in enumerate(asked) if what == "arrived"):
            found.append(any(what in ("product", "launch") for what in asked[sent[len(found)]:place]))
        return found

    def wait(self, name: str) -> None:
        """The host is stopped."""
        self.asked.append(Asked("wait", name))

    def __torch_function__(self, function: Any, types: Sequence[type], arguments: tuple[Any, ...] = (),
                           keywords: Mapping[str, Any] | None = None) -> Any:
        given, name = dict(keywords or {}), function.__name__
        tensors = list(_tensors((*arguments, *given.values())))
        there = any(isinstance(entry, OnDevice) for entry in tensors)
        if name in ("to", "cpu", "cuda", "pin_memory", "copy_"):
            return self._moved(function, name, arguments, given)
        if given.get("device") is not None and torch.device(given["device"]).type == "cuda":
            given["device"], there = HOST, True
            if name in ("tensor", "as_tensor"):
                self.wait("numbers of the host")
        if there:
            self._look(name, arguments, given, tensors)
        if name in ("mm", "addmm") and "out_dtype" in given:
            return _wide(name, arguments, given)
        locked = bool(given.pop("pin_memory", False))
        found = function(*arguments, **given)
        return _as(Locked, found) if locked else _as(OnDevice, found) if there else found

    def _look(self, name: str, arguments: tuple[Any, ...], given: Mapping[str, Any], tensors: Sequence[Tensor]) -> None:
        """What is asked of tensors of the device."""
        if name in LOOKS or (name == "repeat_interleave" and given.get("output_size") is None):
            self.wait(name)
        elif name == "where" and len(arguments) == 3 and any(isinstance(entry, int | float) for entry in arguments):
            self.wait("where with a number")
        elif name in PRODUCTS:
            self.asked.append(Asked("product"))
        elif name in ("__getitem__", "__setitem__", "index_put_"):
            places = list(_tensors((arguments[1],)))
            if any(entry.dtype is torch.bool for entry in places):
                self.wait("index with a mask")
            elif any(not isinstance(entry, OnDevice) for entry in places):
                self.wait("index from the host")
            elif any(entry.dim() == 0 for entry in places):
                self.wait("index that a number says")
            elif len(arguments) == 3 and not isinstance(arguments[2], Tensor) and (places or _is_one(arguments[0], arguments[1])):
                self.wait("number at places")
        if name not in BESIDE:
            strange = [entry for entry in tensors if not isinstance(entry, OnDevice) and entry.dim()]
            if strange:
                raise RuntimeError(f"{name}: tensors of {list(strange[0].shape)} on the host beside tensors on {DEVICE}")

    def _moved(self, function: Any, name: str, arguments: tuple[Any, ...], given: dict[str, Any]) -> Any:
        own, late = arguments[0], bool(given.get("non_blocking"))
        if name == "pin_memory":
            assert not isinstance(own, OnDevice), "only memory of the host can be locked"
            return own.clone().as_subclass(Locked)
        if name == "copy_":
            return self._copied(own, arguments[1], late)
        target = HOST if name == "cpu" else DEVICE if name == "cuda" else _target(arguments[1:], given, own)
        plain = own.as_subclass(Tensor)
        if name == "to":
            rest = [HOST if isinstance(entry, torch.device | str) else _mapped(_plain, entry) for entry in arguments[1:]]
            plain = plain.to(*rest, **{**given, **({"device": HOST} if "device" in given else {})})
        if isinstance(own, OnDevice) and target.type == "cpu":
            self.wait("copy to the host")
            return plain
        if not isinstance(own, OnDevice) and target.type == "cuda" and not (isinstance(own, Locked) and late):
            self.wait("upload from pageable memory")
        if target.type == "cuda":
            same = plain.data_ptr() == own.data_ptr() and plain.dtype is own.dtype and isinstance(own, OnDevice)
            return own if same else plain.as_subclass(OnDevice)
        return plain

    def _copied(self, into: Tensor, source: Tensor, late: bool) -> Tensor:
        if isinstance(into, OnDevice) == isinstance(source, OnDevice):
            with torch._C.DisableTorchFunction():
                return into.copy_(source)
        if isinstance(source, OnDevice) and isinstance(into, Locked) and late:
            with torch._C.DisableTorchFunction():
                self.travelling.append(Arrival(into, source.as_subclass(Tensor).clone()))
                into.zero_()  # what stands there until it has arrived is not what will
            return into
        if not (isinstance(source, Locked) and late):
            self.wait("copy between device and host")
        with torch._C.DisableTorchFunction():
            return into.copy_(source)

    def launched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A launch function that takes tensors of the device alone, as Triton does."""
        def launch(*arguments: Any, **keywords: Any) -> Any:
            for entry in _tensors((*arguments, *keywords.values())):
                assert isinstance(entry, OnDevice), f"{name} was handed a tensor of the host"
            self.asked.append(Asked("launch", name))
            known: dict[int, Tensor] = {}

            def plain(tensor: Tensor) -> Tensor:  # one tensor is one tensor there, too
                return known.setdefault(id(tensor), _plain(tensor))

            with torch._C.DisableTorchFunction():
                return function(*_mapped(plain, arguments), **{key: _mapped(plain, entry) for key, entry in keywords.items()})
        return launch


@contextlib.contextmanager
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretended]:
    """The device is there."""
    found = Pretended()
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "Event", lambda *_, **__: Event(found))
        patch.setattr(torch.cuda, "current_stream", lambda *_: None)
        patch.setattr(torch.cuda, "get_device_name", lambda *_: "NVIDIA H200")
        patch.setattr(torch.cuda, "get_device_properties", lambda *_: SimpleNamespace(total_memory=141 << 30))
        patch.setattr(torch.cuda, "mem_get_info", lambda *_: (141 << 30, 141 << 30))
        for name in ("memory_reserved", "memory_allocated"):
            patch.setattr(torch.cuda, name, lambda *_: 0)
        for name in ("device", "device_of"):
            patch.setattr(torch.cuda, name, Within)
        patch.setattr(torch, "autocast", Within)
        patch.setattr(torch.autograd, "backward", _natively(torch.autograd.backward))
        with found:
            yield found


def _natively(backward: Callable[..., None]) -> Callable[..., None]:
    """What autograd computes has no say in where it lies."""
    def call(*arguments: Any, **keywords: Any) -> None:
        with torch._C.DisableTorchFunction():
            backward(*arguments, **keywords)
    return call


def on_device(tensor: Tensor) -> Tensor:
    """A tensor of the device with these values, that requires a gradient where this one does."""
    return tensor.detach().clone().as_subclass(OnDevice).requires_grad_(tensor.requires_grad)


def on_host(tensor: Tensor) -> Tensor:
    """What stands in a tensor of the device, for a test to look at."""
    with torch._C.DisableTorchFunction():
        return tensor.detach().as_subclass(Tensor).clone()


def _is_one(tensor: Tensor, places: Any) -> bool:
    """Whether places, none of which is a tensor, are those of a single element."""
    given = places if isinstance(places, tuple) else (places,)
    return len(given) == tensor.dim() and all(isinstance(entry, int) for entry in given)


def _tensors(entries: Any) -> Iterator[Tensor]:
    for entry in entries:
        if isinstance(entry, Tensor):
            yield entry
        elif isinstance(entry, list | tuple):
            yield from _tensors(entry)


def _mapped(change: Callable[[Tensor], Tensor], entry: Any) -> Any:
    if isinstance(entry, Tensor):
        return change(entry)
    if isinstance(entry, list | tuple) and not hasattr(entry, "_fields"):
        return type(entry)(_mapped(change, part) for part in entry)
    return entry


def _plain(tensor: Tensor) -> Tensor:
    return tensor.as_subclass(Tensor)


def _as(kind: type[Tensor], found: Any) -> Any:
    if isinstance(found, Tensor):
        return found if isinstance(found, kind) else found.as_subclass(kind)
    if isinstance(found, tuple | list) and any(isinstance(entry, Tensor) for entry in found):
        return [_as(kind, entry) for entry in found]
    return found


def _target(arguments: Sequence[Any], given: Mapping[str, Any], own: Tensor) -> torch.device:
    for entry in (*arguments, given.get("device"), given.get("other")):
        if isinstance(entry, Tensor):
            return entry.device
        if isinstance(entry, torch.device | str):
            return torch.device(entry)
    return own.device


def _wide(name: str, arguments: Sequence[Any], given: Mapping[str, Any]) -> Tensor:
    """What `mm.dtype_out` and `addmm.dtype_out` give."""
    out: Tensor = given["out"]
    with torch._C.DisableTorchFunction():
        product = arguments[-2].float() @ arguments[-1].float()
        return out.copy_(product if name == "mm" else arguments[0] + product)
