"""The limits of a few GPUs, each with where they come from. Knows nothing of objectives."""

from __future__ import annotations

from dataclasses import dataclass

# Seconds that a device waits between queued kernels: taken for 2 us, since 1.3 us are reported of those of a CUDA graph on an H100
# (Hazy Research, "Look Ma, No Bubbles!", 2025). Not measured here.
LAUNCH = 2e-6
COPY_SHARE = 4.3 / 4.8     # of the datasheet's bandwidth that a copy reached on an H200 (read and written bytes)
GEMM_SHARE = 790 / 989     # of the datasheet's dense bf16 rate that a large GEMM on random data reached there
SEEN = f"datasheet; copies and GEMMs at the shares that an H200 reached ({COPY_SHARE:.2f} and {GEMM_SHARE:.2f})"


@dataclass(frozen=True, slots=True)
class Machine:
    """One GPU. `copy` bytes a second, reads and writes counted; `gemm` bf16 FLOPs a second of large products; `single` (fp32)
    and `double` (fp64) FLOPs a second outside tensor cores; `memory` and `cache` (L2) in bytes; `clock` in Hz."""

    name: str
    target: str
    copy: float
    gemm: float
    single: float
    double: float
    processors: int
    cache: int
    memory: int
    clock: float
    source: str

    @property
    def lanes(self) -> float:
        """Instructions of single threads that all processors issue in a second: four warps of 32 a cycle each."""
        return self.processors * 128 * self.clock

    @property
    def special(self) -> float:
        """Exponentials (and their kind) a second: 16 a cycle and processor."""
        return self.processors * 16 * self.clock


def _machine(name: str, target: str, *, bandwidth: float, tensor: float, single: float, double: float, processors: int,
             cache: int, memory: int, clock: float) -> Machine:
    return Machine(name, target, bandwidth * COPY_SHARE * 1e12, tensor * GEMM_SHARE * 1e12, single * 1e12, double * 1e12,
                   processors, cache << 20, memory * 10**9, clock * 1e9, SEEN)


# Datasheets of NVIDIA A100 80GB SXM, H100 SXM5, H200 SXM, B200 (HGX): TB/s, dense bf16 TFLOP/s, fp32 and fp64 TFLOP/s, SMs,
# MB of L2, GB, GHz.
MACHINES = (
    _machine("A100", "sm_80", bandwidth=2.039, tensor=312, single=19.5, double=9.7,
             processors=108, cache=40, memory=80, clock=1.41),
    _machine("H200", "sm_90", bandwidth=4.8, tensor=989, single=67, double=34,
             processors=132, cache=50, memory=141, clock=1.98),
    _machine("H100", "sm_90", bandwidth=3.35, tensor=989, single=67, double=34,
             processors=132, cache=50, memory=80, clock=1.98),
    _machine("B200", "sm_100", bandwidth=7.7, tensor=2250, single=75, double=37,
             processors=148, cache=126, memory=180, clock=1.965),
)
TARGETS = tuple(dict.fromkeys(machine.target for machine in MACHINES))
DEFAULT = "H200"


def machine_for(target: str) -> Machine:
    """The machine that a target is predicted for, unless another is named."""
    return next(machine for machine in MACHINES if machine.target == target)


def machine_named(name: str) -> Machine | None:
    """The machine of that name, or of the name that its driver reports (`NVIDIA H100 80GB HBM3`)."""
    words = name.upper().replace("-", " ").split()
    return next((machine for machine in MACHINES if machine.name in words), None)
