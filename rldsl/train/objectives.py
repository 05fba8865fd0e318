"""The compiled objectives of a run, with what the training loop asks about them. Trains nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch

from rldsl.graph.model import Read, ReadKind
from rldsl.graph.spec import ObjectiveSpec, Spec
from rldsl.graph.staged import LiveRead, StagedObjective
from rldsl.graph.steps import Step
from rldsl.meaning import Meaning
from rldsl.passes import compile_objective
from rldsl.program import BackendName, CompiledObjective
from rldsl.train.clips import Clip, first_clip
from rldsl.train.needs import NeedFinder, Needs
from rldsl.train.outcome import RunError
from rldsl.train.vectors import Products

Sight: TypeAlias = tuple[str, str, int | None]


@dataclass(frozen=True, slots=True)
class Objective:
    """`needs` are what must be known before an update. `sources` pairs names of inputs with nodes of the spec's
    graph, `parameters` names of inputs with those of hyper-parameters."""

    spec: ObjectiveSpec
    compiled: CompiledObjective
    needs: Needs
    sources: tuple[tuple[str, str, int], ...]  # name, axis, node
    parameters: tuple[tuple[str, str], ...]
    products: Products
    clip: Clip | None
    meaning: Meaning
    makers: tuple[int, ...] = ()  # calls that make the axes on which it works

    @property
    def seen(self) -> tuple[Sight, ...]:
        """Models, the responses that they read and in which context (None: their own), each once."""
        staged = self.compiled.staged
        found = [(group.model, group.response, group.context) for group in staged.groups]
        found += [(other, group.response, group.context) for group in staged.groups for other in group.others]
        direct = [live.read for live in staged.direct if live.read.source is None]
        found += [(read.model, read.response, read.context) for read in (*direct, *(read for _, read in self.products.live))]
        return tuple(dict.fromkeys(found))

    def reads_of(self, kind: ReadKind) -> list[LiveRead]:
        """The live reads of one kind."""
        return [live for group in self.compiled.staged.groups for live in group.reads if live.read.kind is kind]

    def frozen_logps(self, spec: Spec, response: str) -> list[str]:
        """Names of the inputs that are log-probabilities of a response's tokens under a model that does not move."""
        found = []
        for name, _, key in self.sources:
            operation = spec.graph[key].operation
            if isinstance(operation, Read) and operation.kind is ReadKind.LOGP and operation.response == response \
                    and operation.model != self.spec.model:
                found.append(name)
        return found


def compile_objectives(spec: Spec, finder: NeedFinder, backend: BackendName,
                       device: torch.device | None = None) -> dict[str, Objective]:
    """Those that the train block uses. `device` is where the kernels of a back end for GPUs run."""
    used = set(used_objectives(spec.train))
    return {entry.name: _compile(spec, entry, finder, backend, device) for entry in spec.objectives if entry.name in used}


def used_objectives(steps: tuple[Step, ...]) -> list[str]:
    """Names of the objectives of all updates."""
    found: list[str] = []
    for step in steps:
        if hasattr(step, "body"):
            found += used_objectives(step.body)
        elif hasattr(step, "objective"):
            found.append(step.objective)
    return found


def _compile(spec: Spec, entry: ObjectiveSpec, finder: NeedFinder, backend: BackendName,
             device: torch.device | None) -> Objective:
    staged = compile_objective(spec, entry)
    sources = tuple((given.name, given.axis.name, given.source) for given in staged.inputs if given.source is not None)
    parameters = tuple((given.name, given.parameter) for given in staged.inputs if given.source is None)
    compiled = _compiled(staged, backend, device)
    products = Products.of(spec, staged)
    needs = finder.of_objective(staged, [key for key, _ in products.known], [read for _, read in products.live])
    return Objective(entry, compiled, needs, sources, parameters, products, first_clip(spec, entry), Meaning(spec, entry),
                     finder.makers_of(staged))


def _compiled(staged: StagedObjective, backend: BackendName, device: torch.device | None) -> CompiledObjective:
    if backend != "triton":
        return CompiledObjective(staged, backend)
    from rldsl.triton_module import TritonOptions
    try:
        return CompiledObjective(staged, backend, options=TritonOptions(device=device))
    except RuntimeError as fault:
        raise RunError(f"objective `{staged.name}`: {fault}") from fault
