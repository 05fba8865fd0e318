"""What is chosen for a GPU and what is predicted of it: the section that `rldsl explain --gpu` adds. A model, not a measurement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rldsl.graph.spec import Spec
from rldsl.passes import compile_objective
from rldsl.plan.machines import MACHINES, Machine, machine_named
from rldsl.plan.show import choice_lines, prediction_lines
from rldsl.plan.work import Sizes, plan_group


@dataclass(frozen=True, slots=True)
class OnGpu:
    """The GPU to explain for, and the sizes. Logits are bf16 where they are given; `hidden`: they are computed."""

    name: str
    sizes: Sizes

    def machine(self) -> Machine | None:
        """That of the name."""
        return machine_named(self.name)

    def fault(self) -> str | None:
        """What is wrong with the name, and what to write."""
        if self.machine() is not None:
            return None
        known = ", ".join(entry.name for entry in MACHINES)
        return f"error: no limits of the GPU `{self.name}` are known\n why: those of {known} are.\n fix: --gpu H200"


def gpu_lines(spec: Spec, asked: OnGpu) -> Iterator[str]:
    """For each objective and each response that it reads: tile and chunk with their reasons, steps with predicted times."""
    machine = asked.machine()
    assert machine is not None
    yield (f"on {machine.name} ({machine.target}): copies {machine.copy / 1e12:.2f} TB/s, bf16 products "
           f"{machine.gemm / 1e12:.0f} TFLOP/s, {machine.processors} processors, {machine.cache >> 20} MB of L2")
    yield f"  {machine.source}"
    for objective in spec.objectives:
        staged = compile_objective(spec, objective)
        for group in staged.groups:
            plan = plan_group(staged, group, asked.sizes, machine)
            yield f"  objective {objective.name}"
            yield from (f"    {line}" for line in (*choice_lines(plan), *prediction_lines(plan, asked.sizes, machine)))
