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

# Prompts, samples of each and tokens of each sample, batch by batch: Triton makes other kernels of 1 and of what 16 divides.
SIZES = ((3, 2, 5), (1, 1, 1), (4, 4, 16), (2, 1, 7))


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
    for sizes in SIZES:
        run(sizes)
        print(json.dumps(compiled))
        compiled.clear()


def _nothing(*arguments: object, **named: object) -> None:
    """What a driver would do."""


def _runner(name: str, number: int, form: str) -> Callable[[tuple[int, int, int]], Any]:
    import numpy as np
    import torch

    from rldsl.certify import random_inputs
    from rldsl.kernels.layout import Layout
    from rldsl.types import Level
    from tests.triton import test_launcher as carried
    carried._device = lambda: "cpu"
    staged = carried.staged_of(name, number)

    def layout_of(sizes: tuple[int, int, int]) -> Layout:
        below = {Level.PROMPT: sizes[0], Level.SAMPLE: sizes[1], Level.TOKEN: sizes[2]}
        parents, counts, above = {}, {}, {"batch": 1}
        for axis in staged.axes:
            if axis.parent is not None:
                parents[axis.name], counts[axis.name] = axis.parent.name, [below[axis.level]] * above[axis.parent.name]
                above[axis.name] = sum(counts[axis.name])
        return Layout.of(parents, counts)

    def run(sizes: tuple[int, int, int]) -> Any:
        """Chunks of three rows, so that there are several and the last is shorter."""
        rng, layout = np.random.default_rng(0), layout_of(sizes)
        direct = {read.key: torch.from_numpy(rng.standard_normal(layout.size(read.axis.name))) for read in staged.direct}
        return carried.run_update(staged, layout, random_inputs(staged, layout, rng), carried.rows_of(staged, layout, rng, form),
                                  direct, (1, 3))
    return run


if __name__ == "__main__":
    main()
