"""What the model of `rldsl.plan` says of the work, and what no program could be below at the ceilings of this run."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.gpu.specs import staged
from rldsl.graph.staged import HeadGroup
from rldsl.plan.machines import DEFAULT, Machine, machine_named
from rldsl.plan.work import GroupPlan, Sizes, limit_seconds, plan_group


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Measured in this run: bytes a second of a copy, reads and writes counted, and FLOPs a second of a large bf16 product."""

    copy: float
    gemm: float


def machine_of(name: str) -> Machine:
    """The machine of that name in the model's table; the default for one that is not there."""
    found = machine_named(name) or machine_named(DEFAULT)
    assert found is not None
    return found


def plans_of(name: str, sizes: Sizes, machine: Machine) -> list[tuple[GroupPlan, Sizes]]:
    """Of all groups, which have the tokens between them."""
    groups: tuple[HeadGroup, ...] = staged(name).groups
    share = replace(sizes, tokens=sizes.tokens // len(groups))
    return [(plan_group(staged(name), group, share, machine), share) for group in groups]


def predicted_ms(name: str, sizes: Sizes, machine: Machine) -> float:
    """Of all steps, from the model's own table of machines: nothing of this run."""
    return 1e3 * sum(plan.seconds for plan, _ in plans_of(name, sizes, machine))


def limit_ms(name: str, sizes: Sizes, machine: Machine, ceilings: Ceilings | None) -> float | None:
    """At the measured ceilings; None without them."""
    if ceilings is None:
        return None
    real = replace(machine, copy=ceilings.copy, gemm=ceilings.gemm)
    return 1e3 * sum(limit_seconds(plan, share, real) for plan, share in plans_of(name, sizes, real))


def model_tile(name: str, sizes: Sizes, machine: Machine) -> tuple[int, int, int]:
    """Of the row kernels of the first group."""
    return plans_of(name, sizes, machine)[0][0].tile.shape
