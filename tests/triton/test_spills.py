"""Which tile an update takes on a device: what Triton says of compiled kernels decides, as it does in `rldsl compile --target`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytest.importorskip("triton", reason="Triton is not installed")

from rldsl.ahead import jobs
from rldsl.ahead.asked import Asked
from rldsl.emit.triton import emit_triton
from rldsl.emit.triton.signatures import KernelSignature
from rldsl.plan.machines import machine_for
from rldsl.plan.spills import SpillsUnknown
from rldsl.plan.tiles import Tile
from rldsl.plan.work import Sizes
from rldsl.triton_spills import Specialised, row_kernels, spilled_bytes
from tests.head.objectives import OBJECTIVES, compiled

ROOT = Path(__file__).parents[2]
TILE = Tile(2048, 4, 1)
GIVEN = Specialised(torch.float32, torch.bfloat16, 1001, 1024)


def kernels(name: str = "token") -> tuple[KernelSignature, ...]:
    """Of an emitted module."""
    return emit_triton(compiled(name).staged).kernels


class Kernel:
    """What Triton makes of a kernel's text, as far as it is asked. `words` are what machine code spills."""

    def __init__(self, signature: KernelSignature, words: int | None, fault: Exception | None = None) -> None:
        names = dict.fromkeys((*signature.arguments, *signature.values(TILE.shape)))
        self.arg_names, self.words, self.fault = [*names], words, fault
        self.calls: list[tuple[dict[str, Any], dict[str, Any]]] = []

    def warmup(self, *arguments: Any, **options: Any) -> Any:
        self.calls.append((dict(zip(self.arg_names, arguments, strict=True)), options))
        made = SimpleNamespace(n_spills=None)

        def load() -> None:
            if self.fault is not None:
                raise self.fault
            made.n_spills = self.words
        made._init_handles = load
        return made


def module(words: Callable[[str], int | None], **faults: Exception) -> SimpleNamespace:
    """Of the token-coupled objective."""
    return SimpleNamespace(**{entry.name: Kernel(entry, words(entry.name), faults.get(entry.name)) for entry in kernels()
                              if entry.tiled})


def test_the_kernels_that_are_launched_are_asked() -> None:
    def asked(name: str, **where: bool) -> list[str]:
        return [entry.name for entry in row_kernels(kernels(name), 0, **{"apart": False, "sharded": False, **where})]

    assert asked("token") == ["fuse_rows0"] and asked("token", apart=True) == ["read_rows0", "write_rows0"]
    assert asked("sample", apart=True) == ["read_rows0", "write_rows0"]
    assert asked("exact", sharded=True) == ["partition_rows0", "compare_parts0", "write_rows0"]


def test_a_kernel_is_compiled_for_the_arguments_that_an_update_hands_over() -> None:
    """Dtypes stand for tensors. 1001 columns in rows of 1024: 16 divides the latter alone."""
    made = module(lambda name: 0)
    assert spilled_bytes(made, row_kernels(kernels(), 0, apart=False, sharded=False), GIVEN, TILE) == 0
    (given, options), = made.fuse_rows0.calls
    assert (given["x"], given["out"], given["targets"], given["logp_at"]) == \
        (torch.float32, torch.bfloat16, torch.int64, torch.float64)
    assert (given["x_stride"], given["out_stride"], given["vocabulary"]) == (1024, 1024, 1001)
    assert (given["places"], given["CAPPED"], given["IN_PLACE"]) == (None, False, False)
    assert (given["BLOCK"], given["WARPS"], given["STAGES"]) == TILE.shape
    assert options == {"grid": (1,), "num_warps": 4, "num_stages": 1, "enable_fp_fusion": True}
    same = Specialised(torch.bfloat16, torch.bfloat16, 1024, 1024)
    spilled_bytes(made, row_kernels(kernels(), 0, apart=False, sharded=False), same, TILE)
    assert made.fuse_rows0.calls[1][0]["IN_PLACE"] is True


def test_the_first_kernel_that_spills_ends_the_search() -> None:
    """Triton counts words of four bytes."""
    made = module({"read_rows0": 6}.get)
    assert spilled_bytes(made, row_kernels(kernels(), 0, apart=True, sharded=False), GIVEN, TILE) == 24
    assert made.write_rows0.calls == []


def test_a_tile_that_needs_more_than_a_processor_has_does_not_run() -> None:
    from triton.runtime.errors import OutOfResources
    made = module(lambda name: 0, read_rows0=OutOfResources(300_000, 232_448, "shared memory"))
    assert spilled_bytes(made, row_kernels(kernels(), 0, apart=True, sharded=False), GIVEN, TILE) is None


def test_a_triton_that_says_nothing_of_spills_is_not_taken_for_one_that_says_none() -> None:
    """Nor is one that does not compile what it is asked for: an update then says so by itself."""
    with pytest.raises(SpillsUnknown, match="`read_rows0`: AttributeError: Triton says nothing of spills"):
        spilled_bytes(module(lambda name: None), row_kernels(kernels(), 0, apart=True, sharded=False), GIVEN, TILE)
    broken = module(lambda name: 0, read_rows0=TypeError("no such option"))
    with pytest.raises(SpillsUnknown, match="`read_rows0`: TypeError: no such option"):
        spilled_bytes(broken, row_kernels(kernels(), 0, apart=True, sharded=False), GIVEN, TILE)


@pytest.mark.parametrize("name", sorted(OBJECTIVES))
def test_every_parameter_of_every_row_kernel_has_an_argument(name: str) -> None:
    """A dtype for a tensor, a number for a number, and all constants."""
    for kernel in (entry for entry in kernels(name) if entry.tiled):
        given = GIVEN.arguments(kernel, TILE)
        assert {*given} == {*kernel.arguments, *kernel.values(TILE.shape)}
        for parameter, kind in kernel.arguments.items():
            assert isinstance(given[parameter], torch.dtype if kind.startswith("*") else int), (kernel.name, parameter)


# ------------------------------------------------------------------ compiled by Triton's own launches
CHILD = '''
import json, subprocess, sys, tempfile
from pathlib import Path
import torch, triton
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from rldsl.ahead.sass import usage_of


class Loaded:
    """Reads from machine code what a driver would say of it."""

    def load_binary(self, name, code, shared, device):
        with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
            file.write(code)
            file.flush()
            tool = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"
            said = subprocess.run([tool, "-res-usage", file.name], capture_output=True, text=True, check=True).stdout
        usage = usage_of(said)
        return 1, 2, usage.registers, usage.stack // 4, 1024

    def get_device_properties(self, device):
        return {"max_shared_mem": 232_448}

    def unload_module(self, module):
        pass


class Hopper:
    """As much of a driver as compiling asks for."""

    utils = Loaded()

    def launcher_cls(self, *given):
        return None

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0

    def get_current_target(self):
        return GPUTarget("cuda", 90, 32)


driver.set_active(Hopper())
from rldsl.plan.search import Situation
from rldsl.plan.spills import unspilled
from rldsl.plan.tiles import Tile
from rldsl.triton_module import load_objective
from rldsl.triton_spills import Specialised, row_kernels, spilled_bytes
from tests.head.objectives import compiled

loaded = load_objective(compiled("generalised").staged)
given = Specialised(torch.bfloat16, torch.bfloat16, 32_000, 32_000)
tiles = [Tile(*shape) for shape in json.loads(sys.argv[1])]
taken = unspilled(Situation("a Hopper", "kernels", 32_000, ("bf16", "bf16"), ()), tiles, lambda tile: spilled_bytes(
    loaded.functions, row_kernels(loaded.kernels, 0, apart=False, sharded=False), given, tile), Path(sys.argv[2]))
print(json.dumps([taken.shape, taken.spilled, taken.passed]))
'''


@pytest.mark.slow
def test_an_update_takes_the_tile_that_compiling_ahead_of_time_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five divergences beside each other in 32 warps: 64 registers a thread are too few for 16 logits of two policies."""
    tiles = [Tile(16_384, 32, 1), Tile(1024, 4, 1)]
    monkeypatch.setattr(jobs, "ranked", lambda *_: [(None, tile) for tile in tiles])
    staged = compiled("generalised").staged
    job = jobs.Job(staged, emit_triton(staged), "sm_90", machine_for("sm_90"))
    ahead = jobs.make([job], Asked(("sm_90",), sizes=Sizes(vocabulary=32_000)))[0][0].tile
    assert ahead is not None
    plain = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", CHILD, json.dumps([tile.shape for tile in tiles]), str(tmp_path / "kept")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False,
                          env={**plain, "TRITON_CACHE_DIR": str(tmp_path / "triton"), "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    shape, spilled, passed = json.loads(done.stdout.splitlines()[-1])
    assert tuple(shape) == ahead.shape == (1024, 4, 1) and spilled == 0
    (block, *_), count = passed[0]
    assert block == 16_384 and count > 0
