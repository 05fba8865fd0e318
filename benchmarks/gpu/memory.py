"""Peak memory beyond the gradients, counted without a GPU: of eager torch by the allocations of a run, of ours by its buffers.

Beyond the gradients: the peak of a call above what was there before it, less the gradients by hidden states and projection that
come of it. Ours sums the latter in float32, four bytes an entry, which turn into those of the weight's dtype where they lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.eager import loss_of_logits
from benchmarks.gpu.peers import differentiated
from benchmarks.gpu.place import Place
from benchmarks.gpu.predicted import plans_of
from benchmarks.gpu.problems import make_problem
from rldsl.plan.machines import Machine
from rldsl.plan.work import Sizes

SCALE = 128  # every dimension is so much shorter: all products of two of them shrink alike
LENGTH = 8


@dataclass(frozen=True, slots=True)
class Counted:
    """Bytes beyond the gradients."""

    eager: int
    ours: int

    @property
    def ratio(self) -> float:
        """How many times less ours takes."""
        return self.eager / self.ours

    def __str__(self) -> str:
        return f"counted: eager {self.eager / 1e6:,.0f} MB, ours {self.ours / 1e6:,.0f} MB, {self.ratio:.1f} times less"


def counted(name: str, sizes: Sizes, machine: Machine) -> Counted:
    """Of one of the objectives at these sizes."""
    return Counted(eager_bytes(name, sizes), ours_bytes(name, sizes, machine))


def eager_bytes(name: str, sizes: Sizes) -> int:
    """What eager torch allocates, in bf16 from hidden states on, logits in float32 from there: counted where each dimension is
    `SCALE` times shorter. The order of allocations does not depend on sizes or device."""
    assert sizes.hidden is not None
    place = Place(torch.device("cpu"), True)
    tokens, hidden, vocabulary = (size // SCALE for size in (sizes.tokens, sizes.hidden, sizes.vocabulary))
    states = place.normal(tokens, hidden, seed=8).requires_grad_()
    weight = place.normal(vocabulary, hidden, scale=0.1, seed=9).requires_grad_()
    other = place.normal(tokens, hidden, seed=10)
    problem = make_problem(place, tokens, LENGTH, lambda part: states.detach()[part] @ weight.detach().t())

    def call() -> tuple[Tensor, ...]:
        beside = other @ weight.detach().t() if name in ("kl", "js") else None
        return differentiated(loss_of_logits(name, states @ weight.t(), problem, beside), states, weight)[1]

    call()
    peak, gradients = peak_bytes(call)
    return SCALE**2 * (peak - sum(gradient.nbytes for gradient in gradients))


def peak_bytes(call: Callable[[], tuple[Tensor, ...]]) -> tuple[int, tuple[Tensor, ...]]:
    """The most bytes that torch's allocator on the CPU holds for a call, and what the call gives."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as watched:
        found = call()
    assert watched.profiler is not None
    events = [event for event in watched.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak, found


def ours_bytes(name: str, sizes: Sizes, machine: Machine) -> int:
    """Buffers of the chunk that the model chooses: of logits, of their gradient, and of float32 gradients by its hidden states.
    Beside them are some numbers for each row and token, a thousandth of it."""
    assert sizes.hidden is not None
    chunks = [plan.chunk for plan, _ in plans_of(name, sizes, machine) if plan.chunk is not None]
    return max(chunk.size + 4 * sizes.hidden * chunk.rows for chunk in chunks)
