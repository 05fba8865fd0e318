"""One comparison: an entry of the library in a small spec, and the peer's own function on the same numbers.

The spec is compiled by `rldsl.compile` and computed twice: on the torch reference in float64, and by the numba kernels. Value
and gradient of the peer's scalar are differentiated by the same leaves: the logits of the answers, or the critic's values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from math import inf, isfinite, isnan

import torch
from torch import Tensor

import rldsl
from rldsl.kernels.rows import Rows
from rldsl.program import CompiledObjective
from tests.oracles.hosted import hosted
from tests.oracles.world import HEAD, SHAPES, Padded, World, world

ULP = 2.0**-52
# Both sides compute in float64 from the same numbers, in another order: sums of up to some 60 products, logarithms and
# exponentials of numbers of the order of 1. Each of those steps is right to an ulp or two, and they add up by chance: a few
# ulps of the largest number. Sixty-four leave room for the worst of all seeds, and are far below any other formula.
EXACT = 64 * ULP
# The kernels read rows of float32 logits, add them up in float32 and store float32 gradients: an ulp of float32 is 2^-23, a
# row has 7 of them, and a ratio of probabilities multiplies the error of its logarithm.
SINGLE = 64 * 2.0**-23
# Where a formula multiplies a log-ratio by 20, it multiplies its rounding by as much.
TWENTYFOLD = 20 * EXACT
SEEDS = (0, 1, 2)

# The module of what the language has without a library.
LANGUAGE = "language"

Name = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Comparison:
    """`entries` of the library (`module.function`, the first is what it is about), `body` of an objective for `trains`, and
    `theirs`, which hands a peer its padded numbers and returns its scalar.

    `shapes` that a peer cannot take are left out, each with the reason. `differs` says how the peer's formula is another
    one: then the two must be apart. `tolerance` of value and gradient, relative to the largest number, with its reason.
    """

    entries: tuple[str, ...]
    peer: str
    function: str
    body: str
    theirs: Callable[[Padded], Tensor]
    trains: str = "actor"
    without: Mapping[str, str] = field(default_factory=dict)
    differs: str = ""
    tolerance: float = EXACT
    why: str = ""
    dtype: torch.dtype = torch.float64
    only_gradient: bool = False

    @property
    def spec(self) -> str:
        """The text that is compiled."""
        modules = defaultdict(list)
        for entry in self.entries:
            module, function = entry.split(".")
            modules[module].append(function)
        imports = [
            f"import std.{module} ({', '.join(sorted(set(functions)))})"
            for module, functions in modules.items()
            if module not in ("prelude", LANGUAGE)
        ]
        return "\n".join([*imports, HEAD, f"objective main for {self.trains} {{\n  {self.body}\n}}\n"])

    @property
    def name(self) -> str:
        """For people: what is compared with what."""
        return f"{self.entries[0]} ~ {self.peer} {self.function}"

    @property
    def shapes(self) -> Iterable[str]:
        """The shapes that both sides take."""
        unknown = set(self.without) - set(SHAPES)
        assert not unknown, f"{self.name}: no shape {unknown}"
        return [shape for shape in SHAPES if shape not in self.without]


def only(shape: str, reason: str) -> dict[str, str]:
    """What a peer leaves out that takes one shape alone."""
    return {other: reason for other in SHAPES if other != shape}


@dataclass(frozen=True)
class Difference:
    """The largest over all worlds; relative to the largest number of the peer's in that world, and of the kernels to float32."""

    value: float = 0.0
    relative_value: float = 0.0
    gradient: float = 0.0
    relative_gradient: float = 0.0
    kernels: float = 0.0

    def joined(self, other: Difference) -> Difference:
        """The larger of each."""
        return Difference(
            max(self.value, other.value),
            max(self.relative_value, other.relative_value),
            max(self.gradient, other.gradient),
            max(self.relative_gradient, other.relative_gradient),
            max(self.kernels, other.kernels),
        )

    @property
    def relative(self) -> float:
        """The larger of value and gradient."""
        return max(self.relative_value, self.relative_gradient)


@dataclass(frozen=True)
class Outcome:
    """A scalar and its gradients, in float64."""

    value: float
    gradients: Mapping[Name, Tensor]


# ------------------------------------------------------------------ ours
@cache
def _compiled(spec: str, backend: str) -> tuple[CompiledObjective, rldsl.Program]:
    program = rldsl.compile(spec, backend="numba" if backend == "numba" else "torch")
    objective = program.objective()
    if backend == "torch":
        objective = CompiledObjective(objective.staged, "torch", dtype=torch.float64, meaning=objective.meaning)
    return objective, program


def ours(comparison: Comparison, numbers: World, backend: str) -> Outcome:
    """What the compiled spec computes."""
    objective, program = _compiled(comparison.spec, backend)
    dtype = torch.float64 if backend == "torch" else torch.float32
    leaves: dict[Name, Tensor] = {}
    rows, direct = {}, {}
    for group in objective.staged.groups:
        leaf = leaves[group.rows] = numbers.logits[group.rows].to(dtype, copy=True).requires_grad_()
        others = {other: numbers.logits[other, group.response].to(dtype) for other in group.others}
        rows[group.rows] = Rows(numbers.targets[group.response], logits=leaf, others=others)
    for entry in objective.staged.direct:
        leaf = leaves[entry.read.model, entry.read.response] = numbers.values[entry.read.response].clone().requires_grad_()
        direct[entry.key] = leaf
    inputs = {given.name: numbers.packed(given.name) for given in objective.staged.inputs if given.name in numbers.inputs}
    inputs |= hosted(program.spec, [given for given in objective.staged.inputs if given.name not in inputs], numbers)
    loss, values = objective.loss(objective.batch(numbers.layout_of(program.spec), inputs), rows, direct)
    if loss.requires_grad:
        loss.backward()
    return Outcome(
        values["loss"],
        {
            name: torch.zeros_like(leaf, dtype=torch.float64) if leaf.grad is None else leaf.grad.double()
            for name, leaf in leaves.items()
        },
    )


# ------------------------------------------------------------------ theirs
@contextmanager
def default_type(dtype: torch.dtype) -> Iterator[None]:
    """The type of what a peer makes of Python numbers: float64, so that its arithmetic is that of the reference."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def theirs(comparison: Comparison, numbers: World) -> Outcome:
    """What the peer computes."""
    padded = Padded(numbers, comparison.dtype)
    with default_type(comparison.dtype):
        value = comparison.theirs(padded)
    names = list(padded.leaves)
    found = torch.autograd.grad(value, [padded.leaves[name] for name in names], allow_unused=True)
    return Outcome(
        float(value.detach()),
        {
            name: torch.zeros_like(padded.leaves[name], dtype=torch.float64) if gradient is None else gradient.double()
            for name, gradient in zip(names, found, strict=True)
        },
    )


# ------------------------------------------------------------------ both
def difference(comparison: Comparison, shape: str, seed: int) -> Difference:
    """In one world."""
    numbers = world(shape, seed)
    peer, reference, kernels = theirs(comparison, numbers), ours(comparison, numbers, "torch"), ours(comparison, numbers, "numba")
    value, gradient, relative = _apart(reference, peer)
    # A value near 0 is what is left of terms of the order of 1.
    relative_value = value / max(abs(peer.value), 1.0) if isfinite(peer.value) else inf
    if comparison.only_gradient:
        value = relative_value = 0.0
    return Difference(value, relative_value, gradient, relative, _apart(kernels, reference)[2])


def _apart(one: Outcome, other: Outcome) -> tuple[float, float, float]:
    """Of values, of gradients, and of gradients over the largest entry of `other`. NaN counts as infinitely far."""
    names = sorted(one.gradients.keys() | other.gradients.keys())
    largest = apart = 0.0
    for name in names:
        a, b = (side.gradients.get(name) for side in (one, other))
        a, b = (torch.zeros_like(b) if a is None else a), (torch.zeros_like(a) if b is None else b)
        largest = max(largest, float(b.abs().max()) if b.numel() else 0.0)
        apart = max(apart, float(torch.nan_to_num(a - b, nan=torch.inf).abs().max()) if b.numel() else 0.0)
    value = abs(one.value - other.value)
    return (inf if isnan(value) else value), apart, apart / max(largest, 1e-6)


def measured(comparison: Comparison) -> Difference:
    """The largest difference over all shapes and seeds."""
    found = Difference()
    for shape in comparison.shapes:
        for seed in SEEDS:
            found = found.joined(difference(comparison, shape, seed))
    return found


def holds(comparison: Comparison, found: Difference) -> bool:
    """Whether it came out as the comparison says: equal to rounding, or apart where the peer differs."""
    if comparison.differs:
        return found.relative > 1e-3 and found.kernels <= SINGLE
    return found.relative <= comparison.tolerance and found.kernels <= SINGLE
