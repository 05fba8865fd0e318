"""What compilation ahead of time was asked for, and what is wrong with that. Compiles nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from rldsl.ahead.units import DTYPES, triton_version
from rldsl.plan.machines import MACHINES, TARGETS, Machine, machine_for, machine_named
from rldsl.plan.work import Sizes


@dataclass(frozen=True, slots=True)
class Asked:
    """`dtype` is that of logits that are given, or of the weights from which they are computed. `machine`: the name of the GPU to
    predict for; that of the target otherwise."""

    targets: tuple[str, ...]
    dtype: str = "bf16"
    machine: str | None = None
    sizes: Sizes = field(default_factory=Sizes)
    accepts_spills: bool = False

    @property
    def dtypes(self) -> tuple[str, str]:
        """Of logits, and of where their gradient goes: computed logits are fp32, those that are given become it in place."""
        return ("fp32" if self.sizes.hidden is not None else self.dtype), self.dtype

    def machine_of(self, target: str) -> Machine:
        """That of the target, unless one of this target was named."""
        named = machine_named(self.machine) if self.machine is not None else None
        return named if named is not None and named.target == target else machine_for(target)

    def fault(self) -> str | None:
        """What is wrong with it, and what to write; None if nothing is."""
        unknown = next((target for target in self.targets if target not in TARGETS), None)
        if unknown is not None:
            return f"error: `{unknown}` is no target\n why: kernels are made for {_known_targets()}.\n fix: --target {TARGETS[1]}"
        if self.dtype not in DTYPES:
            return f"error: logits are not `{self.dtype}`\n why: they are one of {', '.join(DTYPES)}.\n fix: --dtype bf16"
        if self.machine is not None and machine_named(self.machine) is None:
            known = ", ".join(entry.name for entry in MACHINES)
            return f"error: no limits of the GPU `{self.machine}` are known\n why: those of {known} are.\n fix: --gpu H200"
        if triton_version() is None:
            return ("error: Triton is not installed\n why: it compiles the kernels, on machines with and without a GPU.\n"
                    " fix: pip install 'rldsl[gpu]', on Linux")
        return None


def _known_targets() -> str:
    named = {target: [entry.name for entry in MACHINES if entry.target == target] for target in TARGETS}
    return ", ".join(f"{target} ({', '.join(names)})" for target, names in named.items())
