"""Which device a run is on and which kernels compute its objectives: from what the command says, else from what is there."""

from __future__ import annotations

from dataclasses import dataclass

from rldsl.emit.triton.interpreter import is_interpreted
from rldsl.program import BACKENDS, BackendName
from rldsl.rollouts.placement import CPU, Placement, choose, described, why_not_used
from rldsl.rollouts.signatures import ModelError
from rldsl.train.outcome import RunError


@dataclass(frozen=True, slots=True)
class Chosen:
    """A device with its number format, and a back end that runs there. `notes` are lines for whoever starts the run."""

    placement: Placement = CPU
    backend: BackendName = "numba"
    notes: tuple[str, ...] = ()


def choose_device(device: str | None = None, dtype: str | None = None, backend: str | None = None) -> Chosen:
    """A back end that runs on the CPU alone brings the run there, unless a device is named. Raises `RunError` for what does not
    go together or is not there."""
    name = next((entry for entry in BACKENDS if entry == backend), None)
    if backend is not None and name is None:
        raise RunError(f"there is no back end `{backend}`; write `--backend numba`, `--backend triton` or `--backend torch`")
    on_cpu = name in ("numba", "torch") or is_interpreted()
    placement = placed("cpu" if device is None and on_cpu else device, dtype)
    if name is None:
        name = "triton" if placement.is_cuda else "numba"
    _check(placement, name)
    return Chosen(placement, name, tuple(_notes(placement, name, by_itself=device is None)))


def placed(device: str | None, dtype: str | None) -> Placement:
    """`placement.choose`, for commands."""
    try:
        return choose(device, dtype)
    except ModelError as fault:
        raise RunError(fault.message) from fault


def _check(placement: Placement, backend: BackendName) -> None:
    if placement.is_cuda and backend != "triton":
        raise RunError(f"the back end `{backend}` runs on the CPU, not on {placement.device}: write `--backend triton`, or "
                       "`--device cpu`")
    if placement.is_cuda and is_interpreted():
        raise RunError(f"TRITON_INTERPRET is set, and the interpreter runs on the CPU, not on {placement.device}: unset it, or "
                       "write `--device cpu`")
    if backend == "triton":
        _check_triton(placement)


def _check_triton(placement: Placement) -> None:
    from rldsl.triton_module import TritonOptions
    try:
        TritonOptions(device=placement.device if placement.is_cuda else None).chosen_device()
    except RuntimeError as fault:
        raise RunError(str(fault)) from fault
    if not placement.is_cuda and not is_interpreted():
        raise RunError("the back end `triton` runs on a CUDA device, not on the CPU: write `--backend numba`")


def _notes(placement: Placement, backend: BackendName, *, by_itself: bool) -> list[str]:
    """Nothing of a CPU that is taken because there is nothing else: that is as it always was."""
    fault = why_not_used()
    if placement.is_cuda:
        also = "; `--device cpu` takes the CPU" if by_itself else ""
        return [f"runs on {described(placement)}, objectives by {backend}{also}"]
    return [f"runs on {described(placement)}, objectives by {backend}: {fault}"] if by_itself and fault is not None else []
