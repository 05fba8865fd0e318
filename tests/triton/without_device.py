"""Launches an emitted file's kernels as on an H200, through Triton's compiler and the specialisation of arguments that a launch
brings, up to a driver that does nothing: on any machine, in a process of its own.

    python -m tests.triton.without_device SPEC NUMBER FORM

One JSON list for each update batch: the kernels that it compiled."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

LARGEST = (7, 1, 2, 16, 23)  # prompts, samples of a prompt and tokens of a sample at most, batch by batch


def main() -> None:
    """Tensors lie on the CPU, and nothing is written to them."""
    os.environ["TRITON_INTERPRET"] = "0"
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.backends.driver import DriverBase

    class Driver(DriverBase):
        """Of an H200 that nobody has."""

        def __init__(self) -> None:
            self.utils = SimpleNamespace(load_binary=lambda *given: (1, 1, 0, 0, 1024),
                                         get_device_properties=lambda device: {"max_shared_mem": 232_448})
            self.launcher_cls = lambda source, metadata: _nothing

        get_current_device = get_current_stream = staticmethod(lambda *given: 0)
        get_current_target = staticmethod(lambda: GPUTarget("cuda", 90, 32))
        is_active = map_python_to_cpp_type = get_active_torch_device = get_benchmarker = get_device_interface = _nothing

    triton.runtime.driver.set_active(Driver())
    compiled: list[str] = []
    triton.knobs.compilation.listener = lambda *, src, **told: compiled.append(src.name)
    run = _runner(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    for largest in LARGEST:
        run(largest)
        print(json.dumps(compiled))
        compiled.clear()


def _nothing(*arguments: object, **named: object) -> None:
    """What a driver would do."""


def _runner(name: str, number: int, form: str) -> Callable[[int], Any]:
    import numpy as np
    import torch

    from rldsl.certify import random_inputs, random_layout
    from tests.triton import test_launcher as carried
    carried._device = lambda: "cpu"
    staged = carried.staged_of(name, number)

    def run(largest: int) -> Any:
        rng = np.random.default_rng(largest)
        layout = random_layout(staged, rng, largest=largest)
        sizes = {read.key: layout.size(read.axis.name) for read in staged.direct}
        direct = {key: torch.from_numpy(rng.standard_normal(size)) for key, size in sizes.items()}
        return carried.run_update(staged, layout, random_inputs(staged, layout, rng), carried.rows_of(staged, layout, rng, form),
                                  direct)
    return run


if __name__ == "__main__":
    main()
