"""The combine step on a device: packed float64 kernels against eager torch on padded tensors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.combine import Batch, eager, grpo
from benchmarks.gpu.contest import Answer, Contest, Peer, Variant, row
from benchmarks.gpu.figures import Figure, Found
from benchmarks.gpu.situation import Situation
from rldsl.emit.parameters import FunctionName, Parameter, live_reads
from rldsl.emit.triton.combine import combine_function
from rldsl.graph.staged import StagedObjective
from rldsl.plan.machines import LAUNCH, Machine
from rldsl.plan.work import NUMBER
from rldsl.triton_backend import TritonBackend

GROUP = 8
TOKENS = 1_000_000  # of the table; those of a batch are as many, about
ARRAYS = 6  # over tokens, each moved once at least: two inputs, two reads, two derivatives
OWNER = 4   # bytes of a token that say in which answer it lies: moved as well, though no part of the limit
STEPS: tuple[FunctionName, ...] = ("prepare", "combined")


def combine(situation: Situation) -> Iterator[Found]:
    """A clipped surrogate on an advantage that is normalised in its group, k3 and an entropy term: value and derivatives."""
    yield row("combine", lambda: _figure(situation))


def _figure(situation: Situation) -> Figure:
    device, (samples, longest) = situation.place.device, situation.shapes.combined
    batch, staged = Batch.random(samples, GROUP, longest), grpo()
    mask = torch.from_numpy(batch.padded(torch.float32)["mask"].numpy() > 0).to(device)
    exact = eager(batch, GROUP, torch.float64, device)

    def packed(gradients: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(gradient[mask] for gradient in gradients)

    def reference() -> Answer:
        loss, *gradients = exact()
        return loss, packed(gradients)

    def padded(dtype: torch.dtype, name: str) -> Peer:
        step = eager(batch, GROUP, dtype, device)

        def run() -> Answer:
            loss, *gradients = step()
            return loss, tuple(gradients)
        return Peer(f"eager, {name}", (Variant("padded tensors", run, packed),))

    tokens = TOKENS if situation.place.rehearses else batch.layout.size("y.token")
    ceilings = situation.ceilings
    return Contest("combine", situation.clock, Variant("prepare, combined", Kernels(batch, staged)),
                   [padded(torch.float32, "float32"), padded(torch.float64, "float64")], reference,
                   limit=None if ceilings is None else limit_ms(tokens, ceilings.copy),
                   predicted=predicted_ms(staged, tokens, situation.machine)).figure()


def limit_ms(tokens: int, copy: float) -> float:
    """Every array over tokens moved once, at so many bytes a second."""
    return 1e3 * NUMBER * ARRAYS * tokens / copy


def predicted_ms(staged: StagedObjective, tokens: int, machine: Machine) -> float:
    """The bytes that the kernels move, and a wait for each launch."""
    launches = sum(len(combine_function(staged, name, {}).kernels) for name in STEPS)
    return limit_ms(tokens, machine.copy) + 1e3 * (OWNER * tokens / machine.copy + launches * LAUNCH)


class Kernels:
    """What an objective does on one batch once all reads are there; arrays lie on the device."""

    def __init__(self, batch: Batch, staged: StagedObjective) -> None:
        backend = TritonBackend(staged)
        self.module, layout = backend.module, batch.layout
        update = backend.begin(layout, {"total": batch.total, "old": batch.tokens["old"], "reference": batch.tokens["reference"]})
        self.own = update.own
        reads = {live.read.kind.value: live.key for live in live_reads(staged)}
        for kind, key in reads.items():
            self.own.reads.tensors[key].copy_(torch.from_numpy(np.ascontiguousarray(batch.tokens[kind])))
        self.order = [reads["logp"], reads["entropy"]]
        self.device = backend.device
        self.found = {parameter.label: torch.zeros(1, dtype=torch.float64, device=self.device)
                      for parameter in self.module.values if parameter.kind == "output"}
        self.calls = [(getattr(self.module.functions, name), self._arguments(name)) for name in STEPS]

    def _arguments(self, name: str) -> tuple[Any, ...]:
        parameters: tuple[Parameter, ...] = getattr(self.module, name)
        if name == "prepare":
            return tuple(self.own.prepared.tensors[entry.key] if entry.kind == "output" else argument(entry, self.own)
                         for entry in parameters)
        return tuple(self.found[entry.label] if entry.kind == "output" and entry.label is not None else argument(entry, self.own)
                     for entry in parameters)

    def __call__(self) -> Answer:
        """The loss, and its derivatives by the reads."""
        with torch.no_grad():
            for function, arguments in self.calls:
                function(*arguments)
        return self.found["loss"], tuple(self.own.slopes.tensors[key] for key in self.order)


def argument(parameter: Parameter, own: Any) -> Any:
    """What a function of an emitted module takes, from the arrays of a whole update batch."""
    axis, ancestor, key = parameter.axis, parameter.ancestor, parameter.key
    match parameter.kind:
        case "span":
            return 0, own.layout.layout.size(axis)
        case "bounds":
            return own.layout.bounds(axis, ancestor)
        case "owners":
            return own.layout.owners(axis, ancestor)
        case "input":
            return own.inputs[parameter.label]
        case "output":
            return own.slopes.tensors[key]
    return own.keyed(key)
