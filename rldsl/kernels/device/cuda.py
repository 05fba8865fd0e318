"""The calls that only a CUDA device has, each with the reason for it. They need torch alone.

Signatures are those of torch 2.13 and of the documentation since `OLDEST_TORCH`; what a CPU tensor does instead stands beside its
caller.
"""

from __future__ import annotations

import torch
from torch import Tensor

OLDEST_TORCH = "2.10"
OLDEST = (8, 0)  # bf16 tensor cores, and what Triton still compiles for


def wide_product(out: Tensor, left: Tensor, right: Tensor, first: bool) -> None:
    """A product of bf16 or fp16 matrices into float32, or added to it: `mm.dtype_out` and `addmm.dtype_out`, which exist for CUDA
    alone. Tensor cores sum in float32 anyhow; only these give the sum away unrounded. With `out` as its own summand `addmm`
    makes no copy of it (it copies where the two differ), so that nothing of the size of a weight is allocated. A float32 summand
    beside bf16 factors is taken from torch 2.10 on (pytorch#167931). Rows of `out` may be further apart than they are long."""
    if first:
        torch.mm(left, right, out_dtype=out.dtype, out=out)
    else:
        torch.addmm(out, left, right, out_dtype=out.dtype, out=out)


def to_device(values: Tensor, device: torch.device) -> Tensor:
    """A copy from the host that nobody waits for: only from page-locked memory does a copy return before it is done. The caching
    allocator of such memory keeps it until the stream has read it."""
    return values.pin_memory().to(device, non_blocking=True)


def to_host(values: Tensor) -> tuple[Tensor, torch.cuda.Event]:
    """A copy to the host that is there once the event has come. An event is waited for alone: what is queued behind it goes on."""
    held = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    held.copy_(values, non_blocking=True)
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(values.device))
    return held, event


def unusable(device: torch.device | None = None) -> str | None:
    """Why a CUDA device (the current one) cannot run the kernels, in a sentence; None where it can."""
    if not torch.cuda.is_available():
        return "there is no CUDA device"
    name, capability = torch.cuda.get_device_name(device), torch.cuda.get_device_capability(device)
    if torch.torch_version.TorchVersion(torch.__version__) < OLDEST_TORCH:
        return f"torch {torch.__version__} cannot add a product of bf16 matrices to a float32 one on a GPU, which 2.10 can"
    if capability < OLDEST:
        return f"{name} has compute capability {capability[0]}.{capability[1]}, and the kernels need 8.0 (an A100) or newer"
    return None


def named(device: torch.device) -> str:
    """Its name and its memory."""
    return f"{torch.cuda.get_device_name(device)}, {memory(device) >> 30} GiB"


def memory(device: torch.device) -> int:
    """Bytes that it has in all."""
    total: int = torch.cuda.get_device_properties(device).total_memory
    return total


def free_memory(device: torch.device) -> int:
    """Bytes that may still be taken: what the driver has, and what torch's allocator holds without using it."""
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    free: int = torch.cuda.mem_get_info(device)[0]
    return free + held


def use(device: torch.device) -> None:
    """What names no device of its own goes there from now on. Attention is torch's own or that of FlashAttention, in the whole
    process: torch 2.11 and newer would take cuDNN's first on an H100, H200 or B200, which with a mask gives NaN gradients
    (pytorch#196678), and with few heads of keys other answers than all others (pytorch#193893)."""
    torch.cuda.set_device(device)
    torch.backends.cuda.enable_cudnn_sdp(False)  # type: ignore[no-untyped-call]
