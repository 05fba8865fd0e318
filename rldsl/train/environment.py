"""What a run ran on: versions, platform, processor. Reads; imports none of the libraries that it names."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "rldsl", "torch", "numba", "numpy", "transformers", "tokenizers", "safetensors", "triton",
    "pyarrow", "tensorboard", "math-verify", "reasoning-gym",
)  # fmt: skip
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def describe_environment() -> dict[str, object]:
    """What `environment.json` holds: everything that may change a number or a speed, and nothing private."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": _processor(),
        "cores": _cores(),
        "threads": {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        "accelerators": _accelerators(),
    }


def compare_environments(before: dict[str, object], now: dict[str, object]) -> tuple[str, ...]:
    """One line for each thing that changed, such as `torch 2.12.0 -> 2.13.0`.

    Resume is exact where there are none.
    """
    old, new = _flatten(before), _flatten(now)
    names = sorted(old.keys() | new.keys())
    return tuple(
        f"{name} {old.get(name, 'absent')} -> {new.get(name, 'absent')}"
        for name in names
        if old.get(name) != new.get(name)
    )


def _flatten(environment: dict[str, object]) -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in environment.items():
        if isinstance(value, dict):
            flat.update(value)
        else:
            flat[name] = value
    return flat


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _accelerators() -> list[str]:
    torch = sys.modules.get("torch")  # a run on an accelerator has imported it; nothing else pays for it here
    if torch is None or not torch.cuda.is_available():
        return []
    return [str(torch.cuda.get_device_name(index)) for index in range(torch.cuda.device_count())]
