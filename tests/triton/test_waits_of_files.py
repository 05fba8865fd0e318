"""What the host waits for while an emitted file computes an update by itself, on a device that is not there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

pytest.importorskip("triton", reason="Triton is not installed")

from rldsl.certify import random_inputs, random_layout
from rldsl.compiler import CheckResult
from rldsl.emit.triton import emit_triton
from rldsl.emit.triton.load import interprets, load_triton
from rldsl.kernels.rows import Rows
from rldsl.passes import compile_objective
from rldsl.reporting import check_path
from tests.triton.pretended import Pretended, on_device, on_host, pretended
from tests.triton.test_launcher import counts_of, frozen_of, rows_of, staged_of

pytestmark = pytest.mark.skipif(not interprets(), reason="launches kernels on tensors that only say that they lie on a GPU")

EXAMPLES = Path(__file__).parents[2] / "examples"
EVERY = sorted([*EXAMPLES.glob("*.rl"), *EXAMPLES.glob("methods/*.rl")])
COVERED, LATE = True, False  # whether the device has something to do while the host waits for a mask


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretended]:
    """It is there."""
    with pretended(monkeypatch) as found:
        yield found


class Kernel:
    """An emitted kernel whose launches are recorded; other kernels may call it."""

    def __init__(self, device: Pretended, name: str, kernel: Any) -> None:
        self.device, self.name, self.kernel = device, name, kernel

    def __getitem__(self, grid: Any) -> Callable[..., Any]:
        return self.device.launched(self.name, self.kernel[grid])


@pytest.mark.parametrize("host", [True, False], ids=["offsets on the host", "offsets on the device"])
@pytest.mark.parametrize(("name", "waits"), [("grpo.rl", 0), ("gspo.rl", 1), ("methods/m165-forking_tokens.rl", 0)])
def test_an_emitted_file_waits_for_masks_and_for_its_numbers(name: str, waits: int, host: bool, device: Pretended,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    """Where chunks hold whole answers the host has to know where these end: offsets that lie on the device come down, once."""
    staged, rng = staged_of(name, 0), np.random.default_rng(5)
    layout = random_layout(staged, rng, largest=7)
    inputs, rows = random_inputs(staged, layout, rng), rows_of(staged, layout, rng, "hidden")
    text = emit_triton(staged).text
    with torch._C.DisableTorchFunction():
        module = load_triton(text, "carried")
    kernels = set(re.findall(r"@triton\.jit.*?\ndef (\w+)\(", text, re.DOTALL))
    for kernel in kernels & set(re.findall(r"\n +(\w+)\[[^\n]*\]\(", text)):
        monkeypatch.setattr(module, kernel, Kernel(device, kernel, getattr(module, kernel)))
    monkeypatch.setattr(module, "CHUNK_BYTES", 1)
    monkeypatch.setattr(module, "LEAST_ROWS", 5)
    given = rows[staged.groups[0].rows]
    assert given.hidden is not None and given.weight is not None
    states, weight = (on_device(tensor.detach().bfloat16()) for tensor in (given.hidden, given.weight))
    head = module.Rows(on_device(given.targets), hidden=states, weight=weight)
    named: dict[str, Tensor] = {}
    for key, frozen in frozen_of(text, staged, layout, inputs).items():
        named[key] = frozen if host and frozen.dtype is torch.int64 else on_device(frozen)
    numbers, _ = module.update(head, **named)
    assert device.waits == ["copy to the host"] * (0 if host else waits) + ["tolist"]
    assert len(device.masks) >= 3 and device.masks[:-1] == [COVERED] * (len(device.masks) - 1)
    assert device.masks[-1] == (LATE if name == "grpo.rl" else COVERED)
    launches = [entry.name for entry in device.asked if entry.what == "launch"]
    again = launches.count("write_rows0") - 1 if "forking" in name else 0  # the last chunk is not read again
    assert launches.count("read_rows0") == launches.count("write_rows0") + again
    assert np.isfinite(numbers["loss"]) and on_host(head.by_weight).any() and not head.buffers


def silent(device: Pretended, text: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The emitted module with kernels that are launched, and do nothing."""
    with torch._C.DisableTorchFunction():
        module = load_triton(text, "carried")
    for kernel in set(re.findall(r"@triton\.jit.*?\ndef (\w+)\(", text, re.DOTALL)):
        monkeypatch.setattr(module, kernel, Silent(device.launched(kernel, lambda *_, **__: None)))
    return module


def as_given(module: Any, rows: Rows) -> Any:
    """Rows as an emitted file takes them."""
    others = [module.Rows(on_device(rows.targets), hidden=on_device(other[0]), weight=on_device(other[1]))
              for other in rows.others.values()]
    assert rows.hidden is not None and rows.weight is not None
    return module.Rows(on_device(rows.targets), hidden=on_device(rows.hidden), weight=on_device(rows.weight), others=tuple(others))


class Silent:
    """A kernel of which launches are recorded."""

    def __init__(self, launch: Callable[..., Any]) -> None:
        self.launch = launch

    def __getitem__(self, grid: Any) -> Callable[..., Any]:
        return self.launch


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_no_emitted_file_waits_before_its_numbers(path: Path, device: Pretended, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an objective combines: its launches and what it sorts in between. Of masks nothing is said, since kernels are
    silent here and no row has a gradient."""
    result = check_path(path, {})
    assert isinstance(result, CheckResult) and result.spec is not None
    spec = result.spec
    for objective in spec.objectives:
        staged, rng = compile_objective(spec, objective), np.random.default_rng(5)
        text = emit_triton(staged).text
        module = silent(device, text, monkeypatch)
        layout = random_layout(staged, rng, largest=7)
        rows = rows_of(staged, layout, rng, "hidden")
        heads = [as_given(module, rows[group.rows]) for group in staged.groups]
        direct = [on_device(torch.zeros(layout.size(read.axis.name))) for read in staged.direct]
        given = frozen_of(text, staged, layout, random_inputs(staged, layout, rng))
        named = {key: value if value.dtype is torch.int64 else on_device(value) for key, value in given.items()}
        module.update(*heads, *direct, **named, **counts_of(text, layout))
    assert device.waits == ["tolist"] * len(spec.objectives)
