"""The combine functions of a staged objective as Triton kernels and the host functions that launch them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rldsl.emit.names import Names
from rldsl.emit.parameters import FunctionName, Parameter, ordered, outline, signature
from rldsl.emit.triton.host import Host
from rldsl.emit.triton.kernels import FunctionWriter
from rldsl.emit.triton.launches import HELPERS, RESERVED, Kernel
from rldsl.emit.triton.plan import plan
from rldsl.graph.staged import StagedObjective
from rldsl.source import Source

CALLS: Mapping[str, tuple[str, ...]] = {
    "tanh": ("expm1",), "log_sigmoid": ("log1p",), "softplus": ("log1p",)}


@dataclass(frozen=True, slots=True)
class Function:
    """One host function: its parameters in order, the lines that launch, and the kernels that it launches."""

    name: FunctionName
    parameters: tuple[Parameter, ...]
    host: tuple[str, ...]
    kernels: tuple[Kernel, ...]
    library: frozenset[str]

    @property
    def signature(self) -> str:
        """The parameters as they stand between the parentheses."""
        return signature(self.name, [parameter.name for parameter in self.parameters])

    @property
    def says(self) -> str:
        """What it does, in a line."""
        return {"prepare": "What is known of the update batch before its reads.",
                "coefficients": "The derivative of the loss by each read.",
                "values": "The loss, its terms and the metrics.",
                "combined": "Derivatives and values at once, where all reads of the update batch are there."}[self.name]

    @property
    def device(self) -> str:
        """Which parameter says where everything lies."""
        return next(parameter.name for parameter in reversed(self.parameters) if parameter.kind != "span")


def combine_function(staged: StagedObjective, name: FunctionName, sources: Mapping[str, Source], *,
                     fast: bool = False) -> Function:
    """One of the three functions of an objective."""
    names = Names(RESERVED)
    given = outline(staged, name, names, "_at")
    host = Host(staged.graph, given, names)
    FunctionWriter(host, plan(staged.graph, host.handed, given.computed), sources, fast=fast).write()
    parameters = ordered([*host.parameters(), *given.outputs], lambda parameter: True)
    return Function(name, parameters, tuple(host.lines), tuple(host.kernels), frozenset(host.library))


def used_helpers(text: str) -> frozenset[str]:
    """The helpers that a text calls, with those that they call."""
    waiting = [name for name in HELPERS if f"{name}(" in text or f" {name})" in text]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting.extend(CALLS.get(name, ()))
    return frozenset(found)
